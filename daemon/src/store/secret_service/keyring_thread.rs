//! Calls the keyring crates from a separate thread, because their calls block without a time limit.
//!
//! A call that exceeds its time limit is abandoned with its thread, and the next call gets a new thread. The abandoned call may
//! still take effect when the keyring recovers. So imgurd does not request an item before the abandoned call for that item has
//! ended: otherwise an older record could overwrite a newer one, and each call could cause another dialog. Such a call ends at the
//! latest when its keyring exits, because then the bus answers it.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use imgurd_proto::Zeroizing;
use imgurd_proto::text::cause;
use keyring::{CredentialStore, Entry, Error as KeyringError};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use zbus::names::OwnedUniqueName;

use super::{SERVICE, sentences};
use crate::memory;
use crate::store::{Changes, IfMissing, StoreError, item};

/// How long a call may take. It waits for no user.
const ANSWER: Duration = Duration::from_secs(5);

/// How many abandoned calls are waited for. A keyring that owes more is not asked again.
const MOST_OWED: usize = 4;

/// How the keyring crates are joined to a keyring: again for each keyring, and after a failure.
pub(super) type Connect = Arc<dyn Fn() -> keyring::Result<Arc<CredentialStore>> + Send + Sync>;

type Job = Box<dyn FnOnce(&mut KeyringSession) + Send>;

#[derive(Clone, Debug)]
pub(super) enum Call {
    Read,
    Write(Zeroizing<Vec<u8>>, IfMissing),
}

/// The item after the call; `None` if the keyring shows none.
pub(super) type Item = Option<Zeroizing<Vec<u8>>>;

/// The thread, and its unfinished calls.
pub(super) struct KeyringThread {
    connect: Connect,
    /// The way to the thread; it ends when this is gone.
    thread: Option<mpsc::Sender<Job>>,
    owed: Vec<Owed>,
    changes: watch::Sender<Changes>,
}

#[derive(Debug)]
struct Owed {
    account: String,
    ended: oneshot::Receiver<()>,
}

impl Owed {
    fn is_under_way(&mut self) -> bool {
        matches!(self.ended.try_recv(), Err(TryRecvError::Empty))
    }
}

impl KeyringThread {
    pub(super) fn new(connect: Connect, changes: watch::Sender<Changes>) -> Self {
        Self { connect, thread: None, owed: Vec::new(), changes }
    }

    /// Carries out the job on the item of `account` in the keyring `owner`. Await it to its end.
    pub(super) async fn call(
        &mut self,
        owner: OwnedUniqueName,
        account: &str,
        call: Call,
    ) -> Result<Item, StoreError> {
        self.owed.retain_mut(Owed::is_under_way);
        let clashes = self.owed.iter().any(|owed| owed.account == account);
        if clashes || self.owed.len() >= MOST_OWED {
            return Err(sentences::does_not_answer());
        }
        let (reply, mut outcome) = oneshot::channel();
        let name = account.to_owned();
        let job: Job = Box::new(move |session| {
            let _ = reply.send(session.call(&owner, &name, &call));
        });
        let thread = self.thread.take().map_or_else(|| start(self.connect.clone()), Ok)?;
        thread.send(job).map_err(|_| sentences::does_not_answer())?;
        if let Ok(outcome) = timeout(ANSWER, &mut outcome).await {
            self.thread = Some(thread);
            return outcome.unwrap_or_else(|_| Err(sentences::does_not_answer()));
        }
        self.abandon(account.to_owned(), outcome);
        Err(sentences::does_not_answer())
    }

    fn abandon(&mut self, account: String, outcome: oneshot::Receiver<Result<Item, StoreError>>) {
        tracing::warn!("the keyring does not answer");
        let (end, ended) = oneshot::channel();
        self.owed.push(Owed { account, ended });
        let changes = self.changes.clone();
        tokio::spawn(async move {
            let _ = outcome.await;
            let _ = end.send(());
            changes.send_modify(|changes| changes.count += 1);
        });
    }
}

fn start(connect: Connect) -> Result<mpsc::Sender<Job>, StoreError> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let work = move || {
        let mut session = KeyringSession { connect, opened: None };
        while let Ok(job) = jobs.recv() {
            job(&mut session);
            memory::wipe_stack();
        }
    };
    thread::Builder::new().name("keyring".into()).spawn(work).map_err(|error| {
        StoreError::Unavailable(format!(
            "imgurd cannot start a thread for the keyring ({error}); end other programs",
            error = cause(&error)
        ))
    })?;
    Ok(sender)
}

/// The state of the thread: the keyring crates' own connection and session, which are useless for another keyring.
struct KeyringSession {
    connect: Connect,
    opened: Option<(OwnedUniqueName, Arc<CredentialStore>)>,
}

impl KeyringSession {
    fn call(&mut self, owner: &OwnedUniqueName, account: &str, call: &Call) -> Result<Item, StoreError> {
        self.opened.take_if(|(opened, _)| opened != owner);
        let is_reused = self.opened.is_some();
        match self.attempt(owner, account, call) {
            Err(Failure::Session(KeyringError::PlatformFailure(_))) if is_reused => {
                self.attempt(owner, account, call)
            }
            outcome => outcome,
        }
        .map_err(|failure| match failure {
            Failure::Session(error) => sentences::from_keyring(account, &error),
            Failure::Item(error) => error,
        })
    }

    fn attempt(&mut self, owner: &OwnedUniqueName, account: &str, call: &Call) -> Result<Item, Failure> {
        let (_, store) = match self.opened.take() {
            Some(opened) => opened,
            None => (owner.clone(), (self.connect)()?),
        };
        let label = format!("imgurd: {account}");
        let entry = store.build(SERVICE, account, Some(&HashMap::from([("label", label.as_str())])))?;
        let item = match call {
            Call::Read => read(&entry)?,
            Call::Write(new, if_missing) => write(&entry, account, new, *if_missing)?,
        };
        self.opened = Some((owner.clone(), store));
        Ok(item)
    }
}

enum Failure {
    /// The keyring crates'; their session may be no good any more.
    Session(KeyringError),
    /// The content of the item, or that there is none.
    Item(StoreError),
}

impl From<KeyringError> for Failure {
    fn from(error: KeyringError) -> Self {
        Self::Session(error)
    }
}

fn read(entry: &Entry) -> keyring::Result<Item> {
    match entry.get_secret() {
        // KWallet shows an empty item where it was killed within seconds of being given one.
        Ok(item) => Ok(Some(Zeroizing::new(item)).filter(|item| !item.is_empty())),
        Err(KeyringError::NoEntry) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the item and reads it back, which is as much as can be known of its being kept.
fn write(entry: &Entry, account: &str, new: &[u8], if_missing: IfMissing) -> Result<Item, Failure> {
    match read(entry)? {
        Some(old) => item::may_replace(account, &old).map_err(Failure::Item)?,
        None if if_missing == IfMissing::Fail => return Err(Failure::Item(sentences::missing(account))),
        None => {}
    }
    entry.set_secret(new)?;
    match read(entry)? {
        Some(kept) if kept.as_slice() == new => Ok(Some(kept)),
        _ => Err(Failure::Item(sentences::not_whole())),
    }
}

#[cfg(test)]
mod tests;
