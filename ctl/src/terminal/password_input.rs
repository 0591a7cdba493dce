//! Answers that are typed without echo.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _, Read};
use std::os::fd::AsFd;
use std::thread;

use imgurd_proto::Secret;
use imgurd_proto::text::decoded;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::output;
use crate::failure::Failure;

/// What a terminal sends for Ctrl-C if that does not make a signal.
const CTRL_C: u8 = 3;
/// The same for Ctrl-D.
const CTRL_D: u8 = 4;

/// A terminal without echo; dropping this restores its mode.
///
/// rpassword answers Ctrl-C by raising SIGINT before it has restored the terminal, which leaves a shell without echo. So
/// this sets the mode, rpassword only edits the line, and Ctrl-C never reaches it.
pub(crate) struct PasswordInput {
    terminal: File,
    before: Termios,
}

impl PasswordInput {
    /// Uses standard input, or else the controlling terminal. Another thread may read the keys.
    pub(crate) fn begin() -> io::Result<(Self, Keys)> {
        let terminal = if io::stdin().is_terminal() {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            File::open("/dev/tty")?
        };
        let keys = Keys(terminal.try_clone()?);
        let before = tcgetattr(&terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        unseen.special_codes[SpecialCodeIndex::VMIN] = 1;
        unseen.special_codes[SpecialCodeIndex::VTIME] = 0;
        restore_at_signals(terminal.try_clone()?, before.clone())?;
        tcsetattr(&terminal, OptionalActions::Now, &unseen)?;
        Ok((Self { terminal, before }, keys))
    }
}

/// Restores the mode of the terminal before one of these signals ends this program.
fn restore_at_signals(terminal: File, before: Termios) -> io::Result<()> {
    let mut signals =
        Signals::new([Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].map(Signal::as_raw))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

impl Drop for PasswordInput {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// The keys pressed, up to Ctrl-C.
pub(crate) struct Keys(File);

impl Keys {
    /// Asks a question and reads the answer, which is empty after Enter alone.
    pub(crate) fn ask(self, question: &str) -> Result<Secret, Failure> {
        output::ask(question);
        let config = rpassword::ConfigBuilder::new().input_reader(self).output_discard().build();
        let answer = rpassword::read_password_with_config(config);
        output::tell("");
        match answer {
            Ok(text) => Ok(text.trim().into()),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::UnexpectedEof) => {
                Err(Failure::Cancelled)
            }
            Err(error) => Err(Failure::Input(error)),
        }
    }

    /// Like [`ask`](Self::ask), but also reads the other lines of a pasted text.
    pub(crate) fn ask_for_paste(self, question: &str) -> Result<Secret, Failure> {
        let mut further = Self(self.0.try_clone().map_err(Failure::Input)?);
        let mut text = self.ask(question)?.expose().to_owned();
        let mut buffer = [0; 4096];
        while further.is_pressed() {
            let count = further.read(&mut buffer).map_err(Failure::Input)?;
            text = [&text, "\n", &decoded(&buffer[..count])].concat();
            if count == 0 {
                break;
            }
        }
        Ok(text.trim().into())
    }

    fn is_pressed(&self) -> bool {
        let mut terminal = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut terminal, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Reads everything that is pasted or typed, up to Ctrl-D.
    pub(crate) fn paste(mut self) -> Result<Vec<u8>, Failure> {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let count = self.read(&mut buffer).map_err(|error| match error.kind() {
                ErrorKind::Interrupted => Failure::Cancelled,
                _ => Failure::Input(error),
            })?;
            let end = buffer[..count].iter().position(|byte| *byte == CTRL_D);
            text.extend_from_slice(&buffer[..end.unwrap_or(count)]);
            if count == 0 || end.is_some() {
                return Ok(text);
            }
        }
    }
}

impl Read for Keys {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(read) if buffer[..read].contains(&CTRL_C) => return Err(ErrorKind::Interrupted.into()),
                result => return result,
            }
        }
    }
}
