//! Tokens for callers: from the snapshot, or from the actor as soon as it has one.

use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{DEFAULT_MIN_VALID_S, Error, Secret, State, Token};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::account::{Ask, Snapshot, Verdict, Want};
use super::{Keeper, LONGEST_WAIT, gone};

/// What a request for another access token leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// There is another one already.
    Done,
    /// It causes a refresh.
    Refresh,
    /// It causes nothing: a refresh is running, or the account has no grant.
    None,
}

impl Keeper {
    /// The access token of `account`, valid for at least `min_valid`. Waits up to `patience` for it.
    pub async fn token(
        &self,
        account: Option<&str>,
        min_valid: Option<Duration>,
        patience: Duration,
    ) -> Result<Arc<Token>, Error> {
        let least = min_valid.unwrap_or(Duration::from_secs(DEFAULT_MIN_VALID_S.unsigned_abs()));
        self.want(account, Want::Valid(least), min_valid.is_some(), patience).await
    }

    /// A new access token, even if the current one is valid.
    pub async fn refresh(&self, account: Option<&str>, patience: Duration) -> Result<Arc<Token>, Error> {
        self.want(account, Want::New, true, patience).await
    }

    /// What a caller's request for another access token than `known` leads to.
    #[must_use]
    pub fn renewal(&self, account: &str, known: &Secret) -> Renewal {
        let Ok((_, snapshots)) = self.find(Some(account)) else { return Renewal::None };
        let snapshot = snapshots.borrow();
        let want = Want::AnotherThan(snapshot.recognised(known.clone()));
        match snapshot.verdict(&want, true, None, self.clock.now()) {
            Verdict::Token(_) => Renewal::Done,
            Verdict::Wait if snapshot.info.state != State::Refreshing => Renewal::Refresh,
            Verdict::Wait | Verdict::Fails(_) => Renewal::None,
        }
    }

    /// Returns another access token than `rejected`. If that is not the current one, it returns the current one.
    pub async fn reject(
        &self,
        account: Option<&str>,
        rejected: Secret,
        patience: Duration,
    ) -> Result<Arc<Token>, Error> {
        if rejected.is_empty() {
            return Err(Error::invalid(
                "access_token",
                "The rejected token is empty; pass the token that the server rejected",
            ));
        }
        let rejected = self.find(account)?.1.borrow().recognised(rejected);
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
        let now = self.clock.now();
        self.calls.note(now, want.validity());
        let verdict = snapshots.borrow_and_update().verdict(&want, strict, None, now);
        match verdict {
            // The keeper must learn of each rejected token: an older grant may be restored with it.
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

    /// Waits for the next change of `account`, or its removal.
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
}
