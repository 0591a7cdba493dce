//! Waits for changes of a file and its directories, without polling.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::{Errno, Result};

/// Reports changes of a path (`inotify(7)`). It watches the directories that exist when it is created. Create a new
/// one after each event.
pub(super) struct PathWatch {
    inotify: OwnedFd,
    names: Vec<OsString>,
}

impl PathWatch {
    /// Watches each directory on the way to `path`, which is absolute, and on the way of its symlinks.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let mut watch = Self { inotify: init(CreateFlags::CLOEXEC)?, names: Vec::new() };
        watch.add(path)?;
        // Watch the file itself too: writes to other files in the directory must not wake imgurctl.
        watch.watch(
            path,
            WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB | WatchFlags::DONT_FOLLOW,
        )?;
        if let Some((directory, name)) = path.parent().zip(path.file_name())
            && let Ok(directory) = fs::canonicalize(directory)
        {
            watch.add(&directory.join(name))?;
        }
        Ok(watch)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let itself = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        for (child, directory) in path.ancestors().zip(path.ancestors().skip(1)) {
            // Other names in a directory must not wake imgurctl.
            let may_change = fs::symlink_metadata(child).map_or(true, |child| !child.is_dir());
            let events = if may_change { itself | names } else { itself };
            self.watch(directory, events | WatchFlags::MASK_ADD)?;
            self.names.extend(child.file_name().map(OsStr::to_owned));
        }
        Ok(())
    }

    /// Watches a path, if it exists and is accessible.
    fn watch(&self, path: &Path, events: WatchFlags) -> Result<()> {
        match add_watch(&self.inotify, path, events) {
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns when something has happened since this was created, or after `patience`.
    pub(super) fn wait(&self, patience: Option<Duration>) -> Result<()> {
        let patience = patience.and_then(|patience| patience.try_into().ok());
        loop {
            match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], patience.as_ref()) {
                Ok(0) => return Ok(()),
                Ok(_) if self.concerns_us()? => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn concerns_us(&self) -> Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = reader.next()?;
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            if name.is_none_or(|name| self.names.iter().any(|ours| ours == name)) {
                return Ok(true);
            }
            if reader.is_buffer_empty() {
                return Ok(false);
            }
        }
    }
}
