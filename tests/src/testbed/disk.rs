//! A small disk for one test, which can be full or read-only.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::statvfs;

use super::{Program, Testbed};

/// The size of a page (`PAGE_SIZE`), which is the smallest size of a file on a `tmpfs`.
const PAGE: u64 = 4096;

/// A `tmpfs` for the daemon's state. It is mounted in its own namespaces, which need no privileges, and exists until
/// it is dropped, across restarts of the daemon.
#[derive(Debug)]
pub struct Disk {
    keeper: Program,
    mountpoint: PathBuf,
}

impl Testbed {
    /// Adds a disk of this many pages for the state of daemons that start later.
    pub fn disk(&self, pages: u64) -> Disk {
        let mountpoint = self.state_home();
        let mut command = self.command("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg("mount -t tmpfs -o size=$1,mode=700 imgurd \"$2\" && echo mounted && read _");
        command.args(["sh", &(pages * PAGE).to_string()]).arg(&mountpoint);
        let mut keeper = self.start(command);
        assert_eq!(keeper.line().as_deref(), Some("mounted"), "user namespaces are allowed");
        let disk = Disk { keeper, mountpoint };
        self.launch_by(disk.entrance());
        disk
    }
}

impl Disk {
    /// The launcher of programs that see the disk.
    pub fn entrance(&self) -> Vec<String> {
        let target = format!("--target={}", self.keeper.id());
        ["nsenter", &target, "--user", "--mount", "--preserve-credentials"].map(str::to_owned).into()
    }

    /// The daemon's state directory on the disk, as a path for the test.
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

    /// Fills the disk except for this many pages.
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

    /// Removes the filling.
    pub fn clear(&self) {
        fs::remove_file(self.filling()).unwrap();
    }

    /// Makes the disk read-only, as the kernel does after a disk error.
    pub fn protect(&self) {
        // A mount on top, because open files would prevent remounting the disk itself.
        self.run("mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"");
    }

    /// Makes the disk writable again.
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
