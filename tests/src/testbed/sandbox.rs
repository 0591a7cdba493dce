//! Programs in the cgroup that a Flatpak's would be in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Testbed, needs_root};

/// The application that programs in a [`Sandbox`] are taken for.
pub const APPLICATION: &str = "org.example.App";

/// A cgroup named as Flatpak has its scopes named; it needs root. Nothing else is withheld from the programs in it.
#[derive(Debug)]
pub struct Sandbox {
    cgroup: PathBuf,
}

impl Sandbox {
    /// An empty one; none where the test [is not root](needs_root).
    pub fn new() -> Option<Self> {
        if !needs_root("a program in a sandbox's cgroup") {
            return None;
        }
        let unified = Path::new("/sys/fs/cgroup/unified");
        let root = if unified.exists() { unified } else { Path::new("/sys/fs/cgroup") };
        let cgroup = root.join(format!("app-flatpak-{APPLICATION}-{}.scope", std::process::id()));
        fs::create_dir(&cgroup).expect("cgroups (version 2) are root's to make");
        Some(Self { cgroup })
    }

    /// A command that runs `program` in it, in the testbed's environment.
    pub fn command(&self, bed: &Testbed, program: &str) -> Command {
        let mut command = bed.command("sh");
        let enter = r#"echo $$ >"$1/cgroup.procs" && shift && exec "$@""#;
        command.args(["-c", enter, "sh"]).arg(&self.cgroup).arg(program);
        command
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Processes that were killed leave it when they are waited for.
        let _ = fs::remove_dir(&self.cgroup);
    }
}
