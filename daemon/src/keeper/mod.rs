//! The heart: one actor owns every account, and a handle that anyone may clone asks it.
//!
//! It knows no wire and no disk. A token at hand is read from a snapshot and never queues behind anything.

pub mod account;
mod actor;
mod credits;
mod demand;
mod message;
mod outlook;
mod policy;
mod slots;
#[cfg(test)]
mod tests;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::text::printable_name;
use imgurd_proto::{Account, DEFAULT_MIN_VALID_S, Error, Export, Secret, Token};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock::Clock;
use crate::config::Config;
use crate::grant::Issuer;
use crate::provider::{Identity, Provider, TokenRequest, TokenResponse};

pub use account::Began;
use account::{Ask, Progress, Snapshot, Verdict, Want};
pub use actor::spawn;
use message::Message;
pub use outlook::Outlook;
pub use watcher::Watcher;

/// The longest that a call waits, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The longest that a change of grants takes: a request to the server and writing its outcome, each bounded.
const LONGEST_CHANGE: Duration = Duration::from_mins(1);

/// The longest that a login's outcome waits for the API's word on the new token.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(10);

/// Why it is not known whose a token is when that time is over.
const NO_ANSWER: &str = "the API does not answer";

/// A login that brought a grant.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedIn {
    /// The account as it is now.
    pub account: Account,
    /// What is to be said of the token, where it could not be seen to work.
    pub note: Option<String>,
}

/// The accounts there are.
#[derive(Clone, Debug, Default)]
struct Directory {
    default: Option<String>,
    accounts: BTreeMap<String, watch::Receiver<Snapshot>>,
}

/// A way to ask the keeper.
#[derive(Clone)]
pub struct Keeper {
    messages: mpsc::Sender<Message>,
    directory: watch::Receiver<Arc<Directory>>,
    /// Counts every change of every account.
    changes: watch::Receiver<u64>,
    /// Whether any account waits for the network or the server to come back.
    waits: watch::Receiver<bool>,
    /// The accounts of which somebody wants a token that only the person can bring.
    unmet: watch::Sender<BTreeSet<String>>,
    clock: Arc<dyn Clock>,
    /// For what is asked of an API, which concerns no grant.
    provider: Arc<dyn Provider>,
}

impl Keeper {
    /// The access token of `account`, valid for `min_valid`. Waits up to `patience` for one.
    pub async fn token(
        &self,
        account: Option<&str>,
        min_valid: Option<Duration>,
        patience: Duration,
    ) -> Result<Arc<Token>, Error> {
        let least = min_valid.unwrap_or(Duration::from_secs(DEFAULT_MIN_VALID_S.unsigned_abs()));
        self.want(account, Want::Valid(least), min_valid.is_some(), patience).await
    }

    /// A new access token, whatever the clock says.
    pub async fn refresh(&self, account: Option<&str>, patience: Duration) -> Result<Arc<Token>, Error> {
        self.want(account, Want::New, true, patience).await
    }

    /// Whether there is another access token than `rejected` already, so that nothing has to be refreshed.
    #[must_use]
    pub fn has_another(&self, account: &str, rejected: &Secret) -> bool {
        let Ok((_, snapshots)) = self.find(Some(account)) else { return false };
        let want = Want::AnotherThan(rejected.clone());
        let verdict = snapshots.borrow().verdict(&want, true, None, self.clock.now());
        matches!(verdict, Verdict::Token(_))
    }

    /// Another access token than `rejected`. If that is not the current one any more, the current one comes back.
    pub async fn reject(
        &self,
        account: Option<&str>,
        rejected: Secret,
        patience: Duration,
    ) -> Result<Arc<Token>, Error> {
        if rejected.is_empty() {
            return Err(Error::invalid(
                "access_token",
                "The rejected token is empty; hand in the token that was rejected",
            ));
        }
        self.want(account, Want::AnotherThan(rejected), true, patience).await
    }

