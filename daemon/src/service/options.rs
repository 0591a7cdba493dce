//! The command-line options, and the directories of imgurd.

use std::env;
use std::path::PathBuf;

use anyhow::bail;

use crate::config::{ConfigFile, StoreKind};

/// The command-line options.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The configuration file; `None` means `$XDG_CONFIG_HOME/imgurd/config.toml`.
    pub config: Option<PathBuf>,
    /// The local socket; `None` means the usual place.
    pub socket: Option<PathBuf>,
    /// The socket for callers from other machines. `None` means next to the local socket if that is at its usual
    /// place, and otherwise no such socket.
    pub remote_socket: Option<PathBuf>,
    /// Whether not to answer on D-Bus.
    pub no_dbus: bool,
    /// The store to use instead of the configured one.
    pub store: Option<StoreKind>,
}

impl Options {
    pub(super) fn config_file(&self) -> anyhow::Result<ConfigFile> {
        let default = || Ok::<_, anyhow::Error>(directory("XDG_CONFIG_HOME", ".config")?.join("config.toml"));
        Ok(ConfigFile::new(self.config.clone().map_or_else(default, Ok)?))
    }
}

/// The daemon's directory below an XDG base directory.
pub(super) fn directory(variable: &str, below_home: &str) -> anyhow::Result<PathBuf> {
    let base = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::home_dir().filter(|path| path.is_absolute()).map(|home| home.join(below_home));
    match base.or_else(home) {
        Some(base) => Ok(base.join("imgurd")),
        None => bail!("neither {variable} nor HOME is set; set HOME"),
    }
}
