//! Another time of day for the daemon than the machine's.

use super::{Program, Testbed};

/// A wall clock that is wrong for whom it is given to: `libfaketime` stands between a program and what the C library
/// says of the time. Timers are the kernel's: what waits for a time that is ahead waits longer than it should, and one
/// that is behind keeps the daemon busy.
#[derive(Debug)]
pub(super) struct WrongClock {
    /// It owns what the library shares between processes, and takes that away at its end: a daemon that is killed
    /// could not.
    owner: Option<Program>,
    environment: Vec<String>,
}

impl WrongClock {
    fn new(bed: &Testbed, seconds: i64) -> Self {
        let mut command = bed.command("faketime");
        // The runtime measures by the monotonic clock, and hangs when that is not the kernel's.
        command.args(["--exclude-monotonic", "-f", &format!("{seconds:+}"), "sh", "-c", "env; echo; read _"]);
        let mut owner = bed.start(command);
        let mut environment = vec!["NO_FAKE_STAT=1".to_owned()];
        loop {
            match owner.line().expect("faketime is installed and works (Debian: faketime)") {
                line if line.is_empty() => break,
                line if line.starts_with("LD_PRELOAD=") || line.contains("FAKETIME") => {
                    environment.push(line);
                }
                _ => {}
            }
        }
        Self { owner: Some(owner), environment }
    }
}

impl Drop for WrongClock {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.finish();
        }
    }
}

impl Testbed {
    /// Sets the wall clock of the daemons started from now on, and only theirs, that many seconds ahead, or back.
    pub fn set_clock(&self, seconds: i64) {
        let clock = WrongClock::new(self, seconds);
        self.launch_by(["env".to_owned()].into_iter().chain(clock.environment.iter().cloned()));
        *self.clock.lock().unwrap() = Some(clock);
    }

    /// Has the daemons started from now on live in the machine's own time again.
    pub fn set_clock_right(&self) {
        self.launch_by([""; 0]);
        *self.clock.lock().unwrap() = None;
    }
}
