//! A process, by its directory in `/proc` (`proc(5)`). An open directory never means a later process with the same PID.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat, statat};
use rustix::process::Pid;

/// The clock ticks per second in `/proc`: `USER_HZ` is 100 on every architecture with systemd (`time(7)`).
const TICKS: u64 = 100;

/// The size of a buffer for a file of the usual length, in bytes, so that one read is enough.
const USUAL: usize = 4096;

/// How much of a file is its beginning, in bytes: a usual line of `mountinfo`.
const BEGINNING: usize = 256;

/// The length of the longest file that imgurd reads, in bytes: enough for the mounts of a machine with a
/// thousand containers. A sandbox could have a hundred thousand mounts.
const LONGEST: u64 = 4 << 20;

/// A process that exists or existed.
pub(super) struct Process(OwnedFd);

impl Process {
    /// The process that has this PID now.
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let path = format!("/proc/{}", pid.as_raw_nonzero());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// The content of one of its files.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.open(name)?.text)
    }

    fn open_file(&self, name: &str) -> io::Result<OwnedFd> {
        Ok(openat(&self.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Opens one of its files, to read it several times.
    pub(super) fn open(&self, name: &str) -> io::Result<ProcessFile> {
        let file = self.open_file(name)?.into();
        let text = read_whole(&file)?;
        Ok(ProcessFile { file, text })
    }

    /// The beginning of one of its files. The kernel generates little more than that.
    pub(super) fn beginning(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut text = [0; BEGINNING];
        let length = File::from(self.open_file(name)?).read(&mut text)?;
        Ok(text[..length].to_vec())
    }

    /// Whether there is a file of this name, as far as imgurd may see.
    pub(super) fn has(&self, name: &str) -> bool {
        statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    pub(super) fn link(&self, name: &str) -> io::Result<String> {
        Ok(readlinkat(&self.0, name, Vec::with_capacity(USUAL))?.to_string_lossy().into_owned())
    }

    /// Its status; `None` if it has ended, also as a zombie.
    pub(super) fn status(&self) -> Option<Status> {
        Status::read(&self.read("status").ok()?)
    }

    /// Its parent and start; `None` if it has ended, also as a zombie.
    pub(super) fn stat(&self) -> Option<Stat> {
        Stat::read(&self.read("stat").ok()?)
    }
}

/// An open file of one process, with its content when it was opened. It becomes unreadable when the process ends.
#[derive(Debug)]
pub(super) struct ProcessFile {
    file: File,
    pub(super) text: Vec<u8>,
}

impl ProcessFile {
    /// Its current content: the kernel generates it again for a read from the beginning. `None` if it is longer than
    /// usual.
    pub(super) fn read_again(&self) -> Option<Vec<u8>> {
        let mut text = [0; USUAL];
        let length = self.file.read_at(&mut text, 0).ok()?;
        (length < text.len()).then(|| text[..length].to_vec())
    }
}

fn read_whole(file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(USUAL);
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// Fields of `/proc/PID/status` (`proc_pid_status(5)`).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(super) name: String,
    /// How many PID namespaces the process is in, counted from the one of our `/proc`.
    pub(super) depth: usize,
}

impl Status {
    /// `None` if the process has ended. The kernel escapes line breaks in its name.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        let depth = field("NSpid")?.split_ascii_whitespace().count();
        let is_there = depth > 0 && !field("State")?.starts_with(ENDED);
        is_there.then_some(Self { name: field("Name")?.to_owned(), depth })
    }
}

/// The states of a process that has ended: a zombie, and one that is being removed.
const ENDED: [char; 2] = ['Z', 'X'];

/// Fields of `/proc/PID/stat` (`proc_pid_stat(5)`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(super) name: String,
    /// The PID of its parent; 0 if we can see none.
    pub(super) parent: i32,
    /// When it started, since the boot of the machine.
    pub(super) began: Duration,
}

impl Stat {
    /// Reads the state of the process that has this PID now.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Self::read(&read_whole(&File::open(format!("/proc/{pid}/stat")).ok()?).ok()?)
    }

    /// The second field, in parentheses, may contain any characters.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let (head, rest) = text.rsplit_once(')')?;
        let (_, name) = head.split_once(" (")?;
        let mut fields = rest.strip_prefix(' ')?.split(' ');
        if fields.next()?.starts_with(ENDED) {
            return None;
        }
        let parent = fields.next()?.parse().ok()?;
        let ticks: u64 = fields.nth(17)?.parse().ok()?;
        let began = Duration::from_millis(ticks.saturating_mul(1000 / TICKS));
        Some(Self { name: name.to_owned(), parent, began })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    #[test]
    fn reads_the_start_time_behind_a_misleading_process_name() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
        let stat = Stat::read(format!("42 (evil) S 0) S {fields} 250 22 23\n").as_bytes()).unwrap();
        let began = Duration::from_millis(2500);
        assert_eq!(stat, Stat { name: "evil) S 0".to_owned(), parent: 1, began });
        assert_eq!(Stat::read(b"nonsense"), None);
    }

    #[test]
    fn a_zombie_process_does_not_count_as_running() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18";
        assert_eq!(Stat::read(format!("42 (sh) Z {fields} 250 22 23\n").as_bytes()), None);
        assert_eq!(Status::read(b"Name:\tsh\nState:\tZ (zombie)\nNSpid:\t42\n"), None);
    }

    #[test]
    fn counts_the_pid_namespaces_of_a_process() {
        for (pids, depth) in [("42", 1), ("3\t2\t1", 3)] {
            let text = format!(
                "Name:\tNSpid:\\n\nUmask:\t0022\nState:\tS (sleeping)\nNSpid:\t{pids}\nSeccomp:\t0\n"
            );
            let status = Status { name: "NSpid:\\n".to_owned(), depth };
            assert_eq!(Status::read(text.as_bytes()), Some(status));
        }
        for incomplete in ["", "NSpid:\n", "NSpid:\t \n", "Name:\tNSpid:\t1\n", "State:\tS\nNSpid:\t1\n"] {
            assert_eq!(Status::read(incomplete.as_bytes()), None, "{incomplete}");
        }
    }

    #[test]
    fn reads_a_proc_file_completely_each_time() {
        let ourselves = Process::of(rustix::process::getpid()).unwrap();
        for _ in 0..2 {
            let text = String::from_utf8(ourselves.read("status").unwrap()).unwrap();
            assert!(text.starts_with("Name:") && text.ends_with('\n'), "{text}");
        }
    }

    #[test]
    fn reads_a_file_of_any_length_up_to_the_limit() {
        let mut file = tempfile::tempfile().unwrap();
        for length in [0, 1, USUAL - 1, USUAL, USUAL + 1, 5 * USUAL] {
            file.set_len(0).unwrap();
            file.rewind().unwrap();
            file.write_all(&vec![b'x'; length]).unwrap();
            file.rewind().unwrap();
            assert_eq!(read_whole(&file).unwrap().len(), length);
        }
        file.set_len(2 * LONGEST).unwrap();
        file.rewind().unwrap();
        assert_eq!(read_whole(&file).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
