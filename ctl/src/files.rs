//! Where things belong.

use std::env;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item};

use crate::failure::Failure;

/// Where things belong (XDG Base Directory Specification).
#[derive(Debug)]
pub(crate) struct Files {
    /// Settings and accounts.
    pub(crate) config: PathBuf,
    /// The file store's key, unless the configuration names another.
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

    /// The key's place, which the configuration may name; a relative one counts from its own directory.
    pub(crate) fn key_file(&self, config: &DocumentMut) -> PathBuf {
        let directory = self.config.parent().unwrap_or(Path::new("/"));
        match config.get("key_file").and_then(Item::as_str) {
            Some(path) if !path.is_empty() => directory.join(path),
            _ => self.key.clone(),
        }
    }
}

/// The specification has relative paths ignored.
fn base_directory(name: &str, default: &str) -> Result<PathBuf, Failure> {
    env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(default)))
        .ok_or_else(|| Failure::Other(format!("there is no home directory; set HOME or {name}")))
}
