//! Records for which accounts imgurd saved a grant, and when. With it, imgurd notices a store that is empty or has an older record:
//! a Secret Service whose keyring was never unlocked gives the same answer as one that never had the item, and a keyring that was
//! absent for a while has a refresh token that was replaced meanwhile.
//!
//! imgurd writes a line after the store has saved the grant, never before:
//! - a crash between the two leaves a saved grant without its line. The next load of the grant adds the line. Until then, imgurd
//!   misses a loss only if the store fails as well.
//! - in the other order, a line could name a grant that never existed, and the user would search for it.
//! - imgurd removes a line after the grant: a line too many costs the user one more `logout`, and a line too few may cost a grant,
//!   because the user overwrites it without a warning.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use imgurd_proto::text::cause;
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;

use super::{Changes, IfMissing, StoreError, Stored, TokenStore};
use crate::clock::wall_time;
use crate::durable;
use crate::grant::{Record, Timestamp};
use crate::ownership::read_own;

/// A store, and a file that lists what was saved to it.
#[derive(Clone, Debug)]
pub struct Witnessed<S> {
    store: S,
    names: Arc<Mutex<StoredNames>>,
}

impl<S> Witnessed<S> {
    /// Wraps `store`; the names of its accounts are in the file `path`, which contains no secret.
    #[must_use]
    pub fn new(store: S, path: PathBuf) -> Self {
        Self { store, names: Arc::new(Mutex::new(StoredNames { path, names: None })) }
    }
}

impl<S: TokenStore + Clone + 'static> TokenStore for Witnessed<S> {
    fn load(&self, account: String) -> Stored<Option<Record>> {
        let (loading, names) = (self.store.load(account.clone()), self.names.clone());
        async move {
            let mut record = loading.await?;
            if let Some(record) = record.as_mut().filter(|record| record.holds_a_grant()) {
                let last = saved_at(&names, &account).await.ok().flatten().flatten();
                // A record of an older version has no time, which proves nothing.
                record.is_outdated = record.saved_at.zip(last).is_some_and(|(at, last)| at < last);
                if !record.is_outdated {
                    note(names, account, Some(record.saved_at)).await;
                }
            } else if saved_at(&names, &account).await?.is_some() {
                return Err(vanished(&account));
            }
            Ok(record)
        }
        .boxed()
    }

    fn save(&self, account: String, mut record: Record, if_missing: IfMissing) -> Stored<()> {
        let (store, names) = (self.store.clone(), self.names.clone());
        async move {
            let last = saved_at(&names, &account).await;
            let if_missing = if last == Ok(None) { IfMissing::Create } else { if_missing };
            let now = Some(next(last.ok().flatten().flatten(), wall_time()));
            record.saved_at = now;
            let holds = record.holds_a_grant();
            store.save(account.clone(), record, if_missing).await?;
            note(names, account, holds.then_some(now)).await;
            Ok(())
        }
        .boxed()
    }

    fn unlock(&self) -> Stored<()> {
        self.store.unlock()
    }

    fn look(&self) -> Stored<()> {
        self.store.look()
    }

    fn changes(&self) -> Option<watch::Receiver<Changes>> {
        self.store.changes()
    }
}

/// The sentence about a record with [`Record::is_outdated`].
pub(crate) fn outdated(account: &str) -> String {
    format!(
        "The store has an older grant of {account} than imgurd saved last, and using it could invalidate the newer \
         one; bring the newer one back if another keyring or a backup is in its place, run `imgurctl login \
         {account}` to sign in again, or run `imgurctl restore {account}` to use the older one"
    )
}

fn vanished(account: &str) -> StoreError {
    StoreError::Vanished(format!(
        "The store no longer has the grant of {account} that imgurd saved there; open the keyring that has it, or \
         run `imgurctl login {account}` to sign in again if the item was deleted"
    ))
}

/// A time that is later than the last one, even if the clock was set back.
fn next(last: Option<Timestamp>, now: Timestamp) -> Timestamp {
    last.map_or(now, |last| now.max(last.moved(1)))
}

/// When a grant of `account` was last saved, if known; `None` if none is saved.
async fn saved_at(names: &Arc<Mutex<StoredNames>>, account: &str) -> Result<Option<SavedAt>, StoreError> {
    let mut names = names.clone().lock_owned().await;
    let (path, account) = (names.path.clone(), account.to_owned());
    let known = spawn_blocking(move || names.names().map(|names| names.get(&account).copied())).await;
    known.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())).map_err(|error| {
        let path = path.display();
        StoreError::Unavailable(format!(
            "imgurd cannot read {path}, its list of saved grants: {error}; make it readable",
            error = cause(&error)
        ))
    })
}

/// Records whether a grant of `account` is saved, and when. The grant itself is safe already, so a failure is only
/// logged.
async fn note(names: Arc<Mutex<StoredNames>>, account: String, stored: Option<SavedAt>) {
    let mut names = names.lock_owned().await;
    let noted = spawn_blocking(move || names.note(account, stored)).await;
    if let Ok(Err(error)) = noted {
        tracing::warn!(%error, "cannot record which grants are saved");
    }
}

/// When a record was saved; older versions did not record that.
type SavedAt = Option<Timestamp>;

/// The file. It has a line for each account: its name, a space, and when its record was saved, in milliseconds since
/// 1970.
#[derive(Debug)]
struct StoredNames {
    path: PathBuf,
    names: Option<BTreeMap<String, SavedAt>>,
}

impl StoredNames {
    fn names(&mut self) -> io::Result<&mut BTreeMap<String, SavedAt>> {
        let names = match self.names.take() {
            Some(names) => names,
            None => read(&self.path)?,
        };
        Ok(self.names.insert(names))
    }

    fn note(&mut self, account: String, stored: Option<SavedAt>) -> io::Result<()> {
        let names = self.names()?;
        if names.get(&account) == stored.as_ref() {
            return Ok(());
        }
        match stored {
            Some(saved_at) => names.insert(account, saved_at),
            None => names.remove(&account),
        };
        let line = |(name, saved_at): (&String, &SavedAt)| match saved_at {
            Some(saved_at) => format!("{name} {}\n", saved_at.as_millis()),
            None => format!("{name}\n"),
        };
        let content: String = names.iter().map(line).collect();
        durable::replace(&self.path, content.as_bytes()).inspect_err(|_| self.names = None)
    }
}

fn read(path: &Path) -> io::Result<BTreeMap<String, SavedAt>> {
    Ok(read_own(path)?.as_deref().map(parse).unwrap_or_default())
}

fn parse(text: &str) -> BTreeMap<String, SavedAt> {
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let (name, saved_at) = line.split_once(' ').unwrap_or((line, ""));
        let saved_at = saved_at.parse().ok().map(Timestamp::from_millis);
        // An older version adds a second line for the same name, without a time.
        names
            .entry(name.to_owned())
            .and_modify(|known: &mut SavedAt| *known = known.and(saved_at))
            .or_insert(saved_at);
    }
    names
}

#[cfg(test)]
mod tests;
