//! Prepares the unit before the service starts, outside the service's namespaces.
//!
//! `ReadWritePaths=` accepts only existing paths and expands no variables, and nothing can be created below a read-only home. So
//! `ExecStartPre=+imgurd --prepare` creates the directories, and the links in `%t/imgurd-unit` that `ReadWritePaths=` names. It
//! checks owners outside the unit's user namespace.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, anyhow, bail};
use imgurd_proto::text::cause;

use super::options::{Options, directory};
use super::stores::key_source;
use crate::ownership::{OTHERS_WRITE, check_place, own_directory};
use crate::store::KeySource;

/// The unit's own runtime directory (`RuntimeDirectory=`). Sandboxes may have access to the one with the socket, and
/// could replace files in it.
const DIRECTORY: &str = "imgurd-unit";

/// The file in it with the reason why the service must not start. It is empty if the service may start.
const REFUSAL: &str = "refusal";

/// Creates the directories that the service writes to, makes `ReadWritePaths=` point to them, and checks who owns the
/// files that say where secrets are sent. The service cannot do that itself: its home directory is read-only, and in
/// its user namespace all other users look like root (`user_namespaces(7)`).
///
/// # Errors
/// If the error cannot be passed to the service.
pub fn prepare(options: &Options) -> anyhow::Result<()> {
    let unit = runtime_directory().context("only the unit imgurd.service can use --prepare")?;
    let refusal = match lead_to_directories(&unit).and_then(|()| check_owners(options)) {
        Ok(()) => String::new(),
        Err(error) => {
            format!("{}; then run `systemctl --user restart imgurd`", cause(&format_args!("{error:#}")))
        }
    };
    let path = unit.join(REFUSAL);
    fs::write(&path, refusal).with_context(|| format!("cannot write {}", path.display()))
}

/// Fails if [`prepare`] found that the service must not start.
pub(super) fn check_prepared() -> anyhow::Result<()> {
    let Some(unit) = runtime_directory() else { return Ok(()) };
    match fs::read_to_string(unit.join(REFUSAL)) {
        Ok(refusal) if refusal.is_empty() => Ok(()),
        Ok(refusal) => bail!(refusal),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read {REFUSAL} in {}", unit.display())),
    }
}

fn runtime_directory() -> Option<PathBuf> {
    let all = env::var_os("RUNTIME_DIRECTORY")?;
    env::split_paths(&all).find(|path| path.ends_with(DIRECTORY))
}

/// Creates symlinks for `ReadWritePaths=`, which expands no variables, such as those of `environment.d(5)`. It skips
/// missing directories, so this creates them.
fn lead_to_directories(unit: &Path) -> anyhow::Result<()> {
    for (link, target) in [
        ("state", directory("XDG_STATE_HOME", ".local/state")?),
        ("config", directory("XDG_CONFIG_HOME", ".config")?),
    ] {
        // If this fails, the service reports it when it needs the directory.
        let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(&target);
        let link = unit.join(link);
        let _ = fs::remove_file(&link);
        symlink(target, &link).with_context(|| format!("cannot make the link {}", link.display()))?;
    }
    Ok(())
}

/// Fails if another user could change or replace a file that decides where secrets are sent. The service itself
/// reports missing or invalid files.
fn check_owners(options: &Options) -> anyhow::Result<()> {
    let file = options.config_file()?;
    own_directory(&directory("XDG_STATE_HOME", ".local/state")?, OTHERS_WRITE)?;
    let check = |path: &Path| match fs::metadata(path) {
        Ok(metadata) => check_place(path, &metadata).map_err(|error| {
            anyhow!(
                "{} is not safe to use ({error}); make sure that only you can write to it",
                path.display(),
                error = cause(&error)
            )
        }),
        Err(_) => Ok(()),
    };
    check(file.path())?;
    let Ok(config) = file.load() else { return Ok(()) };
    if let KeySource::File(key) = key_source(&config, &file) {
        check(&key)?;
    }
    let named = config.accounts.values().filter_map(|account| account.ca_file.as_ref());
    named.map(|ca_file| file.directory().join(ca_file)).try_for_each(|ca_file| check(&ca_file))
}
