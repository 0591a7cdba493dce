//! The store for grants, and the key of the encrypted file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use crate::bus::Bus;
use crate::config::{Config, ConfigFile, StoreKind};
use crate::store::{FileStore, KeySource, MemoryStore, SecretServiceStore, TokenStore, Witnessed};

pub(super) fn open_store(
    kind: StoreKind,
    config: &Config,
    file: &ConfigFile,
    state: &Path,
    bus: impl FnOnce() -> Bus,
) -> Arc<dyn TokenStore> {
    let witnesses = state.join("stored");
    match kind {
        StoreKind::Memory => Arc::new(MemoryStore::default()),
        StoreKind::File => {
            let store = FileStore::new(state.join("grants.keyring"), key_source(config, file));
            Arc::new(Witnessed::new(store, witnesses))
        }
        StoreKind::SecretService => Arc::new(Witnessed::new(SecretServiceStore::new(bus()), witnesses)),
    }
}

/// The key from a systemd credential if there is one, or else from the file next to the configuration.
pub(super) fn key_source(config: &Config, file: &ConfigFile) -> KeySource {
    let credential =
        env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join("imgurd.key"));
    // An empty line means a key that the service manager did not find (`SetCredential=`).
    let is_there = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 1);
    if let Some(credential) = credential.filter(is_there) {
        return KeySource::Credential(credential);
    }
    let key_file = config.key_file.as_deref().unwrap_or(Path::new("key"));
    KeySource::File(file.directory().join(key_file))
}
