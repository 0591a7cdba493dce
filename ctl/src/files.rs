//! The files of imgurd that `imgurctl` reads or creates.

use std::env;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use toml_edit::{DocumentMut, Item};

use crate::failure::Failure;

/// Their paths (XDG Base Directory Specification).
pub(crate) struct Files {
    /// Settings and accounts.
    pub(crate) config: PathBuf,
    /// The file store's key, unless the configuration names another one.
    pub(crate) key: PathBuf,
    /// The file store.
    pub(crate) grants: PathBuf,
}

impl Files {
    pub(crate) fn from_env() -> Result<Self, Failure> {
        let config = base_directory("XDG_CONFIG_HOME", ".config")?;
        let state = base_directory("XDG_STATE_HOME", ".local/state")?;
        Ok(Self::below(&config, &state))
    }

    pub(crate) fn below(config_home: &Path, state_home: &Path) -> Self {
        Self {
            config: config_home.join("imgurd/config.toml"),
            key: config_home.join("imgurd/key"),
            grants: state_home.join("imgurd/grants.keyring"),
        }
    }

    /// The path of the key, which the configuration may set. A relative path starts from the directory of the
    /// configuration.
    pub(crate) fn key_file(&self, config: &DocumentMut) -> PathBuf {
        let directory = self.config.parent().unwrap_or(Path::new("/"));
        match config.get("key_file").and_then(Item::as_str) {
            Some(path) if !path.is_empty() => directory.join(path),
            _ => self.key.clone(),
        }
    }
}

/// A base directory. Relative paths are ignored, as the specification requires.
fn base_directory(name: &str, default: &str) -> Result<PathBuf, Failure> {
    env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home().map(|home| home.join(default)))
        .ok_or_else(|| Failure::Other(format!("there is no home directory; set HOME or {name}")))
}

/// Reads a text file. Fails if it is another kind of file: a pipe would have no end.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map(|_| text)
}

/// Creates a file that only its owner can read, completely or not at all. It gets its name after its content is on
/// the disk, and the name is durable after the directory is synced (fsync(2)). It never replaces a file.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = tempfile::Builder::new().prefix(".imgurctl-").tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()?;
    // The directory may be new too.
    directory.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// `HOME`, if it is an absolute path. Without it, the standard library would look into the user database, which a static C
/// library cannot do.
pub(crate) fn home() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn reads_no_pipe_and_no_device() {
        let home = tempfile::tempdir().expect("a directory");
        let pipe = home.path().join("config.toml");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
        for path in [&*pipe, Path::new("/dev/zero"), home.path()] {
            assert!(read(path).is_err(), "{}", path.display());
        }
        let file = home.path().join("text");
        create(&file, "text").expect("written");
        assert_eq!(read(&file).expect("read"), "text");
    }
}