    async fn want(
        &self,
        account: Option<&str>,
        want: Want,
        strict: bool,
        patience: Duration,
    ) -> Result<Arc<Token>, Error> {
        let (name, mut snapshots) = self.find(account)?;
        let verdict = snapshots.borrow_and_update().verdict(&want, strict, None, self.clock.now());
        match verdict {
            // The keeper has to hear of each rejected token: an older grant may come back with it.
            Verdict::Token(_) if matches!(want, Want::AnotherThan(_)) => {}
            Verdict::Token(token) => return Ok(token),
            Verdict::Fails(error) => {
                self.note_unmet(&name, &snapshots.borrow());
                return Err(error);
            }
            Verdict::Wait => self.note_unmet(&name, &snapshots.borrow()),
        }
        let patience = patience.min(LONGEST_WAIT);
        let deadline = Instant::now() + patience;
        let waiting = self.wait_for(name, &mut snapshots, want.clone(), strict, patience);
        match timeout_at(deadline, waiting).await {
            Ok(outcome) => outcome,
            Err(_) => snapshots.borrow().last_resort(&want, strict, self.clock.now()),
        }
    }

    async fn wait_for(
        &self,
        name: String,
        snapshots: &mut watch::Receiver<Snapshot>,
        want: Want,
        strict: bool,
        patience: Duration,
    ) -> Result<Arc<Token>, Error> {
        let until = self.clock.now() + patience;
        let before = self.ask(name.clone(), None, Ask::Want { want: want.clone(), until }).await?;
        loop {
            let verdict =
                snapshots.borrow_and_update().verdict(&want, strict, Some(before), self.clock.now());
            match verdict {
                Verdict::Token(token) => return Ok(token),
                Verdict::Fails(error) => return Err(error),
                Verdict::Wait => self.changes_of(&name, snapshots).await?,
            }
        }
    }

    /// Waits for the next change of `account`, which may be that it is removed.
    async fn changes_of(
        &self,
        account: &str,
        snapshots: &mut watch::Receiver<Snapshot>,
    ) -> Result<(), Error> {
        let mut directory = self.directory.clone();
        let removed = directory.wait_for(|directory| !directory.accounts.contains_key(account));
        tokio::select! {
            changed = snapshots.changed() => if changed.is_ok() { return Ok(()) },
            removed = removed => drop(removed),
        }
        Err(self.find(Some(account)).err().unwrap_or_else(gone))
    }

    /// All accounts, or one.
    pub fn accounts(&self, account: Option<&str>) -> Result<Vec<Account>, Error> {
        let directory = self.directory.borrow().clone();
        if account.is_some() {
            let (name, snapshots) = self.find(account)?;
            return Ok(vec![directory.info(&name, &snapshots.borrow())]);
        }
        Ok(directory
            .accounts
            .iter()
            .map(|(name, snapshots)| directory.info(name, &snapshots.borrow()))
            .collect())
    }

    /// One account.
    pub fn account(&self, account: Option<&str>) -> Result<Account, Error> {
        let (name, snapshots) = self.find(account)?;
        let info = self.directory.borrow().info(&name, &snapshots.borrow());
        Ok(info)
    }

    /// Tells of all accounts, or one, now and at each change.
    pub fn watch(&self, account: Option<&str>) -> Result<Watcher, Error> {
        let only = account.map(|_| self.find(account)).transpose()?.map(|(name, _)| name);
        Ok(Watcher::new(self.clone(), only))
    }

    /// What `look` finds in the accounts, each given with its name, how it is, and the number of its token: another
    /// number means another token. Nothing is copied for those where it finds nothing.
    pub fn survey<T>(&self, mut look: impl FnMut(&str, &Arc<Account>, u64) -> Option<T>) -> Vec<T> {
        let directory = self.directory.borrow().clone();
        let accounts = directory.accounts.iter();
        let found = accounts.filter_map(|(name, snapshots)| {
            let snapshot = snapshots.borrow();
            look(name, &snapshot.info, snapshot.issue)
        });
        found.collect()
    }

