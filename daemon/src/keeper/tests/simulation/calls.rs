//! Callers: what they request, how long they wait, and what they may get.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Error, Secret, Token};

use super::clock::{Parity, pass};
use super::knowledge::Wish;
use super::records::has_access;
use super::world::{Shared, World, go_on, secret_for};
use crate::keeper::Keeper;
use crate::keeper::tests::began;
use crate::provider::{TokenRequest, TokenResponse};

/// How late timers may be.
const LATE: Duration = Duration::from_millis(2);
/// The longest time for a change: a minute, and ten seconds for the API's answer.
const LONGEST_CHANGE: Duration = Duration::from_secs(70);
/// The longest time until a new token is published: two seconds for an earlier write, and two for its own.
const PUBLISHED_AFTER: Duration = Duration::from_millis(4_100);

/// What a caller requests.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Get { min_valid: Option<Duration> },
    Refresh,
    Reject(String),
}

/// What the user requests.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Accept(TokenResponse, bool),
    Exchange(TokenRequest, bool),
    Import { token: String, access: Option<String>, replace: bool },
    Restore,
    Logout,
    Secret,
}

struct Call {
    account: &'static str,
    kind: Option<Kind>,
    patience: Duration,
    began: Duration,
    /// The fresh token that it must get immediately, if there is one.
    at_once: Option<String>,
}

/// Calls without an answer.
#[derive(Default)]
pub(super) struct Calls {
    open: BTreeMap<u64, Call>,
    last: u64,
}

impl Calls {
    /// The daemon is dead, and its callers get no answer.
    pub(super) fn cut_off(&mut self, awake: Duration) -> Result<(), String> {
        let open = std::mem::take(&mut self.open);
        let late = open.values().find(|call| awake > call.began + call.patience + LATE);
        late.map_or(Ok(()), |call| {
            Err(format!("{}: {:?} still waits after {:?}", call.account, call.kind, call.patience))
        })
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.open.remove(&number);
    }
}

impl World {
    fn calls(&mut self, account: &'static str, kind: Option<Kind>, patience: Duration) -> u64 {
        self.tally.calls += 1;
        self.calls.last += 1;
        let at_once = match kind {
            Some(Kind::Get { min_valid }) => {
                self.fresh_token(account, min_valid.unwrap_or(Duration::from_mins(1)))
            }
            _ => None,
        };
        let began = self.time.awake();
        self.calls.open.insert(self.calls.last, Call { account, kind, patience, began, at_once });
        self.calls.last
    }

    /// The token that a caller who needs `least` must get immediately.
    fn fresh_token(&self, account: &str, least: Duration) -> Option<String> {
        let (knows, setting) = (&self.knowledge[account], self.settings[account]);
        let access = knows.seen.access.as_ref()?;
        let token = access.token.expose();
        let is_in_use = setting.listed && knows.seen.client.as_deref() == Some(&self.client(account));
        let is_published = self.time.awake() > knows.seen.access_since + PUBLISHED_AFTER;
        let is_known = knows.is_read && !knows.asked_about.contains(token) && !access.dead;
        let wall = self.time.wall();
        let is_from_the_future = access.issued_at > wall + Duration::from_mins(1);
        let lasts = access.lifetime.is_none_or(|lifetime| {
            (access.issued_at + lifetime).since(wall) >= least.min(lifetime / 2).max(Duration::from_millis(1))
                && !is_from_the_future
        });
        (is_in_use && is_published && is_known && lasts).then(|| token.to_owned())
    }

    fn answered(&mut self, number: u64, result: &Result<Arc<Token>, Error>, unsaved: bool) {
        let Some(call) = self.calls.open.remove(&number) else { return };
        self.remark("answered", || match result {
            Ok(token) => format!("{number}: {}", token.access_token.expose()),
            Err(error) => format!("{number}: {error}"),
        });
        let verdict = self.examine_answer(&call, result, unsaved);
        self.judge(verdict.map_err(|text| format!("{}: {:?}: {text}", call.account, call.kind)));
    }

    fn examine_answer(
        &self,
        call: &Call,
        result: &Result<Arc<Token>, Error>,
        unsaved: bool,
    ) -> Result<(), String> {
        let waited = self.time.awake().saturating_sub(call.began);
        if waited > call.patience + LATE {
            return Err(format!("waited {waited:?} instead of {:?}", call.patience));
        }
        if let Some(at_hand) = &call.at_once
            && (waited > Duration::ZERO || result.is_err())
        {
            return Err(format!("{at_hand} was at hand, and after {waited:?} came {result:?}"));
        }
        let Ok(token) = result else { return Ok(()) };
        let (token, knows) = (token.access_token.expose(), &self.knowledge[call.account]);
        if knows.rejected.contains(token) {
            return Err(format!("{token} was handed out, which the keeper knows was rejected"));
        }
        if matches!(&call.kind, Some(Kind::Reject(rejected)) if rejected == token) {
            return Err(format!("{token} came back to who rejected it"));
        }
        if knows.outdated_since(token).is_some_and(|since| since < self.time.awake()) {
            return Err(format!("{token} was handed out, though its successor had come"));
        }
        if !unsaved && !has_access(&self.durable(call.account), token) {
            return Err(format!("{token} was handed out, and is neither stored nor `unsaved`"));
        }
        Ok(())
    }

