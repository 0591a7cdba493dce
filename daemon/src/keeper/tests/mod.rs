//! The actor and its callers, on a clock that only the tests advance.

mod herd;
mod quiet;
mod simulation;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use imgurd_proto::{Error, Secret, Settings, State};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::{Began, Keeper, spawn};
use crate::clock::Clock;
use crate::config::{AccountConfig, Config, RefreshPolicy};
use crate::grant::{Access, Grant, Record, Timestamp};
use crate::provider::{Answer, Client, Inquiry, Provider, Reply, TokenOwner, TokenRequest, TokenResponse};
use crate::store::{Changes, IfMissing, MemoryStore, StoreError, TokenStore};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_secs(20);

/// The wall clock, driven by the runtime's paused one.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        START + self.0.elapsed()
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep_until(&self, deadline: Option<Timestamp>) -> BoxFuture<'_, ()> {
        let pause = deadline.map(|deadline| deadline.since(self.now()));
        Box::pin(async move {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        })
    }
}

/// A server that answers each request with a new token, as soon as the test lets it.
#[derive(Default)]
struct Server {
    requests: Mutex<Vec<String>>,
    arrived: Notify,
    answers: Option<Arc<Semaphore>>,
}

impl Server {
    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

impl Provider for Arc<Server> {
    fn token(&self, _client: Client, request: TokenRequest) -> BoxFuture<'static, Reply> {
        let server = self.clone();
        Box::pin(async move {
            let TokenRequest::Refresh(token) = request else { panic!("only refreshes are expected") };
            server.requests.lock().unwrap().push(token.expose().to_owned());
            server.arrived.notify_waiters();
            if let Some(answers) = &server.answers {
                answers.acquire().await.unwrap().forget();
            }
            let granted = Answer::Granted(TokenResponse {
                access_token: Some(Secret::from(format!("new {}", server.requests()))),
                token_type: "Bearer".to_owned(),
                refresh_token: None,
                expires_in: Some(3600),
                username: None,
                account_id: None,
                scope: None,
                refresh_expires_in: None,
                has_odd_refresh_token: false,
                id_token: None,
            });
            granted.into()
        })
    }

    fn identify(&self, _inquiry: Inquiry) -> BoxFuture<'static, TokenOwner> {
        Box::pin(std::future::ready(TokenOwner::Known("alice".into())))
    }
}

/// A store that never answers for one account, and whose unlock dialog nobody answers.
#[derive(Clone, Default)]
struct StuckStore {
    inner: MemoryStore,
    stuck: &'static str,
}

fn config(names: &[&str]) -> Config {
    let settings = || Settings { client_id: Some("client".to_owned()), ..Settings::default() };
    let account = || Arc::new(AccountConfig::new(settings(), RefreshPolicy::default()).unwrap());
    Config {
        default_account: names.first().map(|name| (*name).to_owned()),
        accounts: names.iter().map(|name| ((*name).to_owned(), account())).collect(),
        ..Config::default()
    }
}

/// A grant whose token was issued `age` ago, for an hour.
fn record(age: Duration) -> Record {
    let issued_at = Timestamp::from_millis(START.as_millis() - i64::try_from(age.as_millis()).unwrap());
    let access = Access {
        token: Secret::from("old"),
        token_type: "Bearer".to_owned(),
        issued_at,
        lifetime: Some(Duration::from_hours(1)),
        dead: false,
        witnessed: false,
    };
    let issuer = config(&["any"]).accounts["any"].issuer();
    let grant = Grant {
        generation: 1,
        issuer,
        refresh_token: Some(Secret::from("RT")),
        access: Some(access),
        username: Some("alice".to_owned()),
        account_id: None,
        scope: None,
        granted_at: issued_at,
        kept: 0,
        lacks_new_refresh_token: false,
        refresh_expires_at: None,
        unverified: false,
    };
    Record { grant: Some(grant), next_generation: 1, ..Record::default() }
}

const EXPIRED: Duration = Duration::from_hours(2);
const NEW: Duration = Duration::ZERO;

