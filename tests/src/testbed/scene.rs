//! A daemon, its fake server and an account: the setting of most tests.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitStatus;

use imgurd_proto::{Account, ListAccounts, State};

use super::{Daemon, Output, Program, Strace, Testbed, free_port};
use crate::browser;
use crate::fake::{Behaviour, Endpoint, Fake, Recorded};
use crate::relay::{Manner, Relay};
use crate::tls::Authority;

/// The account of a [`Scene`], and its default.
pub const ACCOUNT: &str = "mytoken";

/// A daemon at work.
#[derive(Debug)]
pub struct Scene {
    // In this order, so that the daemon ends before its directories go.
    daemon: Option<Daemon>,
    /// Where it lives.
    pub bed: Testbed,
    /// What it asks.
    pub fake: Fake,
}

impl Scene {
    /// One that keeps its grants in memory.
    pub fn memory(behaviour: Behaviour) -> Self {
        Self::new(Testbed::memory(), behaviour)
    }

    /// One that keeps its grants in an encrypted file.
    pub fn file(behaviour: Behaviour) -> Self {
        Self::new(Testbed::file(), behaviour)
    }

    /// One in these directories.
    pub fn new(bed: Testbed, behaviour: Behaviour) -> Self {
        // A port that no program takes while the fake is down.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let scene = Self {
            daemon: Some(bed.daemon()),
            bed,
            fake: Fake::start_at(address, behaviour).expect("the port is free"),
        };
        scene.bed.account(&scene.fake, ACCOUNT);
        scene
    }

    /// Puts TLS between the daemon and the fake, by an authority of its own.
    pub fn over_tls(&self) {
        let authority = Authority::new(self.bed.root(), "own");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        Relay::start(listener, self.fake.address(), Manner::Tls(authority.server("localhost")));
        let (token_url, api_url) = (format!("{origin}/oauth2/token"), format!("{origin}/3/"));
        let ca_file = authority.certificate().display().to_string();
        let settings = ["--token-url", &token_url, "--api-url", &api_url, "--ca-file", &ca_file];
        // A secret is of its token URL, and goes to no other.
        let arguments = [&["account", "set", ACCOUNT][..], &settings, &["--client-secret-stdin"]].concat();
        self.ctl_with(&arguments, &self.fake.behaviour().client_secret).success();
    }

    /// With the consent of the fake's own user.
    pub fn signed_in(self) -> Self {
        self.bed.sign_in(&self.fake, ACCOUNT);
        self
    }

    /// With a grant of the fake's own user that was obtained elsewhere, proved by a refresh.
    pub fn imported(self) -> Self {
        let (refresh_token, _) = self.fake.issue_grant(&self.fake.behaviour().username);
        self.ctl_with(&["import"], &refresh_token).success();
        self.wait_until(|account| account.state == State::Fresh);
        self
    }

    /// The daemon, which runs.
    pub fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("the daemon runs")
    }

    /// Stops the daemon as the service manager does.
    pub fn stop(&mut self) -> ExitStatus {
        self.take_daemon().terminate()
    }

    /// Kills the daemon.
    pub fn crash(&mut self) {
        self.take_daemon().kill();
    }

    /// Starts the daemon.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the daemon with these arguments.
    pub fn start_with(&mut self, arguments: &[&str]) {
        assert!(self.daemon.is_none(), "a daemon runs already");
        let default: &[&str] = if self.bed.bus_address().is_some() { &[] } else { &["--no-dbus"] };
        self.daemon = Some(self.bed.daemon_with(&[default, arguments].concat()));
    }

    /// Stops the daemon and starts another.
    pub fn restart(&mut self) {
        assert!(self.stop().success(), "a clean end");
        self.start();
    }

    /// Has a fault injected into calls of the daemon: see [`Testbed::inject`].
    pub fn inject(&self, fault: &str) -> Strace {
        self.bed.inject(self.daemon.as_ref().expect("the daemon runs"), fault)
    }

    /// The daemon, out of the scene's hands.
    pub fn take_daemon(&mut self) -> Daemon {
        self.daemon.take().expect("the daemon runs")
    }

    /// Runs `imgurctl` to its end.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        self.bed.ctl(arguments)
    }

    /// Runs `imgurctl` to its end, with this on its standard input.
    pub fn ctl_with(&self, arguments: &[&str], input: &str) -> Output {
        self.bed.ctl_with(arguments, input)
    }

    /// The token that callers get.
    pub fn token(&self) -> String {
        self.ctl(&["token"]).success().line().to_owned()
    }

    /// Refreshes, and returns the new token.
    pub fn refresh(&self) -> String {
        self.ctl(&["refresh"]).success();
        self.token()
    }

    /// How the account is.
    pub fn account(&self) -> Account {
        let call = ListAccounts { account: Some(ACCOUNT.to_owned()) };
        let accounts = self.bed.client().call(&call).unwrap().accounts;
        accounts.into_iter().next().expect("one account")
    }

    /// Blocks until the account is as `wanted`.
    pub fn wait_until(&self, wanted: impl Fn(&Account) -> bool) -> Account {
        self.bed.wait_until(ACCOUNT, wanted)
    }

    /// Starts a login with these further arguments, and returns it with the page to open.
    pub fn login(&self, arguments: &[&str]) -> (Program, String) {
        let arguments = [&["login", "--no-browser"], arguments].concat();
        let mut login = self.bed.ctl_spawn(&arguments);
        let url = login.line().expect("the URL is the first line");
        (login, url)
    }

    /// Signs in as `user` with these further arguments, however that ends.
    pub fn login_as(&self, user: &str, arguments: &[&str]) -> Output {
        let (login, url) = self.login(arguments);
        browser::allow(&url, user);
        login.finish()
    }

    /// The refreshes that have arrived at the fake.
    pub fn refreshes(&self) -> Vec<Recorded> {
        let mut requests = self.fake.requests(Endpoint::Token);
        requests.retain(|request| request.grant_type() == Some("refresh_token"));
        requests
    }

    /// The callback registered with the application.
    pub fn callback(&self) -> String {
        self.fake.behaviour().callback.expect("the account has registered one")
    }
}
