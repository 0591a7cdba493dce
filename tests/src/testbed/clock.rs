//! Another time of day for the daemon than the machine's.

use std::fs;
use std::process::Command;

use super::Testbed;

impl Testbed {
    /// Sets the wall clock that many seconds ahead, or back, for the daemons started from now on, and at once for those
    /// that were started after an earlier call. Only theirs: `libfaketime` stands between them and what the C library says
    /// of the time.
    pub fn set_clock(&self, seconds: i64) {
        let file = self.root().join("clock");
        // Whole, since it is read at any time.
        let new = file.with_added_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).unwrap();
        fs::rename(new, &file).unwrap();
        self.launch_by([
            "env".to_owned(),
            format!("LD_PRELOAD={}", library()),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
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
