//! Reads and changes the configuration, one change at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use imgurd_proto::Error;
use tokio::sync::Notify;

use super::account::AccountConfig;
use super::error::ConfigError;
use super::file::ConfigFile;
use super::parse::Config;
use crate::mutex::lock;

/// The current configuration and its file. Changes are made one at a time.
#[derive(Debug)]
pub struct SettingsEditor {
    file: ConfigFile,
    current: Mutex<Arc<Config>>,
    /// Counts the changes of `current`.
    generation: AtomicU64,
    changes: Notify,
}

impl SettingsEditor {
    /// Starts with `config`, which was read from `file`.
    #[must_use]
    pub fn new(file: ConfigFile, config: Arc<Config>) -> Self {
        Self { file, current: Mutex::new(config), generation: AtomicU64::default(), changes: Notify::new() }
    }

    /// The configuration file.
    #[must_use]
    pub fn file(&self) -> &ConfigFile {
        &self.file
    }

    /// Reads the file again; `None` if it has not changed. An invalid file changes nothing.
    pub fn reload(&self) -> Result<Option<Arc<Config>>, ConfigError> {
        let mut current = lock(&self.current);
        self.check_presence(&current)?;
        let config = self.file.load()?;
        if config == **current {
            return Ok(None);
        }
        Ok(Some(self.replace(&mut current, config)))
    }

    /// Increases with each change, before the call that made the change returns. Reading it takes no lock.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The current configuration.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        lock(&self.current).clone()
    }

    /// Returns once the configuration has changed since this was called last. One task at a time may wait.
    pub async fn changed(&self) {
        self.changes.notified().await;
    }

    /// One account's configuration.
    pub fn account(&self, name: &str) -> Result<Arc<AccountConfig>, Error> {
        self.current().accounts.get(name).cloned().ok_or_else(|| Error::NoSuchAccount {
            account: name.to_owned(),
            reason: format!("The account {name} has just been removed; see `imgurctl account list`"),
        })
    }

    /// Changes the file.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&ConfigFile) -> Result<Config, Error>,
    ) -> Result<Arc<Config>, Error> {
        let mut current = lock(&self.current);
        self.check_presence(&current)?;
        Ok(self.replace(&mut current, change(&self.file)?))
    }

    /// Fails if the file was deleted.
    pub fn presence(&self) -> Result<(), ConfigError> {
        self.check_presence(&self.current())
    }

    /// A new file would have none of the accounts.
    fn check_presence(&self, current: &Config) -> Result<(), ConfigError> {
        if current.accounts.is_empty() || self.file.is_there() {
            return Ok(());
        }
        let reason = format!(
            "{} is missing, and imgurd still uses what was in it; put it back, or restart imgurd to begin without accounts",
            self.file.path().display()
        );
        Err(ConfigError::new("", reason))
    }

    fn replace(&self, current: &mut Arc<Config>, config: Config) -> Arc<Config> {
        *current = Arc::new(config);
        self.generation.fetch_add(1, Ordering::Release);
        self.changes.notify_one();
        Arc::clone(current)
    }
}
