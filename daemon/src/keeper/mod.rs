//! The keeper: one actor owns all accounts, and clonable handles send it requests.
//!
//! It knows no wire and no disk. A caller reads a current token from a snapshot and never queues for it.

pub mod account;
mod actor;
mod attention;
mod calls;
mod credits;
mod device;
mod directory;
mod effects;
mod policy;
mod rate_limit;
mod signing_out;
mod slots;
#[cfg(test)]
mod tests;
mod tokens;
mod watcher;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Account, Error, Export, Flow, Secret};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::Config;
use crate::grant::Issuer;
use crate::provider::{Provider, TokenOwner, TokenRequest, TokenResponse};

pub use account::Began;
pub(crate) use account::another_sign_in;
use account::{Ask, Event, Progress, Snapshot};
pub use actor::spawn;
use actor::{Actor, Answerer, Message};
pub use attention::Attention;
use calls::CallLog;
pub use calls::Calls;
use directory::Directory;
pub(crate) use directory::named;
pub use signing_out::Revoked;
pub use tokens::Renewal;
pub use watcher::Watcher;

/// The longest time that a call waits, whatever it requests.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The longest time that a change of grants takes: a request to the server, and saving its result. Each is limited.
const LONGEST_CHANGE: Duration = Duration::from_mins(1);

/// The longest time that adding an account waits for the store.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// The longest time that the result of a login waits for the API's answer about the new token.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(10);

/// Why the user of a token is unknown when that time is over.
const NO_ANSWER: &str = "the API does not answer";

/// A login that brought a grant.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedIn {
    /// The current account.
    pub account: Account,
    /// A sentence about the token, if it could not be tested.
    pub note: Option<String>,
}

/// A handle to the keeper.
#[derive(Clone)]
pub struct Keeper {
    messages: mpsc::Sender<Message>,
    directory: watch::Receiver<Arc<Directory>>,
    /// Counts every change of every account.
    changes: watch::Receiver<u64>,
    waits: watch::Receiver<bool>,
    /// The accounts for which a caller wants a token, but the user has to do something first.
    unmet: watch::Sender<BTreeSet<String>>,
    calls: Arc<CallLog>,
    clock: Arc<dyn Clock>,
    /// For requests to an API, which do not change a grant.
    provider: Arc<dyn Provider>,
}

impl Keeper {
    /// All accounts, or one.
    pub fn accounts(&self, account: Option<&str>) -> Result<Vec<Account>, Error> {
        let directory = self.directory.borrow().clone();
        if named(account).is_some() {
            let (name, snapshots) = self.find(account)?;
            return Ok(vec![directory.info(&name, &snapshots.borrow())]);
        }
        Ok(directory
            .accounts
            .iter()
            .map(|(name, snapshots)| directory.info(name, &snapshots.borrow()))
            .collect())
    }

    /// What the token of this account allows, if known (RFC 6749, section 3.3).
    #[must_use]
    pub fn scope(&self, account: &str) -> Option<String> {
        let (_, snapshots) = self.find(Some(account)).ok()?;
        snapshots.borrow().served.as_ref()?.scope.clone()
    }

    /// One account.
    pub fn account(&self, account: Option<&str>) -> Result<Account, Error> {
        let (name, snapshots) = self.find(account)?;
        let info = self.directory.borrow().info(&name, &snapshots.borrow());
        Ok(info)
    }

    /// Reports all accounts, or one, now and at each change.
    pub fn watch(&self, account: Option<&str>) -> Result<Watcher, Error> {
        let only = named(account).map(|_| self.find(account)).transpose()?.map(|(name, _)| name);
        Ok(Watcher::new(self.clone(), only))
    }

    /// Calls `look` with each account's name, its state, and the generation of its token, and collects the results.
    /// Nothing is copied for accounts without a result.
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

    /// Starts to obtain a grant for `account` from `issuer`. Fails while the store cannot be read. Saves a client
    /// secret if one is given.
    pub async fn begin(
        &self,
        account: &str,
        issuer: Issuer,
        flow: Flow,
        client_secret: Option<Secret>,
    ) -> Result<Began, Error> {
        self.change(account, None, Ask::SignIn { flow, client_secret }).await?;
        let (_, snapshots) = self.find(Some(account))?;
        let logouts = snapshots.borrow().logouts;
        Ok(Began { issuer, logouts })
    }

