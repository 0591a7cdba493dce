//! Knows of which accounts a grant was stored, so that a store which has come up empty is not taken at its word: a
//! Secret Service whose keyring was never unlocked says the same as one that never had the item.
//!
//! The lines are written after the store has done its part, and never before:
//! - a crash between the two leaves a stored grant without its line. The next load that brings the grant adds it;
//!   until then the store would have to fail as well for anything to be missed.
//! - the other way round, a line would speak of a grant that never was, and somebody would look for it.
//! - a line is taken away after the grant is, since one too many costs a user one more `logout`, and one too few
//!   may cost them a grant that they overwrite because nothing says it exists.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;

use super::{StoreError, TokenStore};
use crate::durable;
use crate::grant::Record;
use crate::ownership::open_own;

/// A store, and a file beside it that says what was stored.
#[derive(Clone, Debug)]
pub struct Witnessed<S> {
    store: S,
    names: Arc<Mutex<StoredNames>>,
}

impl<S> Witnessed<S> {
    /// `store`, with the names of its accounts in the file `path`: nothing secret is in it.
    #[must_use]
    pub fn new(store: S, path: PathBuf) -> Self {
        Self { store, names: Arc::new(Mutex::new(StoredNames { path, names: None })) }
    }
}

impl<S: TokenStore> TokenStore for Witnessed<S> {
    fn load(&self, account: String) -> BoxFuture<'static, Result<Option<Record>, StoreError>> {
        let (loading, names) = (self.store.load(account.clone()), self.names.clone());
        async move {
            let record = loading.await?;
            if record.as_ref().is_some_and(Record::holds_a_grant) {
                note(names, account, true).await;
                return Ok(record);
            }
            if knows(names, account.clone()).await? { Err(vanished(&account)) } else { Ok(record) }
        }
        .boxed()
    }

    fn save(&self, account: String, record: Record) -> BoxFuture<'static, Result<(), StoreError>> {
        let holds = record.holds_a_grant();
        let (saving, names) = (self.store.save(account.clone(), record), self.names.clone());
        async move {
            saving.await?;
            note(names, account, holds).await;
            Ok(())
        }
        .boxed()
    }

    fn unlock(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.store.unlock()
    }

    fn look(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.store.look()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.store.changes()
    }
}

fn vanished(account: &str) -> StoreError {
    StoreError::Vanished(format!(
        "the store no longer has the grant of `{account}` that it once took: it may be locked, or another keyring may be in \
         its place; run `imgurctl login {account}` if it is gone for good, or `imgurctl logout {account}` to forget it"
    ))
}

async fn knows(names: Arc<Mutex<StoredNames>>, account: String) -> Result<bool, StoreError> {
    let mut names = names.lock_owned().await;
    let path = names.path.clone();
    let known = spawn_blocking(move || names.names().map(|names| names.contains(&account))).await;
    known.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())).map_err(|error| {
        let path = path.display();
        StoreError::Unavailable(format!(
            "{path}, which says what was stored, cannot be read: {error}; make it readable"
        ))
    })
}

/// Writes down whether a grant of `account` is stored. The grant itself is safe by now, so a failure is only logged.
async fn note(names: Arc<Mutex<StoredNames>>, account: String, stored: bool) {
    let mut names = names.lock_owned().await;
    let noted = spawn_blocking(move || names.note(&account, stored)).await;
    if let Ok(Err(error)) = noted {
        tracing::warn!(%error, "cannot write down which grants are stored");
    }
}

/// The file, a name a line.
#[derive(Debug)]
struct StoredNames {
    path: PathBuf,
    names: Option<BTreeSet<String>>,
}

impl StoredNames {
    fn names(&mut self) -> io::Result<&mut BTreeSet<String>> {
        let names = match self.names.take() {
            Some(names) => names,
            None => read(&self.path)?,
        };
        Ok(self.names.insert(names))
    }

    fn note(&mut self, account: &str, stored: bool) -> io::Result<()> {
        let names = self.names()?;
        if names.contains(account) == stored {
            return Ok(());
        }
        if stored {
            names.insert(account.to_owned());
        } else {
            names.remove(account);
        }
        let content: String = names.iter().flat_map(|name| [name, "\n"]).collect();
        durable::replace(&self.path, content.as_bytes()).inspect_err(|_| self.names = None)
    }
}

fn read(path: &Path) -> io::Result<BTreeSet<String>> {
    match open_own(path, OpenOptions::new().read(true)).and_then(io::read_to_string) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