    /// Changes whenever an account is added, changes or is removed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Begins to bring a grant for `account` from `issuer`. Fails while the store, and what it holds, cannot be read.
    pub async fn begin(&self, account: &str, issuer: Issuer) -> Result<Began, Error> {
        self.change(account, Ask::Ready).await?;
        let (_, snapshots) = self.find(Some(account))?;
        let logouts = snapshots.borrow().logouts;
        Ok(Began { issuer, logouts })
    }

    /// Exchanges a code or PIN for a grant; answers when that is published and the API has said whose it is.
    pub async fn exchange(
        &self,
        account: &str,
        began: &Began,
        request: TokenRequest,
        replace: bool,
    ) -> Result<SignedIn, Error> {
        self.change_since(account, began, Ask::Exchange { request, replace }).await?;
        self.verified(account).await
    }

    /// Takes tokens over that the server gave through the browser.
    pub async fn accept(
        &self,
        account: &str,
        began: &Began,
        tokens: TokenResponse,
        replace: bool,
    ) -> Result<SignedIn, Error> {
        self.change_since(account, began, Ask::Accept { tokens, replace }).await?;
        self.verified(account).await
    }

    /// Asks the API whose token it is that has just been published. Whatever it says, the grant is kept.
    async fn verified(&self, account: &str) -> Result<SignedIn, Error> {
        let asking = self.send(|reply| Message::Identify { account: account.to_owned(), reply });
        let identity = match timeout(LONGEST_VERIFICATION, asking).await {
            Ok(identity) => identity?,
            Err(_) => Identity::Untold(NO_ANSWER.to_owned()),
        };
        Ok(SignedIn { account: self.account(Some(account))?, note: note(account, identity) })
    }

    /// Takes over a grant obtained elsewhere, and verifies it where the server answers.
    pub async fn import(
        &self,
        account: Option<&str>,
        refresh_token: Secret,
        access_token: Option<Secret>,
        username: Option<String>,
        replace: bool,
    ) -> Result<Account, Error> {
        let (name, _) = self.find(account)?;
        self.change(&name, Ask::Import { refresh_token, access_token, username, replace }).await
    }

    /// Brings back the grant that was displaced.
    pub async fn restore(&self, account: Option<&str>) -> Result<Account, Error> {
        let (name, _) = self.find(account)?;
        self.change(&name, Ask::Restore).await
    }

    /// Whatever makes an account work elsewhere.
    pub async fn export(&self, account: &str) -> Result<Export, Error> {
        let account = account.to_owned();
        self.send(|reply| Message::Export { account, reply }).await?
    }

    /// Forgets an account's grants.
    pub async fn logout(&self, account: Option<&str>) -> Result<(), Error> {
        let (name, _) = self.find(account)?;
        self.change(&name, Ask::Logout).await.map(drop)
    }

    /// Keeps the client secret of `issuer` in the store.
    pub async fn keep_client_secret(
        &self,
        account: &str,
        issuer: Issuer,
        secret: Secret,
    ) -> Result<(), Error> {
        let began = Began { issuer, logouts: 0 };
        self.change_since(account, &began, Ask::KeepClientSecret(secret)).await.map(drop)
    }

    /// Unlocks the store, and reads what could not be read.
    pub async fn unlock_store(&self) -> Result<(), Error> {
        self.send(|reply| Message::Unlock { reply }).await?
    }

    /// Takes another configuration.
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Error> {
        self.send(|reply| Message::Configure { config, reply }).await
    }

    /// Tells that a login of `account` began, by its id, or ended.
    pub async fn login(&self, account: &str, login: Option<&str>) -> Result<(), Error> {
        let (account, login) = (account.to_owned(), login.map(ToOwned::to_owned));
        self.send(|reply| Message::Login { account, login, reply }).await
    }

    /// Whether an account waits for the network or the server to come back: then it is worth hearing of.
    #[must_use]
    pub fn waits(&self) -> watch::Receiver<bool> {
        self.waits.clone()
    }

    /// An address or a route has come: the network may be back.
    pub async fn online(&self) {
        let _ = self.messages.send(Message::Online).await;
    }

