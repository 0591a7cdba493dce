//! The key of the encrypted file, which is in a separate file.
//!
//! It is 32 random bytes in hexadecimal, not a password: a daemon that starts at login cannot ask for one. The systemd credential
//! `imgurd.key` takes precedence over the file.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use imgurd_proto::Zeroizing;
use imgurd_proto::text::cause;
use rustix::fs::OFlags;

use super::StoreError;
use crate::ownership::{OF_OTHERS, check_place, is_trusted};

/// The minimal length: a shorter key could be guessed.
const KEY_MIN: usize = 16;

/// The maximal length: a longer file is not a key.
const KEY_MAX: u64 = 4096;

/// Where the key is. It is the text of the file, without surrounding white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of the user, which other users must not be able to read.
    File(PathBuf),
    /// A systemd credential. systemd guards it, with access lists that look like permissions of the group.
    Credential(PathBuf),
}

impl KeySource {
    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Credential(path) => path,
        }
    }

    /// Checks that there is a usable key.
    pub fn check(&self) -> Result<(), StoreError> {
        self.read().map(drop)
    }

    pub(super) fn read(&self) -> Result<Zeroizing<String>, StoreError> {
        let path = self.path().display();
        let unavailable = |reason: String| StoreError::Unavailable(reason);
        let text = self.text().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unavailable(format!(
                "the key of the encrypted file is not at {path}; put it back from your backup, or, if you have no grants yet, run \
                 `imgurctl init --store file`"
            )),
            _ => unavailable(format!("imgurd cannot read the key of the encrypted file from {path}: {error}; make it \
                                      readable", error = cause(&error))),
        })?;
        let text = text.ok_or_else(|| {
            unavailable(format!("other users can read the key of the encrypted file; run `chmod 600 {path}`"))
        })?;
        let key = Zeroizing::new(text.trim().to_owned());
        if key.len() < KEY_MIN {
            return Err(unavailable(format!(
                "the key in {path} has fewer than {KEY_MIN} characters; put the right key back, or write a longer \
                 one if nothing is encrypted yet"
            )));
        }
        Ok(key)
    }

    /// The text of the file; `None` if other users may read it.
    fn text(&self) -> io::Result<Option<Zeroizing<String>>> {
        // Do not block if there is a pipe instead of the file.
        let nonblock = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(nonblock).open(self.path())?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        if matches!(self, Self::File(_)) {
            if metadata.mode() & OF_OTHERS != 0 && is_trusted(&metadata) {
                return Ok(None);
            }
            check_place(self.path(), &metadata)?;
        }
        let mut text = Zeroizing::new(String::with_capacity(256));
        file.take(KEY_MAX).read_to_string(&mut text)?;
        Ok(Some(text))
    }
}
