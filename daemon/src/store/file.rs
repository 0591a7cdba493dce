//! An encrypted file, in the format of the desktop's own keyring files, written by `oo7`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use imgurd_proto::text::cause;
use oo7::file::{Error as KeyringError, Item, LockedKeyring, UnlockedKeyring};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::key::KeySource;
use super::{IfMissing, StoreError, Stored, TokenStore, item};
use crate::durable;
use crate::grant::Record;
use crate::memory;
use crate::ownership::check_own;

/// The prefix of the files that `oo7` writes before it renames them.
const LEFTOVER_PREFIX: &str = ".tmpkeyring";

/// Keeps records in an encrypted file.
#[derive(Clone, Debug)]
pub struct FileStore {
    /// A call locks it from beginning to end, so calls run one after the other.
    file: Arc<Mutex<KeyringFile>>,
}

impl FileStore {
    /// The store in the file `path`. It is opened when it is first needed.
    #[must_use]
    pub fn new(path: PathBuf, key: KeySource) -> Self {
        let work = path.with_added_extension("work");
        Self { file: Arc::new(Mutex::new(KeyringFile { path, work, key, keyring: None })) }
    }

    /// Runs `call` in a thread for blocking work, because it derives keys, decrypts and waits for the disk. Once
    /// started, it runs to its end, even if no caller waits any more.
    fn run<T, F>(&self, call: F) -> Stored<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut KeyringFile) -> Result<T, StoreError> + Send + 'static,
    {
        let file = self.file.clone();
        async move {
            // Lock here, not in the thread, so that waiting calls hold no threads.
            let mut file = file.lock_owned().await;
            let runtime = Handle::current();
            let done = spawn_blocking(move || {
                let result = runtime.block_on(call(&mut file));
                memory::wipe_stack();
                if result.is_err() {
                    file.close(); // after a failed write, the memory differs from the disk
                }
                result
            });
            done.await.unwrap_or_else(|_| {
                Err(StoreError::Unavailable(
                    "the encrypted file failed unexpectedly; run `imgurctl unlock` to open it again".into(),
                ))
            })
        }
        .boxed()
    }
}

impl TokenStore for FileStore {
    fn load(&self, account: String) -> Stored<Option<Record>> {
        self.run(async move |file| {
            let item = file.item(&account).await?;
            item.map(|item| item::decode(&account, &item)).transpose()
        })
    }

    fn save(&self, account: String, record: Record, _if_missing: IfMissing) -> Stored<()> {
        self.run(async move |file| {
            if let Some(old) = file.item(&account).await? {
                item::may_replace(&account, &old)?;
            }
            file.put(&account, &record).await
        })
    }

    fn unlock(&self) -> Stored<()> {
        self.run(async |file| {
            file.close();
            file.open().await.map(drop)
        })
    }

    fn look(&self) -> Stored<()> {
        self.run(async |file| file.open().await.map(drop))
    }
}

#[derive(Debug)]
struct KeyringFile {
    path: PathBuf,
    /// The file under the second name, which `oo7` may write to.
    work: PathBuf,
    key: KeySource,
    /// Kept open, because opening requires a key derivation.
    keyring: Option<Arc<UnlockedKeyring>>,
}

impl KeyringFile {
    fn close(&mut self) {
        self.keyring = None;
    }

    /// The keyring. Opens it if it is not open, or if another program has replaced the file.
    async fn open(&mut self) -> Result<Arc<UnlockedKeyring>, StoreError> {
        if let Some(keyring) = self.keyring.as_ref().filter(|_| self.is_current()) {
            return Ok(keyring.clone());
        }
        let key = self.key.read()?;
        self.check().map_err(|error| self.unreadable(&error))?;
        // A full or read-only disk must not prevent reading; `put` makes sure that nothing is written.
        let readable = if self.begin_work().is_ok() { &self.work } else { &self.path };
        let keyring = UnlockedKeyring::load(readable, oo7::Secret::text(&*key)).await;
        let keyring = Arc::new(keyring.map_err(|error| self.trouble(error))?);
        self.keyring = Some(keyring.clone());
        Ok(keyring)
    }

