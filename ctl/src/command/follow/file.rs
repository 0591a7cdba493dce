//! The file itself: a reader finds either the old token or the new one, complete.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{self, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use imgurd_proto::text::cause;
use rustix::fs::OFlags;

#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    directory: PathBuf,
    /// The file at the path, as long as it is this program's. It is locked (flock(2)), so that another `imgurctl token
    /// --follow` does not write it too: each would restore its own token over the other's.
    claimed: Mutex<Option<File>>,
}

impl TokenFile {
    /// Checks that `path` can be a file, before the call for a token.
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        let path = path::absolute(path).map_err(|error| usage(error.to_string()))?;
        let directory = path.parent().filter(|parent| path.file_name().is_some() && parent.is_dir());
        let Some(directory) = directory.map(Path::to_owned) else {
            return Err(usage(format!(
                "{} is not a file in an existing directory; name another file",
                path.display()
            )));
        };
        let file = Self { path, directory, claimed: Mutex::default() };
        file.check()?;
        Ok(file)
    }

    /// Replaces the file. Only its owner can read it, from the beginning.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        self.check()?;
        self.replace_or_tell(text)
    }

    /// Locks the file that is at the path, if there is one. Refuses it if another `imgurctl` has locked it.
    fn claim(&self) -> Result<(), Failure> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let opened =
                OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&self.path);
            // A file that cannot be read is replaced, as one that another program wrote.
            let Ok(found) = opened else { return Ok(()) };
            if claimed.as_ref().is_some_and(|claimed| is_same(claimed.metadata(), found.metadata())) {
                return Ok(());
            }
            if matches!(found.try_lock(), Err(TryLockError::WouldBlock)) {
                return Err(usage(format!(
                    "another `imgurctl token --follow` keeps {self}; end it, or name another file"
                )));
            }
            // Its keeper may have replaced it before it was locked.
            if is_same(fs::symlink_metadata(&self.path), found.metadata()) {
                *claimed = Some(found);
                return Ok(());
            }
        }
    }

    fn replace_or_tell(&self, text: &str) -> Result<(), Failure> {
        self.replace(text).map_err(|error| {
            Failure::Other(format!(
                "cannot write {self}: {error}; check its directory, or name another file",
                error = cause(&error)
            ))
        })
    }

    /// Restores the file. Replaces everything at its path except a directory that is not empty; does not follow
    /// symlinks.
    pub(super) fn put_back(&self, text: &str) -> Result<(), Failure> {
        if self.path.is_dir() && !self.path.is_symlink() {
            let _ = fs::remove_dir(&self.path); // an empty one
        }
        self.claim()?;
        self.replace_or_tell(text)
    }

    /// Whether it exists with exactly this text, and only its owner can read it.
    pub(super) fn holds(&self, text: &str) -> bool {
        let is_alike = |found: &fs::Metadata| {
            found.is_file() && found.len() == text.len() as u64 && found.mode() & 0o7777 == 0o600
        };
        fs::symlink_metadata(&self.path).is_ok_and(|found| is_alike(&found))
            && fs::read_to_string(&self.path).is_ok_and(|found| found == text)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its directory exists.
    pub(super) fn has_directory(&self) -> bool {
        self.directory.is_dir()
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".imgurctl-").tempfile_in(&self.directory)?;
        file.write_all(text.as_bytes())?;
        // Otherwise the file may be empty after a power cut.
        file.as_file().sync_all()?;
        let _ = file.as_file().try_lock(); // not every file system has locks
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        *claimed = Some(file.persist(&self.path).map_err(|error| error.error)?);
        Ok(())
    }

    /// Refuses a symlink: it would be replaced, and the old token would stay at its target.
    fn check(&self) -> Result<(), Failure> {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_symlink() => {
                Err(usage(format!("{self} is a symbolic link; name the file itself")))
            }
            Ok(found) if !found.is_file() => Err(usage(format!("{self} is not a file; name another file"))),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(usage(format!("cannot access {self}: {error}; name another file", error = cause(&error))))
            }
            _ => self.claim(),
        }
    }
}

fn is_same(one: io::Result<Metadata>, other: io::Result<Metadata>) -> bool {
    let identity = |found: Metadata| (found.dev(), found.ino());
    one.is_ok_and(|one| other.is_ok_and(|other| identity(one) == identity(other)))
}

fn usage(reason: String) -> Failure {
    Failure::usage("output", reason)
}

impl fmt::Display for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn replaces_the_file_atomically_and_privately() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("token");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        let before = fs::File::open(&path).expect("opened");
        let file = TokenFile::new(&path).expect("a file");
        file.write("new\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new\n");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(
            io::read_to_string(before).expect("read"),
            "old",
            "a reader of the old file can still read all of it"
        );
        assert_eq!(
            fs::read_dir(home.path()).expect("listed").count(),
            1,
            "no other file remains in the directory"
        );
    }

    #[test]
    fn refuses_a_file_that_another_follower_keeps_until_that_ends() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("token");
        let first = TokenFile::new(&path).expect("a file");
        let second = TokenFile::new(&path).expect("nobody has written it");
        first.write("first").expect("written");
        for refused in [second.write("second"), second.put_back("second"), TokenFile::new(&path).map(drop)] {
            let failure = refused.expect_err("refused");
            assert!(
                failure.exit_code() == 2 && failure.to_string().contains("another `imgurctl"),
                "{failure}"
            );
        }
        first.write("again").expect("the first one goes on");
        fs::remove_file(&path).expect("removed");
        first.put_back("again").expect("restored");
        assert_eq!(fs::read_to_string(&path).expect("read"), "again");
        drop(first);
        second.write("second").expect("the first one has ended");
        assert_eq!(fs::read_to_string(&path).expect("read"), "second");
    }

    #[test]
    fn replaces_a_pipe_without_waiting_for_its_other_end() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("token");
        let file = TokenFile::new(&path).expect("nobody has written it");
        assert!(Command::new("mkfifo").arg(&path).status().expect("runs").success());
        file.put_back("new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
    }

    #[test]
    fn refuses_symlinks_directories_and_missing_parents() {
        let home = tempfile::tempdir().expect("a directory");
        let link = home.path().join("link");
        symlink("elsewhere", &link).expect("linked");
        for path in [link, home.path().to_owned(), home.path().join("none/token"), "/dev/null".into()] {
            let failure = TokenFile::new(&path).expect_err("refused");
            assert_eq!(failure.exit_code(), 2, "{failure}");
        }
        let file = TokenFile::new(&home.path().join("token")).expect("a file");
        symlink("elsewhere", home.path().join("token")).expect("linked");
        assert!(file.write("t").is_err(), "a file that was replaced by a symlink is not followed");
        assert!(!home.path().join("elsewhere").exists());
    }
}