    /// Callers that still wait after a rejection have told the keeper about the token.
    pub(super) fn note_rejected(&mut self) {
        let told = self.calls.open.values().filter_map(|call| match &call.kind {
            Some(Kind::Reject(token)) => Some((call.account, token.clone())),
            _ => None,
        });
        for (account, token) in told.collect::<Vec<_>>() {
            self.knows(account).rejected.insert(token);
        }
    }
}

/// Starts a call in its own task. Returns its number.
pub(super) fn call(
    world: &Shared,
    keeper: &Keeper,
    account: &'static str,
    kind: Kind,
    patience: Duration,
) -> (u64, tokio::task::JoinHandle<()>) {
    let number = {
        let mut world = world.lock().unwrap();
        if let Kind::Reject(token) = &kind {
            world.knows(account).asked_about.insert(token.clone());
        }
        let number = world.calls(account, Some(kind.clone()), patience);
        world.event("calls", number, || format!("{number}: {account} {kind:?} for {patience:?}"));
        number
    };
    let (world, keeper) = (world.clone(), keeper.clone());
    let task = tokio::spawn(async move {
        let result = match kind {
            Kind::Get { min_valid } => keeper.token(Some(account), min_valid, patience).await,
            Kind::Refresh => keeper.refresh(Some(account), patience).await,
            Kind::Reject(token) => keeper.reject(Some(account), Secret::from(token), patience).await,
        };
        // A caller of an account that was removed meanwhile gets the token that it had.
        let unsaved = keeper.account(Some(account)).is_ok_and(|it| it.unsaved)
            || keeper.account(Some(account)).is_err();
        go_on(&world).await;
        world.lock().unwrap().answered(number, &result, unsaved);
    });
    (number, task)
}

/// Starts a change that the user requests, in its own task.
pub(super) fn change(world: &Shared, keeper: &Keeper, account: &'static str, change: Change) {
    let wish = wish(&change);
    let number = {
        let mut world = world.lock().unwrap();
        let number = world.calls(account, None, LONGEST_CHANGE);
        world.event("wishes", number, || format!("{number}: {account} {wish:?}"));
        if let Wish::Import(token) = &wish {
            world.knows(account).imported.insert(token.clone());
        }
        world.knows(account).begins(number, &wish);
        number
    };
    let (world, keeper) = (world.clone(), keeper.clone());
    tokio::spawn(async move {
        let result = carry_out(&keeper, account, change).await;
        go_on(&world).await;
        let mut world = world.lock().unwrap();
        world.event("done", number, || format!("{number}: {result:?}"));
        let Some(call) = world.calls.open.remove(&number) else { return };
        if world.time.awake() > call.began + call.patience + LATE {
            world.judge(Err(format!("{account}: {wish:?} took too long")));
        }
        if matches!(&result, Err(Error::TemporarilyUnavailable { reason, .. }) if reason.contains("in the background"))
        {
            return;
        }
        let taken = matches!(&result, Ok(()) | Err(Error::LoginFailed { set_aside: Some(_), .. }));
        let durable = world.durable(account);
        let verdict = world.knows(account).ends(number, &wish, taken, &durable);
        world.judge(verdict.map_err(|text| format!("{account}: {text}")));
    });
}

fn wish(change: &Change) -> Wish {
    match change {
        Change::Accept(tokens, _) => Wish::Accept(
            tokens.refresh_token.as_ref().map_or_else(String::new, |token| token.expose().to_owned()),
        ),
        Change::Exchange(..) => Wish::Exchange,
        Change::Import { token, .. } => Wish::Import(token.clone()),
        Change::Restore => Wish::Restore,
        Change::Logout => Wish::Logout,
        Change::Secret => Wish::Other,
    }
}

async fn carry_out(keeper: &Keeper, account: &'static str, change: Change) -> Result<(), Error> {
    let began = began(keeper, account)?;
    match change {
        Change::Accept(tokens, replace) => keeper.accept(account, &began, tokens, replace).await.map(drop),
        Change::Exchange(request, replace) => {
            keeper.exchange(account, &began, request, replace).await.map(drop)
        }
        Change::Import { token, access, replace } => {
            let access = access.map(Secret::from);
            keeper.import(Some(account), Secret::from(token), access, None, replace).await.map(drop)
        }
        Change::Restore => keeper.restore(Some(account)).await.map(drop),
        Change::Logout => keeper.logout(Some(account)).await.map(drop),
        Change::Secret => {
            let secret = secret_for(began.issuer.token_url.as_deref().unwrap_or_default());
            keeper.keep_client_secret(account, began.issuer, secret).await
        }
    }
}

/// Waits for `pause`, and up to a millisecond more, at a time when nothing outside answers.
pub(super) async fn wait(world: &Shared, pause: Duration) {
    pass(world, pause, Parity::Odd).await;
}