    /// Waits a moment until the store has been read for a new account, because the next step depends on that.
    pub async fn store_read(&self, account: &str) {
        let _ = timeout(STORE_PATIENCE, self.change(account, None, Ask::Ready)).await;
    }

    /// Exchanges a code or PIN for a grant. Returns when that is published and the API has answered whose it is.
    pub async fn exchange(
        &self,
        account: &str,
        began: &Began,
        request: TokenRequest,
        replace: bool,
    ) -> Result<SignedIn, Error> {
        self.change(account, Some(began), Ask::Exchange { request, replace }).await?;
        self.verified(account).await
    }

    /// Accepts tokens that the server sent through the browser.
    pub async fn accept(
        &self,
        account: &str,
        began: &Began,
        tokens: TokenResponse,
        replace: bool,
    ) -> Result<SignedIn, Error> {
        self.change(account, Some(began), Ask::Accept { tokens, replace }).await?;
        self.verified(account).await
    }

    /// Asks the API whose token was just published. The grant is kept in any case.
    async fn verified(&self, account: &str) -> Result<SignedIn, Error> {
        let name = account.to_owned();
        let asking = self.send(move |actor, reply| actor.identify(name, reply));
        let owner = match timeout(LONGEST_VERIFICATION, asking).await {
            Ok(owner) => owner?,
            Err(_) => TokenOwner::Unknown(NO_ANSWER.to_owned()),
        };
        let (_, snapshots) = self.find(Some(account))?;
        let is_last = snapshots.borrow().is_last;
        let info = self.account(Some(account))?;
        let note = note(account, owner).or_else(|| info.reason.clone().filter(|_| is_last));
        Ok(SignedIn { account: info, note })
    }

    /// Imports a grant from elsewhere, and verifies it if the server answers.
    pub async fn import(
        &self,
        account: Option<&str>,
        refresh_token: Secret,
        access_token: Option<Secret>,
        username: Option<String>,
        replace: bool,
    ) -> Result<Account, Error> {
        let (name, _) = self.find(account)?;
        self.change(&name, None, Ask::Import { refresh_token, access_token, username, replace }).await
    }

    /// Restores the grant that was replaced.
    pub async fn restore(&self, account: Option<&str>) -> Result<Account, Error> {
        let (name, _) = self.find(account)?;
        self.change(&name, None, Ask::Restore).await
    }

    /// The part of a server's text that may be shown: nothing if it contains a secret of the account.
    pub(crate) async fn shown(&self, account: &str, text: &str) -> Option<String> {
        let (account, text) = (account.to_owned(), text.to_owned());
        let shown = move |actor: &mut Actor| actor.slots.get(&account)?.account.shown(&text);
        self.run(shown).await.ok().flatten()
    }

    /// Returns everything that the account needs on another machine.
    pub async fn export(&self, account: &str) -> Result<Export, Error> {
        let account = account.to_owned();
        let exported = move |actor: &mut Actor| {
            let slot = actor.slots.get(&account).filter(|slot| slot.is_listed).ok_or_else(gone)?;
            slot.account.exported(actor.clock.now())
        };
        self.run(exported).await?
    }

    /// Saves the client secret of `issuer`.
    pub async fn keep_client_secret(
        &self,
        account: &str,
        issuer: Issuer,
        secret: Secret,
    ) -> Result<(), Error> {
        let began = Began { issuer, logouts: 0 };
        self.change(account, Some(&began), Ask::KeepClientSecret(secret)).await.map(drop)
    }

    /// Unlocks the store, and reads what was unreadable before.
    pub async fn unlock_store(&self) -> Result<(), Error> {
        self.send(|actor, reply| actor.unlock(reply)).await?
    }

    /// Applies another configuration.
    pub async fn configure(&self, config: Arc<Config>) -> Result<(), Error> {
        self.run(move |actor| actor.configure(&config)).await
    }

