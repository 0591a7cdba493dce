//! A small disk for one test, which can be full or write-protected.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::statvfs;

use super::{Program, Testbed};

/// What a file takes at least on a `tmpfs`, and what is written in one piece: `PAGE_SIZE`.
const PAGE: u64 = 4096;

/// A `tmpfs` where the daemon keeps its state. It is mounted in namespaces of its own, which take no more rights than
/// a user has, and is there as long as this lives: over any number of daemons.
#[derive(Debug)]
pub struct Disk {
    keeper: Program,
    mountpoint: PathBuf,
}

impl Testbed {
    /// Puts a disk of so many pages where the daemons started from now on keep their state.
    pub fn disk(&self, pages: u64) -> Disk {
        let mountpoint = self.state_home();
        let mut command = self.command("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg("mount -t tmpfs -o size=$1,mode=700 imgurd \"$2\" && echo mounted && read _");
        command.args(["sh", &(pages * PAGE).to_string()]).arg(&mountpoint);
        let mut keeper = self.start(command);
        assert_eq!(keeper.line().as_deref(), Some("mounted"), "user namespaces are to be had");
        let disk = Disk { keeper, mountpoint };
        self.launch_by(disk.entrance());
        disk
    }
}

impl Disk {
    /// What becomes a program that sees the disk.
    pub fn entrance(&self) -> Vec<String> {
        let target = format!("--target={}", self.keeper.id());
        ["nsenter", &target, "--user", "--mount", "--preserve-credentials"].map(str::to_owned).into()
    }

    /// The daemon's state on it, as others see it.
    pub fn state(&self) -> PathBuf {
        self.mounted().join("imgurd")
    }

    fn mounted(&self) -> PathBuf {
        let inside = self.mountpoint.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.keeper.id())).join(inside)
    }

    fn filling(&self) -> PathBuf {
        self.mounted().join("filling")
    }

    /// Fills it up but for so many pages.
    pub fn fill_but(&self, pages: u64) {
        let mut filling = File::create(self.filling()).unwrap();
        let page = vec![0; usize::try_from(PAGE).unwrap()];
        let mut left = self.free_pages();
        while left > pages {
            filling.write_all(&page).unwrap();
            left = self.free_pages();
        }
        assert_eq!(left, pages);
    }

    fn free_pages(&self) -> u64 {
        let free = statvfs(self.mounted()).unwrap();
        free.f_bavail * free.f_frsize / PAGE
    }

    /// Makes room again.
    pub fn clear(&self) {
        fs::remove_file(self.filling()).unwrap();
    }

    /// Protects it from writing, as the kernel does with a disk that errs.
    pub fn protect(&self) {
        // On top of it, since what a process has open for writing forbids it for the disk itself.
        self.run("mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"");
    }

    /// Allows writing again.
    pub fn release(&self) {
        self.run("umount \"$1\"");
    }

    fn run(&self, script: &str) {
        let entrance = self.entrance();
        let mut command = Command::new(&entrance[0]);
        command.args(&entrance[1..]).args(["sh", "-c", script, "sh"]).arg(&self.mountpoint);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
