//! What imgurd needs before it can start: its configuration, and the sole use of its state.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, bail};

use super::options::{Options, directory};
use super::unit;
use crate::config::{Config, ConfigFile};
use crate::ownership::{OTHERS_WRITE, open_own, own_directory, withheld};

pub(super) struct Foundation {
    pub(super) file: ConfigFile,
    pub(super) config: Config,
    /// The directory for the state, which includes grants.
    pub(super) state: PathBuf,
    pub(super) _lock: File,
}

impl Foundation {
    pub(super) fn lay(options: &Options) -> anyhow::Result<Self> {
        unit::check_prepared()?;
        let file = options.config_file()?;
        let config = file.load()?;
        let state = directory("XDG_STATE_HOME", ".local/state")?;
        let lock = lock(&state)?;
        Ok(Self { file, config, state, _lock: lock })
    }
}

/// Prevents a second daemon from using the same grants, even one in a container that shares the home directory.
fn lock(state: &Path) -> anyhow::Result<File> {
    let shown = state.display();
    own_directory(state, OTHERS_WRITE)?;
    let path = state.join("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    let mut file = open_own(&path, &mut options).map_err(|error| {
        let advice = withheld(&error, state);
        let advice = advice.unwrap_or_else(|| "remove it if imgurd did not create it".to_owned());
        anyhow::Error::new(error).context(format!("cannot open {}; {advice}", path.display()))
    })?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the error of another imgurd, so a full disk does not matter.
            let _ = file.set_len(0).and_then(|()| write!(file, "{}", process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = (&mut file).take(16).read_to_string(&mut pid);
            let by_hand =
                pid.parse::<u32>().map_or_else(|_| String::new(), |pid| format!(" or `kill {pid}`"));
            bail!(
                "another imgurd already uses the grants in {shown}; use that one, or end it with `systemctl --user stop \
                 imgurd`{by_hand}"
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