    /// The machine is about to sleep: begins no refresh, and returns when no answer is on its way or being stored.
    pub async fn sleep(&self) {
        let _ = self.send(|reply| Message::Sleep { reply }).await;
    }

    /// The machine is awake again.
    pub async fn awake(&self) {
        let _ = self.messages.send(Message::Awake).await;
    }

    /// Starts nothing new, and returns when nothing is under way.
    pub async fn drain(&self) -> Result<(), Error> {
        self.send(|reply| Message::Drain { reply }).await
    }

    /// The name that `account` stands for.
    pub fn resolve(&self, account: Option<&str>) -> Result<String, Error> {
        self.find(account).map(|(name, _)| name)
    }

    fn find(&self, account: Option<&str>) -> Result<(String, watch::Receiver<Snapshot>), Error> {
        let directory = self.directory.borrow();
        let name = account.filter(|name| !name.is_empty()).or(directory.default.as_deref());
        match name.and_then(|name| directory.accounts.get_key_value(name)) {
            Some((name, snapshots)) => Ok((name.clone(), snapshots.clone())),
            None => Err(directory.no_such(name)),
        }
    }

    async fn change(&self, account: &str, ask: Ask) -> Result<Account, Error> {
        self.changed(account, None, ask).await
    }

    /// A change that is meant only for the account as it was when it began.
    async fn change_since(&self, account: &str, began: &Began, ask: Ask) -> Result<Account, Error> {
        self.changed(account, Some(began.clone()), ask).await
    }

    async fn changed(&self, account: &str, began: Option<Began>, ask: Ask) -> Result<Account, Error> {
        let done = timeout_at(Instant::now() + LONGEST_CHANGE, self.ask(account.to_owned(), began, ask));
        done.await.unwrap_or_else(|_| Err(takes_long()))?;
        self.account(Some(account))
    }

    async fn ask(&self, account: String, began: Option<Began>, ask: Ask) -> Result<Progress, Error> {
        let done = self.send(|reply| Message::Ask { account: account.clone(), ask, began, reply }).await;
        // What is refused because the account is gone says so.
        done.unwrap_or_else(Err).map_err(|error| match error {
            error if error == gone() => self.find(Some(&account)).err().unwrap_or(error),
            error => error,
        })
    }

    async fn send<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(message(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

impl Directory {
    fn info(&self, name: &str, snapshot: &Snapshot) -> Account {
        Account { is_default: self.default.as_deref() == Some(name), ..(*snapshot.info).clone() }
    }

    fn no_such(&self, name: Option<&str>) -> Error {
        let name = name.map(printable_name);
        let name = name.as_deref();
        let reason = match name {
            Some(name) => format!(
                "There is no account {name}; see `imgurctl account list`, or add it with `imgurctl account add`"
            ),
            None if self.accounts.is_empty() => {
                "There is no account yet; add one with `imgurctl account add NAME`".to_owned()
            }
            None => "No account is the default; name one, or choose it with `imgurctl account default NAME`"
                .to_owned(),
        };
        Error::NoSuchAccount { account: name.unwrap_or_default().to_owned(), reason }
    }
}

fn note(account: &str, identity: Identity) -> Option<String> {
    match identity {
        Identity::Known(_) | Identity::Unsupported => None,
        Identity::Rejected => Some(format!(
            "The API does not take the new token, though the server has just given it out; see whether another program \
             uses the same client id, and run `imgurctl refresh {account}`"
        )),
        Identity::Untold(reason) => Some(format!(
            "Whether the new token works could not be seen: {reason}. It is kept; use it when that has passed"
        )),
    }
}

fn takes_long() -> Error {
    let reason = "It takes longer than a minute, and goes on by itself; see `imgurctl status`".to_owned();
    Error::TemporarilyUnavailable { reason, retry_at: None }
}

fn gone() -> Error {
    Error::TemporarilyUnavailable {
        reason: "imgurd is stopping; try again in a moment".to_owned(),
        retry_at: None,
    }
}
