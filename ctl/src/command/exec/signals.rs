//! The signals that `imgurctl exec` receives and passes on.

use std::fs::{self, File};
use std::io;
use std::thread;

use rustix::process::{Signal, getpgrp};
use rustix::termios::tcgetpgrp;
use signal_hook::iterator::Signals;

/// Signals from users and service managers. Signals of job control reach both programs anyway.
const PASSED_ON: [Signal; 6] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2];

/// Passes each of these signals and SIGCHLD to `event`, in its own thread. Signals that this program ignores from its
/// start, for example under nohup(1), stay ignored, also by the command.
pub(super) fn receive(mut event: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    let ignored = ignored();
    let is_handled = |signal: &Signal| ignored & (1 << (signal.as_raw() - 1)) == 0;
    let handled = PASSED_ON.into_iter().filter(is_handled).chain([Signal::CHILD]);
    let mut signals = Signals::new(handled.map(Signal::as_raw))?;
    thread::spawn(move || signals.forever().filter_map(Signal::from_named_raw).for_each(&mut event));
    Ok(())
}

/// Whether the terminal sent this signal, and so sent it to the command too: Ctrl-C and Ctrl-\ in the foreground.
pub(super) fn is_from_terminal(signal: Signal) -> bool {
    let foreground =
        || File::open("/dev/tty").is_ok_and(|tty| tcgetpgrp(tty).is_ok_and(|group| group == getpgrp()));
    matches!(signal, Signal::INT | Signal::QUIT) && foreground()
}

/// The signals that this process ignores, one bit each (proc_pid_status(5)).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}
