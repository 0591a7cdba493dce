//! A fake Imgur: the OAuth endpoints, and enough of the API to try a token.
//!
//! It behaves as users and recorded answers describe Imgur, including its quirks. On request, it does everything that
//! a server can do wrong.
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

/// An endpoint of the fake.
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

/// What the server's thread and the test's handle share.
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

/// A running fake Imgur. Dropping it stops it.
#[derive(Debug)]
pub struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: Option<Server>,
}

impl Fake {
    /// Starts a fake at a free port of 127.0.0.1.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour).expect("a loopback port is free")
    }

    /// Starts a fake at this address. Fails if the address is in use.
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

    /// Stops listening, and closes all connections. Issued tokens stay valid.
    pub fn go_down(&mut self) {
        self.server = None;
    }

    /// Listens again at the same address.
    pub fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the address is still free");
        let server = Server::start(listener, Arc::clone(&self.shared));
        self.server = Some(server.expect("the server starts again"));
    }

    /// The address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The scheme, host and port of its URLs.
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

    /// The base URL of the API.
    pub fn api_url(&self) -> String {
        format!("{}/3/", self.origin())
    }

    /// The current settings.
    pub fn behaviour(&self) -> Behaviour {
        self.shared.behaviour()
    }

    /// Changes the settings. Issued tokens keep their lifetime.
    pub fn configure(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().unwrap());
    }

    /// Advances the clock for lifetimes and grace periods.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Adds a fault for the next request that has none yet.
    #[expect(clippy::needless_pass_by_value, reason = "reads as `Fault::…` where it is used")]
    pub fn fail_next(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults.push(endpoint, 1, &fault);
    }

    /// Adds a fault for the next `times` requests.
    #[expect(clippy::needless_pass_by_value, reason = "reads as `Fault::…` where it is used")]
    pub fn fail_times(&self, endpoint: Endpoint, times: usize, fault: Fault) {
        self.shared.faults.push(endpoint, times, &fault);
    }

    /// Sets a fault for all later requests, after those with their own fault, until [`Self::clear`].
    pub fn fail_always(&self, endpoint: Endpoint, fault: Fault) {
        self.shared.faults.always(endpoint, fault);
    }

    /// Removes the faults of this endpoint.
    pub fn clear(&self, endpoint: Endpoint) {
        self.shared.faults.clear(endpoint);
    }

    /// Holds requests before they are processed.
    pub fn hold(&self, endpoint: Endpoint) -> Gate {
        self.shared.gates.close(endpoint, Place::Request)
    }

    /// Holds answers after the requests are processed: a token is replaced, but the client does not know it yet.
    pub fn hold_answer(&self, endpoint: Endpoint) -> Gate {
        self.shared.gates.close(endpoint, Place::Answer)
    }

    /// The requests at this endpoint, in order.
    pub fn requests(&self, endpoint: Endpoint) -> Vec<Recorded> {
        self.shared.log.of(endpoint)
    }

    /// Waits until `count` requests have arrived since the start, answered or not, and returns all.
    pub fn wait_for_requests(&self, endpoint: Endpoint, count: usize) -> Vec<Recorded> {
        let wanted = format!("{count} requests");
        self.shared.log.wait(endpoint, &wanted, |requests| requests.len() >= count)
    }

    /// Waits until `count` requests have ended, by an answer or by a fault that dropped them.
    pub fn wait_for_answers(&self, endpoint: Endpoint, count: usize) -> Vec<Recorded> {
        let wanted = format!("{count} answers");
        self.shared.log.wait(endpoint, &wanted, |requests| {
            requests.iter().filter(|request| request.finished).count() >= count
        })
    }

    /// The requests at this endpoint since `begin`, in order.
    pub fn requests_since(&self, endpoint: Endpoint, begin: Instant) -> Vec<Recorded> {
        self.shared.log.since(endpoint, begin)
    }

    /// Waits until one more request has reached this stage, but no longer than `patience`.
    pub fn wait_for_next(&self, stage: Stage, patience: Duration) {
        self.shared.log.wait_for_next(stage, patience);
    }

    /// Waits until all requests of clients that have ended are answered or dropped.
    pub fn settle(&self) {
        // The server accepts this request after all earlier ones.
        let _ = http::get(&format!("{}credits", self.api_url()), None);
        self.shared.log.wait(Endpoint::Token, "an end of all requests", |requests| {
            requests.iter().all(|request| request.finished)
        });
    }

    /// The position of this refresh or access token, if it was issued here.
    pub fn standing(&self, token: &str) -> Option<Standing> {
        self.shared.issued_tokens.lock().unwrap().standing(token)
    }

    /// All secrets that must not appear elsewhere: the client secret, also as in a Basic header, and all tokens,
    /// codes, PINs and PKCE verifiers.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.shared.issued_tokens.lock().unwrap().secrets().to_vec();
        let behaviour = self.behaviour();
        let basic = format!("{}:{}", behaviour.client_id, behaviour.client_secret);
        secrets.extend([behaviour.client_secret, BASE64_STANDARD.encode(basic)]);
        secrets
    }

    /// The refresh token and access token of a new grant, as if obtained elsewhere. Invalidates the user's older
    /// access tokens, as a second login does.
    pub fn issue_grant(&self, user: &str) -> (String, String) {
        let issued = self.shared.grant(user);
        (issued.refresh.unwrap_or_default(), issued.access)
    }

    /// Enters a user code at the device page, and allows access as this user. Without a user, denies it.
    pub fn decide_device(&self, user_code: &str, user: Option<&str>) {
        self.shared.decide_device(user_code, user);
    }

    /// Invalidates all access tokens early. The grants stay.
    pub fn kill_access_token(&self) {
        self.shared.issued_tokens.lock().unwrap().kill_access_tokens();
    }

    /// Revokes all grants, as a user does at imgur.com/account/settings/apps.
    pub fn revoke_grant(&self) {
        self.shared.issued_tokens.lock().unwrap().revoke_all();
    }

    /// Whether the API accepts this access token.
    pub fn is_live(&self, access_token: &str) -> bool {
        self.shared.user_of(access_token).is_some()
    }
}