    /// Refuses a file that is not ours, and a symlink, which `oo7` would follow.
    fn check(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) => check_own(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()), // nothing is saved yet
            Err(error) => Err(error),
        }
    }

    /// Whether the keyring in memory is that of the file on the disk.
    fn is_current(&self) -> bool {
        let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        identity(&self.path) == identity(&self.work)
    }

    /// Gives the file its second name, and removes files left by a crash.
    fn begin_work(&self) -> io::Result<()> {
        remove(&self.work)?;
        let directory = self.path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(LEFTOVER_PREFIX) {
                remove(&entry.path())?;
            }
        }
        match fs::hard_link(&self.path, &self.work) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()), // nothing is saved yet
            // Some file systems do not support hard links. Then every call opens the file again, which is slow but
            // correct.
            Err(_) => fs::copy(&self.path, &self.work).map(drop),
            Ok(()) => Ok(()),
        }
    }

    async fn item(&mut self, account: &str) -> Result<Option<oo7::Secret>, StoreError> {
        let found = self.open().await?.lookup_item(&attributes(account)).await;
        let found = found.map_err(|error| self.trouble(error))?;
        Ok(found.as_ref().and_then(secret_of))
    }

    /// Writes the file under its second name, reads it back, and renames it over the first one.
    async fn put(&mut self, account: &str, record: &Record) -> Result<(), StoreError> {
        let new = oo7::Secret::blob(&*item::encode(record)?);
        durable::make_directory_of(&self.path).map_err(|error| self.unwritable(&error))?;
        let keyring = self.open().await?;
        if keyring.path() != Some(&self.work) {
            let work = self.work.display();
            return Err(self.unwritable(&format!("{work} cannot be created")));
        }
        let label = format!("imgurd: {account}");
        let written = keyring.create_item(&label, &attributes(account), new.clone(), true).await;
        written.map_err(|error| self.unwritable(&error))?;
        if !is_whole(&keyring, &self.work, account, &new).await.unwrap_or(false) {
            return Err(self.unwritable(&"the written file is not complete, and the disk may be full"));
        }
        self.publish().map_err(|error| self.unwritable(&error))
    }

    fn publish(&mut self) -> io::Result<()> {
        durable::rename(&self.work, &self.path)?;
        // If this fails, the next call opens the file again.
        let _ = fs::hard_link(&self.path, &self.work);
        Ok(())
    }

    fn trouble(&self, error: KeyringError) -> StoreError {
        let path = self.path.display();
        StoreError::Unavailable(match error {
            KeyringError::IncorrectSecret => format!(
                "{path} was encrypted with another key than the one in {}; put the old key back, or move {path} away \
                 to start with an empty one",
                self.key.path().display()
            ),
            KeyringError::Io(error) => return self.unreadable(&error),
            _ => format!(
                "{path} is damaged, and imgurd did not change it; restore a backup, or move it away to start with an \
                 empty one"
            ),
        })
    }

    fn unreadable(&self, error: &io::Error) -> StoreError {
        let path = self.path.display();
        StoreError::Unavailable(format!(
            "imgurd cannot read {path}: {error}; make it readable, then run `imgurctl unlock`",
            error = cause(&error)
        ))
    }

    fn unwritable(&self, error: &dyn std::fmt::Display) -> StoreError {
        let path = self.path.display();
        StoreError::Unavailable(format!(
            "imgurd cannot write {path}: {error}; make room, or make it writable",
            error = cause(&error)
        ))
    }
}

fn attributes(account: &str) -> [(&'static str, &str); 2] {
    [("service", "imgurd"), ("username", account)]
}

fn secret_of(item: &Item) -> Option<oo7::Secret> {
    match item {
        Item::Unlocked(item) => Some(item.secret()),
        Item::Locked(_) => None,
    }
}

/// Whether the file `written` contains everything that `keyring` does, with `new` for `account`.
async fn is_whole(
    keyring: &UnlockedKeyring,
    written: &Path,
    account: &str,
    new: &oo7::Secret,
) -> Result<bool, KeyringError> {
    let items = LockedKeyring::load(written).await?.items().await?;
    let count = items.len();
    let mut found = false;
    for item in items {
        if let Ok(Item::Locked(item)) = item
            && let Ok(item) = keyring.unlock_item(item).await
            && item.attributes().get("username").is_some_and(|name| name == account)
        {
            found |= item.secret() == *new;
        }
    }
    Ok(found && count == keyring.n_items().await)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
