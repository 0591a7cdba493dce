//! Noticing that a file has changed or appeared, with no polling.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// Tells what happens to a file, by `inotify(7)` on its directory: editors replace a file rather than write into it.
#[derive(Debug)]
pub struct FileWatch {
    inotify: AsyncFd<OwnedFd>,
    names: Vec<PathBuf>,
}

impl FileWatch {
    /// Watches for other content at `path`, and where that is a link, at what it leads to.
    ///
    /// # Errors
    /// Where the directory does not exist, or the system has no more watches to give.
    pub fn for_content(path: &Path) -> io::Result<Self> {
        // Not when it is created or deleted: in the middle of somebody's saving it, that would be an empty file.
        Self::new(path, WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO)
    }

    /// Watches for a file, such as a socket, to come into being at `path`.
    ///
    /// # Errors
    /// Where the directory does not exist, or the system has no more watches to give.
    pub fn for_appearance(path: &Path) -> io::Result<Self> {
        Self::new(path, WatchFlags::CREATE | WatchFlags::MOVED_TO)
    }

    fn new(path: &Path, events: WatchFlags) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut names = Vec::new();
        for path in [path, &target] {
            inotify::add_watch(&inotify, path.parent().unwrap_or(Path::new(".")), events)?;
            names.extend(path.file_name().map(PathBuf::from));
        }
        #[expect(deprecated, reason = "its successor is unsafe for types that may change their descriptor")]
        let inotify = AsyncFd::new(inotify)?;
        Ok(Self { inotify, names })
    }

    /// Returns when it has happened since the last call.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut guard = self.inotify.readable().await?;
            match self.read() {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self) -> Result<bool, Errno> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut concerns_us = false;
        loop {
            let event = reader.next()?;
            let name = event.file_name().map(|name| Path::new(OsStr::from_bytes(name.to_bytes())));
            concerns_us |= name.is_some_and(|name| self.names.iter().any(|ours| ours == name));
            if reader.is_buffer_empty() {
                return Ok(concerns_us);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn notices_a_file_that_is_replaced_and_ignores_its_neighbours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let watch = FileWatch::for_content(&path).unwrap();
        fs::write(directory.path().join("neighbour"), "").unwrap();
        assert_eq!(watch.read(), Ok(false));
        fs::write(directory.path().join("new"), "store = \"memory\"\n").unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn notices_a_socket_that_comes_into_being() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bus");
        let watch = FileWatch::for_appearance(&path).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn notices_a_change_behind_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let dotfiles = tempfile::tempdir().unwrap();
        let target = dotfiles.path().join("imgurd.toml");
        fs::write(&target, "").unwrap();
        let path = directory.path().join("config.toml");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let watch = FileWatch::for_content(&path).unwrap();
        fs::write(&target, "store = \"memory\"\n").unwrap();
        watch.changed().await.unwrap();
    }
}
