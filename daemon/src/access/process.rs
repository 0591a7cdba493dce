//! A process, by its directory in `/proc` (`proc(5)`). The directory goes on standing for it, or for nothing, however soon
//! the kernel gives its number to another.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::process::Pid;

/// What `/proc` counts time in, a second: `USER_HZ`, which is 100 on every architecture with systemd (`time(7)`).
const TICKS: u64 = 100;

/// More than any of the files here has, so that one read is enough.
pub(super) const PAGE: usize = 4096;

/// One that is there, or was.
#[derive(Debug)]
pub(super) struct Process(OwnedFd);

impl Process {
    /// The process that has this number now.
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let path = format!("/proc/{}", pid.as_raw_nonzero());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// One of its files.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        Ok(openat(&self.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    /// The file that it executes.
    pub(super) fn executable(&self) -> io::Result<String> {
        Ok(readlinkat(&self.0, "exe", Vec::with_capacity(PAGE))?.to_string_lossy().into_owned())
    }

    /// How it is; nothing where it has ended, though nobody may have waited for it yet.
    pub(super) fn stat(&self) -> Option<Stat> {
        let mut page = [0; PAGE];
        let text = content(&self.file("stat").ok()?, &mut page).ok()?;
        Stat::read(&String::from_utf8_lossy(text))
    }
}

/// All that is in a file of `/proc` at this moment.
pub(super) fn content<'a>(file: &File, page: &'a mut [u8; PAGE]) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    loop {
        let count = file.read_at(&mut page[filled..], filled as u64)?;
        filled += count;
        // The kernel fills what it is given, but never says that a file of `/proc` has ended before it was asked again.
        if count == 0 || filled < PAGE / 2 {
            return Ok(&page[..filled]);
        }
    }
}

/// What is of use in `/proc/PID/stat` (`proc_pid_stat(5)`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// What it calls itself.
    pub(super) name: String,
    /// When it began, since the machine was started.
    pub(super) began: Duration,
}

impl Stat {
    /// The second field, in parentheses, may hold anything.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (head, rest) = text.rsplit_once(") ")?;
        let (_, name) = head.split_once(" (")?;
        let mut fields = rest.split(' ');
        // `Z` has ended and has not been waited for, `X` is being removed.
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let ticks: u64 = fields.nth(18)?.parse().ok()?;
        let began = Duration::from_millis(ticks.saturating_mul(1000 / TICKS));
        Some(Self { name: name.to_owned(), began })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_calls_itself_does_not_make_it_older() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
        let stat = Stat::read(&format!("42 (evil) S 0) S {fields} 250 22 23\n")).unwrap();
        assert_eq!(stat, Stat { name: "evil) S 0".to_owned(), began: Duration::from_millis(2500) });
        assert_eq!(Stat::read("nonsense"), None);
    }

    #[test]
    fn who_has_ended_is_not_there_though_nobody_has_waited_for_it() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
        assert_eq!(Stat::read(&format!("42 (sh) Z {fields} 250 22 23\n")), None);
    }

    #[test]
    fn a_file_is_read_whole_and_each_time_anew() {
        let ourselves = Process::of(rustix::process::getpid()).unwrap();
        let status = ourselves.file("status").unwrap();
        let (mut first, mut second) = ([0; PAGE], [0; PAGE]);
        let text = content(&status, &mut first).unwrap();
        assert!(text.starts_with(b"Name:") && text.ends_with(b"\n"), "{}", String::from_utf8_lossy(text));
        assert!(content(&status, &mut second).unwrap().starts_with(b"Name:"));
    }
}
