//! Another time of day for the daemon than the machine's.

use std::process::Command;

use super::Testbed;

impl Testbed {
    /// Sets the wall clock of the daemons started from now on that many seconds ahead, or back. Only theirs: `libfaketime`
    /// stands between them and what the C library says of the time. Timers are the kernel's: what waits for a time that
    /// is ahead waits longer than it should, and one that is behind keeps the daemon busy.
    pub fn set_clock(&self, seconds: i64) {
        self.launch_by([
            "env".to_owned(),
            format!("LD_PRELOAD={}", library()),
            format!("FAKETIME={seconds:+}"),
            // The runtime measures by the monotonic clock, and hangs when that is not the kernel's.
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "NO_FAKE_STAT=1".to_owned(),
        ]);
    }

    /// Has the daemons started from now on live in the machine's own time again.
    pub fn set_clock_right(&self) {
        self.launch_by([""; 0]);
    }
}

/// Where the library is, by the word of the program that comes with it.
fn library() -> String {
    let output = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
    let output = output.expect("faketime is installed (Debian: faketime)");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
