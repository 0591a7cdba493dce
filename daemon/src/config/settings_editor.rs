//! Reading and changing the configuration, one change after the other.

use std::sync::{Arc, Mutex, PoisonError};

use imgurd_proto::{Error, Settings};

use super::{AccountConfig, Config, ConfigError, ConfigFile};

/// The configuration in force, and the file behind it. Changes come one after the other.
#[derive(Debug)]
pub struct SettingsEditor {
    file: ConfigFile,
    current: Mutex<Arc<Config>>,
}

impl SettingsEditor {
    /// `config` was read from `file`.
    #[must_use]
    pub fn new(file: ConfigFile, config: Arc<Config>) -> Self {
        Self { file, current: Mutex::new(config) }
    }

    /// The file behind it.
    #[must_use]
    pub fn file(&self) -> &ConfigFile {
        &self.file
    }

    /// Reads the file again; nothing if it says what was known. A bad one changes nothing.
    pub fn reload(&self) -> Result<Option<Arc<Config>>, ConfigError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let config = self.file.load()?;
        if config == **current {
            return Ok(None);
        }
        *current = Arc::new(config);
        Ok(Some(current.clone()))
    }

    /// The configuration in force.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds an account.
    pub fn add(&self, name: &str, settings: &Settings, make_default: bool) -> Result<Arc<Config>, Error> {
        self.change(|file| file.add(name, settings, make_default))
    }

    /// Changes an account.
    pub fn set(&self, name: &str, settings: &Settings, make_default: bool) -> Result<Arc<Config>, Error> {
        self.change(|file| file.set(name, settings, make_default))
    }

    /// Takes an account out.
    pub fn remove(&self, name: &str) -> Result<Arc<Config>, Error> {
        self.change(|file| file.remove(name))
    }

    /// One account's configuration.
    pub fn account(&self, name: &str) -> Result<Arc<AccountConfig>, Error> {
        self.current().accounts.get(name).cloned().ok_or_else(|| Error::NoSuchAccount {
            account: name.to_owned(),
            reason: format!("The account {name} was just removed; see `imgurctl account list`"),
        })
    }

    fn change<E>(&self, change: impl FnOnce(&ConfigFile) -> Result<Config, E>) -> Result<Arc<Config>, E> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(change(&self.file)?);
        Ok(current.clone())
    }
}
