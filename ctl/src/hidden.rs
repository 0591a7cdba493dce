//! Answers that are typed unseen.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal as _, Read};
use std::os::fd::AsFd;

use imgurd_proto::Secret;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::failure::Failure;
use crate::input::unreadable;
use crate::output::Output;

/// What a terminal sends for Ctrl-C where it does not make a signal of it.
const CTRL_C: u8 = 3;

/// The terminal while it shows nothing of what is typed; dropping it puts the terminal back.
///
/// rpassword alone answers Ctrl-C by raising SIGINT before it has put the terminal back, which leaves a shell that
/// echoes nothing. So the terminal is prepared here, Ctrl-C never reaches rpassword, and its part is the editing.
pub(crate) struct HiddenInput {
    terminal: File,
    before: Termios,
}

impl HiddenInput {
    /// On standard input, or where that is no terminal on the one that this process belongs to.
    pub(crate) fn begin() -> io::Result<Self> {
        let terminal = if io::stdin().is_terminal() {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            File::open("/dev/tty")?
        };
        let before = tcgetattr(&terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        unseen.special_codes[SpecialCodeIndex::VMIN] = 1;
        unseen.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &unseen)?;
        Ok(Self { terminal, before })
    }

    /// A handle that another thread may read from, while this one keeps the terminal's return in hand.
    pub(crate) fn keys(&self) -> io::Result<Keys> {
        self.terminal.try_clone().map(Keys)
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

/// The keys pressed, up to Ctrl-C.
pub(crate) struct Keys(File);

impl Keys {
    /// Puts a question and reads the answer, empty where only Enter was pressed.
    pub(crate) fn ask(self, question: &str) -> Result<Secret, Failure> {
        Output::ask(question);
        let config = rpassword::ConfigBuilder::new().input_reader(self).output_discard().build();
        let answer = rpassword::read_password_with_config(config);
        Output::end_line();
        match answer {
            Ok(text) => Ok(text.trim().into()),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::UnexpectedEof) => {
                Err(Failure::Cancelled)
            }
            Err(error) => Err(unreadable(&error)),
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
