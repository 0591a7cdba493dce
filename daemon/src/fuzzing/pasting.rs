//! Records what imgurd sends to a server for a text that a user pastes or imports.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::ready;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use imgurd_proto::{ImportGrant, Settings};

use super::{
    Api, Arc, Builder, Config, Duration, Error, Flow, Logins, MemoryStore, Reply, Runtime, Secret,
    SystemClock, TokenOwner, Url, api, keeper,
};
use crate::config::{AccountConfig, RefreshPolicy};
use crate::consent::{self, LoginOptions};
use crate::keeper::Keeper;
use crate::mutex::lock;
use crate::provider::{Answer, Client, Inquiry, Provider, TokenRequest};

/// The placeholder for the state of the login.
const STATE: &str = "STATE";

const ACCOUNT: &str = "fuzz";

/// What happened with a text.
#[derive(Debug)]
pub struct Pasted {
    /// The error for the user, unless the text was accepted.
    pub outcome: Result<(), Error>,
    /// The codes, PINs and tokens that were sent to a server.
    pub sent: Vec<Secret>,
}

/// A server that refuses everything, and what was sent to it. imgurd would ask an unreachable server again after a
/// pause.
#[derive(Default)]
struct Recorder(Mutex<Vec<Secret>>);

impl Recorder {
    fn note(&self, secret: Secret) {
        lock(&self.0).push(secret);
    }

    /// What was sent since the last call.
    fn take(&self) -> Vec<Secret> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl Provider for Recorder {
    fn token(&self, _client: Client, request: TokenRequest) -> BoxFuture<'static, Reply> {
        self.note(match request {
            TokenRequest::Code { code, .. } => code,
            TokenRequest::Pin(secret) | TokenRequest::Device(secret) | TokenRequest::Refresh(secret) => {
                secret
            }
        });
        let answer = Answer::Refused { reason: "it accepts nothing".to_owned() };
        Box::pin(ready(answer.into()))
    }

    fn identify(&self, inquiry: Inquiry) -> BoxFuture<'static, TokenOwner> {
        self.note(inquiry.access_token);
        Box::pin(ready(TokenOwner::Unsupported))
    }
}

/// A daemon with one account. A refused text does not change it, so it can be used for the next one.
struct Daemon<T> {
    recorder: Arc<Recorder>,
    /// The part of the daemon that accepts the texts.
    door: T,
    // Dropping it ends all other tasks.
    runtime: Runtime,
}

type Login = (Logins, consent::Login);

thread_local! {
    static PASTING: RefCell<HashMap<&'static str, Daemon<Login>>> = RefCell::default();
    static IMPORTING: RefCell<Option<Daemon<Api>>> = RefCell::default();
}

impl<T> Daemon<T> {
    fn start(door: impl AsyncFnOnce(Arc<Config>, Keeper) -> T) -> Self {
        let recorder = Arc::new(Recorder::default());
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let door = runtime.block_on(async {
            let config = Arc::new(config());
            let clock = Arc::new(SystemClock::new().expect("a timer"));
            let store = Arc::<MemoryStore>::default();
            let keeper = keeper::spawn(&config, Arc::<Recorder>::clone(&recorder), store, clock);
            door(config, keeper).await
        });
        Self { recorder, door, runtime }
    }

    /// Passes a text to the daemon. Also returns the daemon if the text was refused.
    fn take(self, hand_in: impl AsyncFnOnce(&T) -> Result<(), Error>) -> (Pasted, Option<Self>) {
        let outcome = self.runtime.block_on(hand_in(&self.door));
        let is_as_before = matches!(outcome, Err(Error::InvalidArgument { .. }));
        (Pasted { outcome, sent: self.recorder.take() }, is_as_before.then_some(self))
    }
}

async fn login(config: Arc<Config>, keeper: Keeper, flow: Flow) -> Login {
    let logins = Logins::new(keeper);
    let timeout = Duration::from_hours(24);
    let options =
        LoginOptions { flow: Some(flow), timeout, replace: false, paste: true, client_secret: None };
    let login = logins.begin(ACCOUNT, &config.accounts[ACCOUNT], options).await;
    (logins, login.expect("a login"))
}

/// Pastes a text as the answer to a login. `STATE` in it stands for the login's state.
#[must_use]
pub fn paste(text: &Secret, flow: Flow) -> Pasted {
    let kept = PASTING.with_borrow_mut(|daemons| daemons.remove(flow.as_str()));
    let daemon =
        kept.unwrap_or_else(|| Daemon::start(async |config, keeper| login(config, keeper, flow).await));
    let (pasted, daemon) = daemon.take(async |(logins, login)| {
        let response = text.expose().replace(STATE, &state_of(&login.open.url));
        logins.complete(&login.open.id, response.into()).await.map(drop)
    });
    PASTING.with_borrow_mut(|daemons| daemons.extend(daemon.map(|daemon| (flow.as_str(), daemon))));
    pasted
}

/// Imports a text.
#[must_use]
pub fn import(text: &Secret) -> Pasted {
    let daemon =
        IMPORTING.take().unwrap_or_else(|| Daemon::start(async |config, keeper| api(config, keeper)));
    let (pasted, daemon) = daemon.take(async |api| {
        let call = ImportGrant { account: None, text: text.clone(), replace: None };
        api.import_grant(call).await.map(drop)
    });
    IMPORTING.set(daemon);
    pasted
}

/// One account, with a callback where no program listens.
fn config() -> Config {
    let url = |path: &str| Some(format!("https://as.example{path}"));
    let settings = Settings {
        client_id: Some("0123456789abcde".to_owned()),
        auth_url: url("/authorize"),
        token_url: url("/token"),
        api_url: url("/api/"),
        redirect_uri: url("/callback"),
        ..Settings::default()
    };
    let account = AccountConfig::new(settings, RefreshPolicy::default()).expect("the settings are right");
    Config {
        default_account: Some(ACCOUNT.to_owned()),
        accounts: [(ACCOUNT.to_owned(), Arc::new(account))].into(),
        ..Config::default()
    }
}

fn state_of(page: &Url) -> String {
    let state = page.query_pairs().find(|(name, _)| name == "state");
    state.map(|(_, state)| state.into_owned()).unwrap_or_default()
}
