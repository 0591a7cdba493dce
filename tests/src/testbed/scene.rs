//! A daemon, its fake server and an account, which most tests start with.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitStatus;

use imgurd_proto::{Account, ListAccounts, State};

use super::{Daemon, Output, Program, Strace, Testbed, free_port};
use crate::browser;
use crate::fake::{Behaviour, Endpoint, Fake, Recorded};
use crate::relay::{Manner, Relay};
use crate::tls::Authority;

/// The account of a [`Scene`], which is the default account.
pub const ACCOUNT: &str = "mytoken";

/// A daemon with its server.
#[derive(Debug)]
pub struct Scene {
    // Fields drop in order: the daemon ends before its directories are removed.
    daemon: Option<Daemon>,
    /// The directories of the daemon.
    pub bed: Testbed,
    /// The server of the account.
    pub fake: Fake,
}

impl Scene {
    /// With the memory store.
    pub fn memory(behaviour: Behaviour) -> Self {
        Self::new(Testbed::memory(), behaviour)
    }

    /// With the file store.
    pub fn file(behaviour: Behaviour) -> Self {
        Self::new(Testbed::file(), behaviour)
    }

    /// In this testbed.
    pub fn new(bed: Testbed, behaviour: Behaviour) -> Self {
        // A port that no program takes while the fake Imgur is down.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let scene = Self {
            daemon: Some(bed.daemon()),
            bed,
            fake: Fake::start_at(address, behaviour).expect("the port is free"),
        };
        scene.bed.account(&scene.fake, ACCOUNT);
        scene
    }

    /// Puts a TLS server in front of the fake Imgur, with a certificate authority of its own.
    pub fn over_tls(&self) {
        let authority = Authority::new(self.bed.root(), "own");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        Relay::start(listener, self.fake.address(), Manner::Tls(authority.server("localhost")));
        let (token_url, api_url) = (format!("{origin}/oauth2/token"), format!("{origin}/3/"));
        let ca_file = authority.certificate().display().to_string();
        let settings = ["--token-url", &token_url, "--api-url", &api_url, "--ca-file", &ca_file];
        // A client secret belongs to its token URL, so it has to be set again.
        let arguments = [&["account", "set", ACCOUNT][..], &settings, &["--client-secret-stdin"]].concat();
        self.ctl_with(&arguments, &self.fake.behaviour().client_secret).success();
    }

    /// Signs in as the default user of the fake Imgur.
    pub fn signed_in(self) -> Self {
        self.bed.sign_in(&self.fake, ACCOUNT);
        self
    }

    /// Imports a grant of the default user of the fake Imgur, which imgurd verifies by a refresh.
    pub fn imported(self) -> Self {
        let (refresh_token, _) = self.fake.issue_grant(&self.fake.behaviour().username);
        self.ctl_with(&["import"], &refresh_token).success();
        self.wait_until(|account| account.state == State::Fresh);
        self
    }

    /// The running daemon.
    pub fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("the daemon runs")
    }

    /// Stops the daemon with SIGTERM.
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
        assert!(self.daemon.is_none(), "a daemon is already running");
        let default: &[&str] = if self.bed.bus_address().is_some() { &[] } else { &["--no-dbus"] };
        self.daemon = Some(self.bed.daemon_with(&[default, arguments].concat()));
    }

    /// Stops the daemon and starts another.
    pub fn restart(&mut self) {
        assert!(self.stop().success(), "a clean end");
        self.start();
    }

    /// Injects a fault into system calls of the daemon: see [`Testbed::inject`].
    pub fn inject(&self, fault: &str) -> Strace {
        self.bed.inject(self.daemon.as_ref().expect("the daemon runs"), fault)
    }

    /// Takes the daemon out of the scene.
    pub fn take_daemon(&mut self) -> Daemon {
        self.daemon.take().expect("the daemon runs")
    }

    /// Runs `imgurctl` to its end.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        self.bed.ctl(arguments)
    }

    /// Runs `imgurctl` to its end, with this input.
    pub fn ctl_with(&self, arguments: &[&str], input: &str) -> Output {
        self.bed.ctl_with(arguments, input)
    }

    /// The account's token.
    pub fn token(&self) -> String {
        self.ctl(&["token"]).success().line().to_owned()
    }

    /// Refreshes, and returns the new token.
    pub fn refresh(&self) -> String {
        self.ctl(&["refresh"]).success();
        self.token()
    }

    /// The account's state.
    pub fn account(&self) -> Account {
        let call = ListAccounts { account: Some(ACCOUNT.to_owned()) };
        let accounts = self.bed.client().call(&call).unwrap().accounts;
        accounts.into_iter().next().expect("there is one account")
    }

    /// Waits until the account is as `wanted`.
    pub fn wait_until(&self, wanted: impl Fn(&Account) -> bool) -> Account {
        self.bed.wait_until(ACCOUNT, wanted)
    }

    /// Starts a login with these further arguments, and returns it with the URL of its page.
    pub fn login(&self, arguments: &[&str]) -> (Program, String) {
        let arguments = [&["login", "--no-browser"], arguments].concat();
        let mut login = self.bed.ctl_spawn(&arguments);
        let url = login.line().expect("the URL is the first line");
        (login, url)
    }

    /// Signs in as `user` with these further arguments, and returns the result.
    pub fn login_as(&self, user: &str, arguments: &[&str]) -> Output {
        let (login, url) = self.login(arguments);
        browser::allow(&url, user);
        login.finish()
    }

    /// The refreshes that the fake Imgur has received.
    pub fn refreshes(&self) -> Vec<Recorded> {
        let mut requests = self.fake.requests(Endpoint::Token);
        requests.retain(|request| request.grant_type() == Some("refresh_token"));
        requests
    }

    /// The registered callback URL.
    pub fn callback(&self) -> String {
        self.fake.behaviour().callback.expect("the fake Imgur has a callback")
    }
}
