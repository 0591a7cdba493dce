//! A fake Imgur: the OAuth endpoints, and enough of the API to try a token.
//!
//! It behaves as users and recorded answers say that Imgur behaves, including its quirks. On request, it does everything
//! that a server can do wrong.
//!
//! ```
//! use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Fault};
//!
//! let fake = Fake::start(Behaviour::default());
//! let (refresh_token, access_token) = fake.issue_grant("alice");
//! fake.fail_next(Endpoint::Token, Fault::OverCapacity(500));
//! assert!(fake.is_live(&access_token));
//! assert!(fake.secrets().contains(&refresh_token));
//! ```

mod api;
mod authorize;
mod behaviour;
mod body;
mod clock;
mod connection;
mod fault;
mod gate;
mod issued_tokens;
mod record;
mod refusal;
mod server;
mod standards;
mod token;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub use behaviour::{AccountId, Behaviour, ErrorStyle, ExpiresIn, Rotation, Scope};
pub use fault::{Fault, HUGE, RateLimit};
pub use gate::Gate;
pub use issued_tokens::Standing;
pub use record::{PATIENCE, Recorded, Stage};

use clock::Clock;
use fault::Faults;
use gate::{Gates, Place};
use issued_tokens::{Consent, Issued, IssuedTokens};
use record::Log;
use server::Server;
use standards::Device;

use crate::http;

/// A place that requests arrive at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /oauth2/authorize`: the page.
    Authorize,
    /// `POST /oauth2/authorize`: the user's decision.
    Decision,
    /// `POST /oauth2/token`.
    Token,
    /// `GET /3/account/me`.
    Account,
    /// `GET /3/account/me/images`.
    Images,
    /// `GET /3/credits`.
    Credits,
    /// `GET /3/gallery/hot`.
    Gallery,
    /// `POST /3/image`.
    Upload,
    /// `GET /.well-known/openid-configuration` and `GET /.well-known/oauth-authorization-server`.
    Metadata,
    /// `POST /oauth2/device`.
    Device,
    /// `POST /oauth2/revoke`.
    Revoke,
    /// `GET /oauth2/userinfo`.
    Userinfo,
}

impl Endpoint {
    fn of(method: &Method, path: &str) -> Option<Self> {
        Some(match (method, path) {
            (&Method::GET, "/oauth2/authorize") => Self::Authorize,
            (&Method::POST, "/oauth2/authorize") => Self::Decision,
            (&Method::POST, "/oauth2/token") => Self::Token,
            (&Method::GET, "/3/account/me") => Self::Account,
            (&Method::GET, "/3/account/me/images") => Self::Images,
            (&Method::GET, "/3/credits") => Self::Credits,
            (&Method::GET, "/3/gallery/hot") => Self::Gallery,
            (&Method::POST, "/3/image") => Self::Upload,
            (
                &Method::GET,
                "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server",
            ) => Self::Metadata,
            (&Method::POST, "/oauth2/device") => Self::Device,
            (&Method::POST, "/oauth2/revoke") => Self::Revoke,
            (&Method::GET, "/oauth2/userinfo") => Self::Userinfo,
            _ => return None,
        })
    }
}

/// What the server's thread and the test's handle have in common.
#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    issued_tokens: Mutex<IssuedTokens>,
    devices: Mutex<Vec<Device>>,
    origin: String,
    clock: Clock,
    faults: Faults,
    gates: Gates,
    log: Log,
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }

    fn code(&self, consent: Consent, is_pin: bool) -> String {
        let now = self.clock.now();
        self.issued_tokens.lock().unwrap().code(consent, is_pin, now)
    }

    fn grant(&self, user: &str) -> Issued {
        let (behaviour, now) = (self.behaviour(), self.clock.now());
        self.issued_tokens.lock().unwrap().grant(&behaviour, user, now)
    }

    fn user_of(&self, access_token: &str) -> Option<String> {
        let now = self.clock.now();
        let issued_tokens = self.issued_tokens.lock().unwrap();
        issued_tokens.user_of(access_token, now).map(ToOwned::to_owned)
    }
}

/// A running fake Imgur. Dropping it ends it.
#[derive(Debug)]
pub struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: Option<Server>,
}