/// A keeper with accounts whose tokens have these ages, and its server.
async fn keeper(
    accounts: &[(&'static str, Duration)],
    stuck: &'static str,
    gate: Option<Arc<Semaphore>>,
) -> (Keeper, Arc<Server>) {
    let store = StuckStore { inner: MemoryStore::default(), stuck };
    for (name, age) in accounts {
        store.inner.save((*name).to_owned(), record(*age), IfMissing::Create).await.unwrap();
    }
    let server = Arc::new(Server { answers: gate, ..Server::default() });
    let names: Vec<_> = accounts.iter().map(|(name, _)| *name).collect();
    let clock = Arc::new(PausedClock(Instant::now()));
    let keeper = spawn(&config(&names), Arc::new(server.clone()), Arc::new(store), clock);
    (keeper, server)
}

/// The tokens of a login.
fn login() -> TokenResponse {
    TokenResponse {
        access_token: Some(Secret::from("LOGIN")),
        token_type: "Bearer".to_owned(),
        refresh_token: Some(Secret::from("LRT")),
        expires_in: Some(3600),
        username: None,
        account_id: None,
        scope: None,
        refresh_expires_in: None,
        has_odd_refresh_token: false,
        id_token: None,
    }
}

fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

/// Returns when a request has reached the server.
async fn arrival(server: &Server) {
    loop {
        let arrived = server.arrived.notified();
        if server.requests() > 0 {
            return;
        }
        arrived.await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_hundred_callers_of_an_expired_token_cause_one_request() {
    let (keeper, server) = keeper(&[("a", EXPIRED)], "", None).await;
    let callers = (0..300).map(|_| keeper.token(None, None, WAIT));
    let tokens: HashMap<_, usize> =
        join_all(callers).await.into_iter().fold(HashMap::new(), |mut counts, token| {
            *counts.entry(token.unwrap().access_token.expose().to_owned()).or_default() += 1;
            counts
        });
    assert_eq!(tokens, HashMap::from([("new 1".to_owned(), 300)]));
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_that_reject_a_token_cause_one_refresh() {
    let (keeper, server) = keeper(&[("a", NEW)], "", None).await;
    keeper.token(None, None, WAIT).await.unwrap();
    let callers = (0..50).map(|_| keeper.reject(None, Secret::from("old"), WAIT));
    for token in join_all(callers).await {
        assert_eq!(token.unwrap().access_token, Secret::from("new 1"));
    }
    assert_eq!(server.requests(), 1);
    let again = keeper.reject(None, Secret::from("old"), WAIT).await.unwrap();
    assert_eq!(again.access_token, Secret::from("new 1"));
    assert_eq!(server.requests(), 1, "a second rejection of the old token causes no refresh");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_does_not_delay_callers_of_a_valid_token() {
    let answers = gate();
    let (keeper, server) = keeper(&[("slow", EXPIRED), ("quick", NEW)], "", Some(answers.clone())).await;
    let waiting = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.token(Some("slow"), None, WAIT).await }
    });
    arrival(&server).await;
    let before = Instant::now();
    assert_eq!(keeper.token(Some("quick"), None, WAIT).await.unwrap().access_token, Secret::from("old"));
    assert_eq!(before.elapsed(), Duration::ZERO);
    answers.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap().access_token, Secret::from("new 1"));
}

#[tokio::test(start_paused = true)]
async fn serves_a_valid_token_immediately_during_its_refresh() {
    let answers = gate();
    let (keeper, server) = keeper(&[("a", Duration::from_mins(55))], "", Some(answers)).await;
    arrival(&server).await;
    let before = Instant::now();
    assert_eq!(keeper.token(None, None, WAIT).await.unwrap().access_token, Secret::from("old"));
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_exactly_as_long_as_requested() {
    let (keeper, server) = keeper(&[("a", EXPIRED)], "", Some(gate())).await;
    arrival(&server).await;
    for wait in [Duration::ZERO, SECOND, 20 * SECOND] {
        let before = Instant::now();
        let error = keeper.token(None, None, wait).await.unwrap_err();
        assert!(matches!(error, Error::TemporarilyUnavailable { .. }), "{error}");
        assert_eq!(before.elapsed().as_secs(), wait.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn serves_an_expiring_token_unless_min_valid_is_given() {
    let (keeper, server) = keeper(&[("a", Duration::from_mins(59) + 30 * SECOND)], "", Some(gate())).await;
    arrival(&server).await;
    assert_eq!(keeper.token(None, None, SECOND).await.unwrap().access_token, Secret::from("old"));
    assert!(keeper.token(None, Some(Duration::from_mins(1)), SECOND).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_cancels_no_refresh() {
    let answers = gate();
    let (keeper, server) = keeper(&[("a", EXPIRED)], "", Some(answers.clone())).await;
    keeper.token(None, None, SECOND).await.unwrap_err();
    answers.add_permits(1);
    assert_eq!(keeper.token(None, None, WAIT).await.unwrap().access_token, Secret::from("new 1"));
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_grant_a_call_fails_unless_a_login_is_pending() {
    let (keeper, _server) = keeper(&[], "", None).await;
    keeper.configure(Arc::new(config(&["a"]))).await.unwrap();
    let before = Instant::now();
    assert!(matches!(keeper.token(None, None, WAIT).await, Err(Error::ConsentNeeded { .. })));
    assert_eq!(before.elapsed(), Duration::ZERO);

    keeper.login("a", Some("login")).await.unwrap();
    let waiting = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.token(None, None, WAIT).await }
    });
    tokio::task::yield_now().await;
    let tokens = TokenResponse {
        access_token: Some(Secret::from("AT")),
        token_type: "Bearer".to_owned(),
        refresh_token: Some(Secret::from("RT")),
        expires_in: Some(3600),
        username: None,
        account_id: None,
        scope: None,
        refresh_expires_in: None,
        has_odd_refresh_token: false,
        id_token: None,
    };
    keeper.accept("a", &began(&keeper, "a").unwrap(), tokens, false).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().access_token, Secret::from("AT"));
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_an_answer() {
    let answers = gate();
    let (keeper, server) = keeper(&[("a", EXPIRED)], "", Some(answers.clone())).await;
    arrival(&server).await;
    let draining = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.drain().await }
    });
    tokio::time::sleep(5 * SECOND).await;
    assert!(!draining.is_finished());
    answers.add_permits(1);
    draining.await.unwrap().unwrap();
    assert_eq!(keeper.account(None).unwrap().state, State::Fresh);
    assert!(keeper.refresh(None, WAIT).await.is_err(), "no refresh starts after the stop");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_gets_the_current_state_and_later_changes() {
    let answers = gate();
    let (keeper, server) = keeper(&[("a", EXPIRED)], "", Some(answers.clone())).await;
    arrival(&server).await;
    let mut watcher = keeper.watch(Some("a")).unwrap();
    assert_eq!(watcher.next().await.unwrap().state, State::Refreshing);
    answers.add_permits(1);
    while watcher.next().await.unwrap().state != State::Fresh {}
}

#[tokio::test(start_paused = true)]
async fn a_removed_account_returns_with_its_grant() {
    let (keeper, _server) = keeper(&[("a", NEW), ("b", NEW)], "", None).await;
    keeper.configure(Arc::new(config(&["b"]))).await.unwrap();
    assert!(matches!(keeper.token(Some("a"), None, WAIT).await, Err(Error::NoSuchAccount { .. })));
    keeper.configure(Arc::new(config(&["b", "a"]))).await.unwrap();
    assert_eq!(keeper.token(Some("a"), None, WAIT).await.unwrap().access_token, Secret::from("old"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_keeper_does_not_wake() {
    let (keeper, server) = keeper(&[("a", NEW)], "", None).await;
    keeper.token(None, None, WAIT).await.unwrap();
    tokio::time::sleep(Duration::from_mins(45)).await;
    assert_eq!(server.requests(), 0);
    tokio::time::sleep(Duration::from_mins(6)).await;
    assert_eq!(server.requests(), 1, "the token is refreshed when due, without a call");
}

/// The settings for a sign-in that begins now.
fn began(keeper: &Keeper, account: &str) -> Result<Began, Error> {
    let settings = keeper.account(Some(account))?.settings;
    let issuer = AccountConfig::new(settings, RefreshPolicy::default()).unwrap().issuer();
    let logouts = keeper.find(Some(account))?.1.borrow().logouts;
    Ok(Began { issuer, logouts })
}