    /// Records that a login of `account` with this ID began, or that it ended.
    pub async fn login(&self, account: &str, login: Option<&str>) -> Result<(), Error> {
        let (account, login) = (account.to_owned(), login.map(ToOwned::to_owned));
        self.run(move |actor| actor.step(&account, Event::Login(login))).await
    }

    /// Whether an account waits for the network or the server, so that imgurd should watch the network.
    #[must_use]
    pub fn waits(&self) -> watch::Receiver<bool> {
        self.waits.clone()
    }

    /// An address or a route was added, so the network may be back.
    pub async fn online(&self) {
        let _ = self.run(|actor| actor.step_all(|| Event::Online)).await;
    }

    /// The machine is about to suspend. Starts no refresh, and returns when no answer is expected or being saved.
    pub async fn sleep(&self) {
        let asleep = self.send(|actor, reply| {
            actor.falling_asleep.push(reply);
            actor.step_all(|| Event::Sleep(true));
        });
        let _ = asleep.await;
    }

    /// The machine has resumed.
    pub async fn awake(&self) {
        let _ = self.run(|actor| actor.step_all(|| Event::Sleep(false))).await;
    }

    /// Starts nothing new, and returns when everything is finished.
    pub async fn drain(&self) -> Result<(), Error> {
        self.send(Actor::drain).await
    }

    /// The name of `account`, or of the default account.
    pub fn resolve(&self, account: Option<&str>) -> Result<String, Error> {
        self.find(account).map(|(name, _)| name)
    }

    fn find(&self, account: Option<&str>) -> Result<(String, watch::Receiver<Snapshot>), Error> {
        self.directory.borrow().find(account)
    }

    /// Changes the account. With `began`, fails if its settings have changed since.
    async fn change(&self, account: &str, began: Option<&Began>, ask: Ask) -> Result<Account, Error> {
        let (name, began) = (account.to_owned(), began.cloned());
        self.change_by(account, move |actor, reply| actor.ask(&name, ask, began, reply)).await
    }

    async fn change_by(
        &self,
        account: &str,
        work: impl FnOnce(&mut Actor, Answerer) + Send + 'static,
    ) -> Result<Account, Error> {
        let done = timeout(LONGEST_CHANGE, self.ask_by(account, work));
        done.await.unwrap_or_else(|_| Err(takes_long()))?;
        self.account(Some(account))
    }

    async fn ask(&self, account: String, began: Option<Began>, ask: Ask) -> Result<Progress, Error> {
        let name = account.clone();
        self.ask_by(&account, move |actor, reply| actor.ask(&name, ask, began, reply)).await
    }

    async fn ask_by(
        &self,
        account: &str,
        work: impl FnOnce(&mut Actor, Answerer) + Send + 'static,
    ) -> Result<Progress, Error> {
        // If a request fails because the account was removed, the error says so.
        self.send(work).await.unwrap_or_else(Err).map_err(|error| match error {
            error if error == gone() => self.find(Some(account)).err().unwrap_or(error),
            error => error,
        })
    }

    /// Has the actor do this, and returns the result.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Actor) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.send(|actor, reply| drop(reply.send(work(actor)))).await
    }

    /// Has the actor start this, and waits for the reply.
    async fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Actor, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Box::new(|actor| work(actor, reply))).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

fn note(account: &str, owner: TokenOwner) -> Option<String> {
    match owner {
        TokenOwner::Known(_) | TokenOwner::Unsupported => None,
        TokenOwner::Rejected => Some(format!(
            "The API rejects the new token, although the server has just issued it; check whether another program \
             uses the same client ID, then run `imgurctl refresh {account}`"
        )),
        TokenOwner::Unknown(reason) => {
            Some(format!("imgurd keeps the new token but could not test it: {reason}; try it later"))
        }
    }
}

fn takes_long() -> Error {
    Error::unavailable(
        "This takes longer than a minute and continues in the background; see `imgurctl status`",
    )
}

fn gone() -> Error {
    Error::unavailable("imgurd is stopping; try again in a moment")
}
