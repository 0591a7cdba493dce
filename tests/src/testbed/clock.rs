//! A daemon with another time than the machine.

use std::fs;
use std::path::PathBuf;

use super::{Program, Testbed};

/// A wall clock in a test's hand: `libfaketime` stands between a program and what the C library says of the time.
#[derive(Debug)]
pub(super) struct WrongClock {
    /// It owns what the library shares between processes, and takes that away at its end: a daemon that is killed
    /// could not.
    owner: Option<Program>,
    /// How far it is off.
    file: PathBuf,
    environment: Vec<String>,
    /// Whether the daemons started from now on have it.
    is_worn: bool,
}

impl WrongClock {
    fn new(bed: &Testbed) -> Self {
        let mut command = bed.command("faketime");
        // The runtime measures by the monotonic clock, and hangs when that is not the kernel's.
        command.args(["--exclude-monotonic", "-f", "+0", "sh", "-c", "env; echo; read _"]);
        let mut owner = bed.start(command);
        let file = bed.root().join("clock");
        let mut environment = vec![
            "NO_FAKE_STAT=1".to_owned(),
            "FAKETIME_NO_CACHE=1".to_owned(),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
        ];
        loop {
            match owner.line().expect("faketime is installed and works (Debian: faketime)") {
                line if line.is_empty() => break,
                // The time itself comes from the file.
                line if line.starts_with("FAKETIME=") => {}
                line if line.starts_with("LD_PRELOAD=") || line.contains("FAKETIME") => {
                    environment.push(line);
                }
                _ => {}
            }
        }
        Self { owner: Some(owner), file, environment, is_worn: false }
    }

    fn set(&self, seconds: i64) {
        // Whole, since it is read at any time.
        let new = self.file.with_added_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
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
    /// Sets the wall clock that many seconds ahead, or back, for the daemons started from now on, and at once for those
    /// that were started after an earlier call. Only theirs.
    pub fn set_clock(&self, seconds: i64) {
        let mut clock = self.clock.lock().unwrap();
        let clock = clock.get_or_insert_with(|| WrongClock::new(self));
        clock.set(seconds);
        clock.is_worn = true;
    }

    /// Has the daemons started from now on live in the machine's own time again.
    pub fn set_clock_right(&self) {
        if let Some(clock) = &mut *self.clock.lock().unwrap() {
            clock.is_worn = false;
        }
    }

    /// What gives a daemon that clock, beside whatever else launches it.
    pub(super) fn clock_launcher(&self) -> Vec<String> {
        let clock = self.clock.lock().unwrap();
        let environment =
            clock.iter().filter(|clock| clock.is_worn).flat_map(|clock| clock.environment.iter());
        let environment: Vec<_> = environment.cloned().collect();
        if environment.is_empty() { environment } else { [vec!["env".to_owned()], environment].concat() }
    }
}
