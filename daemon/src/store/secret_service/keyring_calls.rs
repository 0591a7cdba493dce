//! Calls the keyring from separate threads, because the API of `keyring-core` blocks, and bounds the time of a call.
//!
//! A call that exceeds its time limit is abandoned with its thread and its session. The abandoned call may still take effect when
//! the keyring recovers. So imgurd does not request an item before the abandoned call for that item has ended: otherwise an older
//! record could overwrite a newer one, and each call could cause another dialog. Such a call ends at the latest when its keyring
//! exits, because then the bus answers it.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use imgurd_proto::Zeroizing;
use imgurd_proto::text::cause;
use keyring::{CredentialStore, Entry, Error as KeyringError};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use zbus::names::BusName;

use super::proxies::SERVICE;
use super::sentences;
use crate::memory;
use crate::store::{Changes, IfMissing, StoreError, item};

/// How long a call may take. It waits for no user.
const ANSWER: Duration = Duration::from_secs(5);

/// How many abandoned calls are waited for. A keyring that owes more is not asked again.
const MOST_OWED: usize = 4;

/// Opens a session with a keyring, for its first call and after a failure.
pub(super) type Connect = Box<dyn Fn() -> keyring::Result<Arc<CredentialStore>> + Send>;

/// The keyring to call.
pub(super) struct Keyring {
    /// Its unique name on the bus.
    pub(super) owner: BusName<'static>,
    pub(super) connect: Connect,
}

#[derive(Clone, Debug)]
pub(super) enum Call {
    Read,
    Write(Zeroizing<Vec<u8>>, IfMissing),
}

/// The item after the call; `None` if the keyring shows none.
pub(super) type Item = Option<Zeroizing<Vec<u8>>>;

/// The session with the keyring, and the calls that are unfinished.
pub(super) struct KeyringCalls {
    /// A call has it while it lasts.
    session: KeyringSession,
    owed: Vec<Owed>,
    changes: watch::Sender<Changes>,
}

struct Owed {
    account: String,
    ended: oneshot::Receiver<()>,
}

impl Owed {
    fn is_under_way(&mut self) -> bool {
        matches!(self.ended.try_recv(), Err(TryRecvError::Empty))
    }
}

impl KeyringCalls {
    pub(super) fn new(changes: watch::Sender<Changes>) -> Self {
        Self { session: KeyringSession::default(), owed: Vec::new(), changes }
    }

    /// Carries out the call on the item of `account`. Await it to its end.
    pub(super) async fn call(
        &mut self,
        keyring: Keyring,
        account: &str,
        call: Call,
    ) -> Result<Item, StoreError> {
        self.owed.retain_mut(Owed::is_under_way);
        let clashes = self.owed.iter().any(|owed| owed.account == account);
        if clashes || self.owed.len() >= MOST_OWED {
            return Err(sentences::does_not_answer());
        }
        let mut session = mem::take(&mut self.session);
        let name = account.to_owned();
        let mut outcome = in_thread(move || {
            let item = session.call(&keyring, &name, &call);
            (session, item)
        })?;
        match timeout(ANSWER, &mut outcome).await {
            Ok(Ok((session, item))) => {
                self.session = session;
                item
            }
            Ok(Err(_)) => Err(sentences::does_not_answer()),
            Err(_) => {
                self.abandon(account.to_owned(), outcome);
                Err(sentences::does_not_answer())
            }
        }
    }

    fn abandon(&mut self, account: String, outcome: oneshot::Receiver<Outcome>) {
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

/// What a call leaves: the session, and the item.
type Outcome = (KeyringSession, Result<Item, StoreError>);

/// Makes a call in a thread, which ends with it.
fn in_thread(
    call: impl FnOnce() -> Outcome + Send + 'static,
) -> Result<oneshot::Receiver<Outcome>, StoreError> {
    let (reply, outcome) = oneshot::channel();
    let work = move || {
        let _ = reply.send(call());
        memory::wipe_stack();
    };
    thread::Builder::new().name("keyring".into()).spawn(work).map_err(|error| {
        StoreError::Unavailable(format!(
            "imgurd cannot start a thread for the keyring ({error}); end other programs",
            error = cause(&error)
        ))
    })?;
    Ok(outcome)
}

/// The session with a keyring, which is useless for another one.
#[derive(Default)]
struct KeyringSession(Option<(BusName<'static>, Arc<CredentialStore>)>);

impl KeyringSession {
    fn call(&mut self, keyring: &Keyring, account: &str, call: &Call) -> Result<Item, StoreError> {
        self.0.take_if(|(owner, _)| *owner != keyring.owner);
        let is_reused = self.0.is_some();
        match self.attempt(keyring, account, call) {
            Err(Failure::Session(KeyringError::PlatformFailure(_))) if is_reused => {
                self.attempt(keyring, account, call)
            }
            outcome => outcome,
        }
        .map_err(|failure| match failure {
            Failure::Session(error) => sentences::from_keyring(account, &error),
            Failure::Item(error) => error,
        })
    }

    fn attempt(&mut self, keyring: &Keyring, account: &str, call: &Call) -> Result<Item, Failure> {
        let (owner, store) = match self.0.take() {
            Some(opened) => opened,
            None => (keyring.owner.clone(), (keyring.connect)()?),
        };
        let label = format!("imgurd: {account}");
        let entry = store.build(SERVICE, account, Some(&HashMap::from([("label", label.as_str())])))?;
        let item = match call {
            Call::Read => read(&entry)?,
            Call::Write(new, if_missing) => write(&entry, account, new, *if_missing)?,
        };
        self.0 = Some((owner, store));
        Ok(item)
    }
}

enum Failure {
    /// Of the keyring; the session may be no good any more.
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
