//! A daemon whose clock differs from the machine's.

use std::fs;
use std::path::PathBuf;

use super::{Program, Testbed};

/// A wall clock for a test: `libfaketime` changes the time that programs get from the C library.
#[derive(Debug)]
pub(super) struct WrongClock {
    /// The process that owns the library's shared memory and removes it at its end. A killed daemon could not remove
    /// it.
    owner: Option<Program>,
    /// The file with the difference from the real time.
    file: PathBuf,
    environment: Vec<String>,
    /// Whether daemons that start now get this clock.
    is_worn: bool,
}

impl WrongClock {
    fn new(bed: &Testbed) -> Self {
        let mut command = bed.command("faketime");
        // tokio uses the monotonic clock, and would hang if that clock were changed.
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
                // The time comes from the file instead.
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
        // Replace the file as a whole, because a program may read it at any time.
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
    /// Sets the wall clock of daemons ahead by `seconds`, or back. This applies at once to daemons that already have
    /// this clock, and to those that start later.
    pub fn set_clock(&self, seconds: i64) {
        let mut clock = self.clock.lock().unwrap();
        let clock = clock.get_or_insert_with(|| WrongClock::new(self));
        clock.set(seconds);
        clock.is_worn = true;
    }

    /// Gives the real time to daemons that start later.
    pub fn set_clock_right(&self) {
        if let Some(clock) = &mut *self.clock.lock().unwrap() {
            clock.is_worn = false;
        }
    }

    /// The launcher that gives a daemon this clock.
    pub(super) fn clock_launcher(&self) -> Vec<String> {
        let clock = self.clock.lock().unwrap();
        let environment =
            clock.iter().filter(|clock| clock.is_worn).flat_map(|clock| clock.environment.iter());
        let environment: Vec<_> = environment.cloned().collect();
        if environment.is_empty() { environment } else { [vec!["env".to_owned()], environment].concat() }
    }
}
