//! Programs in the cgroup of a Flatpak application.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Testbed, needs_root};

/// The application that programs in a [`Sandbox`] belong to.
pub const APPLICATION: &str = "org.example.App";

/// A cgroup with the name of a Flatpak scope. It needs root, and does not restrict programs in any other way.
#[derive(Debug)]
pub struct Sandbox {
    cgroup: PathBuf,
    /// The cgroup of the test itself.
    home: PathBuf,
}

impl Sandbox {
    /// An empty sandbox. `None` if the test [does not run as root](needs_root).
    pub fn new() -> Option<Self> {
        Self::of(APPLICATION)
    }

    /// An empty sandbox of this application.
    pub fn of(application: &str) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if !needs_root("a program in a sandbox's cgroup") {
            return None;
        }
        let unified = Path::new("/sys/fs/cgroup/unified");
        let root = if unified.exists() { unified } else { Path::new("/sys/fs/cgroup") };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let cgroup = root.join(format!("app-flatpak-{application}-{}{number:03}.scope", std::process::id()));
        fs::create_dir(&cgroup).expect("root can create cgroups (version 2)");
        let ours = fs::read_to_string("/proc/self/cgroup").expect("the kernel reports the cgroup");
        let path = ours
            .lines()
            .find_map(|line| line.strip_prefix("0::/"))
            .expect("the test is in a cgroup (version 2)");
        Some(Self { cgroup, home: root.join(path) })
    }

    /// Moves the test itself into the sandbox until the sandbox is dropped.
    pub fn enter(&self) {
        fs::write(self.cgroup.join("cgroup.procs"), "0").expect("root can move processes");
    }

    /// A command that runs `program` in the sandbox, with the testbed's environment.
    pub fn command(&self, bed: &Testbed, program: &str) -> Command {
        let mut command = bed.command("sh");
        let enter = r#"echo $$ >"$1/cgroup.procs" && shift && exec "$@""#;
        command.args(["-c", enter, "sh"]).arg(&self.cgroup).arg(program);
        command
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = fs::write(self.home.join("cgroup.procs"), "0");
        // A killed process stays in the cgroup until its parent has waited for it.
        let _ = fs::remove_dir(&self.cgroup);
    }
}
