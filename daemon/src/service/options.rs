//! The command-line options, and the directories of imgurd.

use std::env;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::config::{ConfigFile, StoreKind};

/// The command-line options.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// The configuration file [default: $XDG_CONFIG_HOME/imgurd/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The local socket [default: $IMGURD_SOCKET, else $XDG_RUNTIME_DIR/imgurd/socket]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The socket for other machines [default: $XDG_RUNTIME_DIR/imgurd-remote/socket, unless the local one is elsewhere]
    #[arg(long, value_name = "PATH")]
    pub remote_socket: Option<PathBuf>,
    /// Do not answer on D-Bus; imgurd still uses it for the keyring
    #[arg(long)]
    pub no_dbus: bool,
    /// Use this store instead of the configured one: secret-service, file or memory
    #[arg(long, value_name = "STORE")]
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