impl Fake {
    /// Starts one at a free port of 127.0.0.1.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour).expect("a free loopback port")
    }

    /// Starts one at this address; fails where something else listens there.
    pub fn start_at(address: SocketAddr, behaviour: Behaviour) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            issued_tokens: Mutex::new(IssuedTokens::new(format!("{address} {:?}", SystemTime::now()))),
            behaviour: Mutex::new(behaviour),
            devices: Mutex::default(),
            origin: format!("http://{address}"),
            clock: Clock::default(),
            faults: Faults::default(),
            gates: Gates::default(),
            log: Log::default(),
        });
        Ok(Self { server: Some(Server::start(listener, Arc::clone(&shared))?), shared, address })
    }

    /// Stops listening, and drops the connections there are. What was issued stays valid.
    pub fn go_down(&mut self) {
        self.server = None;
    }

    /// Listens again, at the same address.
    pub fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).expect("nobody else took the address");
        let server = Server::start(listener, Arc::clone(&self.shared));
        self.server = Some(server.expect("the server starts again"));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The authorization endpoint.
    pub fn auth_url(&self) -> String {
        format!("{}/oauth2/authorize", self.origin())
    }

    /// The token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}/oauth2/token", self.origin())
    }

    /// Where the API begins.
    pub fn api_url(&self) -> String {
        format!("{}/3/", self.origin())
    }

    /// The settings as they are now.
    pub fn behaviour(&self) -> Behaviour {
        self.shared.behaviour()
    }

    /// Changes the settings. Tokens that are out keep the lifetime they were issued with.
    pub fn configure(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().unwrap());
    }

    /// Lets time pass, for lifetimes and grace periods.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Spoils the next request that has no fault waiting for it yet.
    #[expect(clippy::needless_pass_by_value, reason = "reads as `Fault::…` where it is used")]
    pub fn fail_next(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults.push(endpoint, 1, &fault);
    }

    /// Spoils the next `times` requests.
    #[expect(clippy::needless_pass_by_value, reason = "reads as `Fault::…` where it is used")]
    pub fn fail_times(&self, endpoint: Endpoint, times: usize, fault: Fault) {
        self.shared.faults.push(endpoint, times, &fault);
    }

    /// Spoils all requests, after those that have a fault of their own, until [`Self::clear`].
    pub fn fail_always(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults.always(endpoint, fault);
    }

    /// Forgets the faults of this endpoint.
    pub fn clear(&self, endpoint: Endpoint) {
        self.shared.faults.clear(endpoint);
    }

    /// Holds requests before anything is done with them.
    pub fn hold(&self, endpoint: Endpoint) -> Gate {
        self.shared.gates.close(endpoint, Place::Request)
    }

    /// Holds answers after everything is done: a token is rotated, and the client does not know it yet.
    pub fn hold_answer(&self, endpoint: Endpoint) -> Gate {
        self.shared.gates.close(endpoint, Place::Answer)
    }

    /// The requests that arrived at this endpoint, in their order.
    pub fn requests(&self, endpoint: Endpoint) -> Vec<Recorded> {
        self.shared.log.of(endpoint)
    }

    /// Blocks until `count` requests have arrived since the start, answered or not, and returns them all.
    pub fn wait_for_requests(&self, endpoint: Endpoint, count: usize) -> Vec<Recorded> {
        let wanted = format!("{count} requests");
        self.shared.log.wait(endpoint, &wanted, |requests| requests.len() >= count)
    }

    /// Blocks until `count` requests are over with: answered, or dropped as a fault said.
    pub fn wait_for_answers(&self, endpoint: Endpoint, count: usize) -> Vec<Recorded> {
        let wanted = format!("{count} answers");
        self.shared.log.wait(endpoint, &wanted, |requests| {
            requests.iter().filter(|request| request.finished).count() >= count
        })
    }

    /// The requests that have arrived at this endpoint since `begin`, in their order.
    pub fn requests_since(&self, endpoint: Endpoint, begin: Instant) -> Vec<Recorded> {
        self.shared.log.since(endpoint, begin)
    }

    /// Blocks until one more request has got so far; not for longer than `patience`.
    pub fn wait_for_next(&self, stage: Stage, patience: Duration) {
        self.shared.log.wait_for_next(stage, patience);
    }

    /// Blocks until all that came from clients that have ended is over with, answered or dropped.
    pub fn settle(&self) {
        // Accepted after all that was on its way.
        let _ = http::get(&format!("{}credits", self.api_url()), None);
        self.shared.log.wait(Endpoint::Token, "an end of all requests", |requests| {
            requests.iter().all(|request| request.finished)
        });
    }

    /// Where this refresh or access token stands, if it was issued here.
    pub fn standing(&self, token: &str) -> Option<Standing> {
        self.shared.issued_tokens.lock().unwrap().standing(token)
    }

    /// Everything that must not be seen elsewhere: the client secret, and all tokens, codes, PINs and PKCE
    /// verifiers so far. The client secret is there as a Basic header has it, too.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.shared.issued_tokens.lock().unwrap().secrets().to_vec();
        let behaviour = self.behaviour();
        let basic = format!("{}:{}", behaviour.client_id, behaviour.client_secret);
        secrets.extend([behaviour.client_secret, BASE64_STANDARD.encode(basic)]);
        secrets
    }

    /// A grant as if obtained elsewhere: refresh token and access token. Kills the user's older access tokens,
    /// as a second login does.
    pub fn issue_grant(&self, user: &str) -> (String, String) {
        let issued = self.shared.grant(user);
        (issued.refresh.unwrap_or_default(), issued.access)
    }

    /// Enters a user code at the fake's page and allows access, as this user; without one, denies it.
    pub fn decide_device(&self, user_code: &str, user: Option<&str>) {
        self.shared.decide_device(user_code, user);
    }

    /// Ends all access tokens before their time. The grants stay.
    pub fn kill_access_token(&self) {
        self.shared.issued_tokens.lock().unwrap().kill_access_tokens();
    }

    /// Revokes all grants, as a user does at imgur.com/account/settings/apps.
    pub fn revoke_grant(&self) {
        self.shared.issued_tokens.lock().unwrap().revoke_all();
    }

    /// Whether the API would take this access token.
    pub fn is_live(&self, access_token: &str) -> bool {
        self.shared.user_of(access_token).is_some()
    }
}
