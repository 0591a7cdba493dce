//! The same tests with each available server: a fake Imgur with the standard endpoints, npm's `oidc-provider`, and
//! PyPI's `django-oauth-toolkit`. The tests give imgurd only the issuer.

use std::time::Duration;

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, ErrorStyle, Fake, Rotation};
use imgurd_tests::stranger::{CLIENT_SECRET, Django, OidcProvider};
use imgurd_tests::testbed::{ACCOUNT, Daemon, Output, Program, Testbed, free_port};
use imgurd_tests::{browser, http};
use rstest::rstest;

const HOUR: Duration = Duration::from_hours(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fake,
    Oidc,
    Django,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Auth {
    Basic,
    Body,
    Public,
}

enum Server {
    Fake(Fake),
    Oidc(OidcProvider),
    Django(Django),
}

impl Server {
    fn start(kind: Kind, bed: &Testbed) -> Self {
        match kind {
            Kind::Fake => Self::Fake(Fake::start(Behaviour {
                rotation: Rotation::ReuseDetection,
                errors: ErrorStyle::Rfc6749,
                client_secret: CLIENT_SECRET.into(),
                ..Behaviour::default()
            })),
            Kind::Oidc => Self::Oidc(OidcProvider::start(bed, HOUR)),
            Kind::Django => Self::Django(Django::start(bed)),
        }
    }

    fn issuer(&self) -> String {
        match self {
            Self::Fake(fake) => fake.origin(),
            Self::Oidc(provider) => provider.url(""),
            Self::Django(django) => django.url(""),
        }
    }

    fn client(&self, auth: Auth) -> String {
        match (self, auth) {
            (Self::Fake(fake), _) => fake.behaviour().client_id,
            (Self::Oidc(_), Auth::Basic) => "fake-basic".to_owned(),
            (Self::Oidc(_), Auth::Body) => "fake-post".to_owned(),
            (Self::Oidc(_), Auth::Public) => "fake-none".to_owned(),
            (Self::Django(_), Auth::Public) => "fake-public".to_owned(),
            (Self::Django(_), _) => "fake-confidential".to_owned(),
        }
    }

    fn allow(&self, url: &str, user: &str) {
        match self {
            Self::Fake(_) => drop(browser::allow(url, user)),
            Self::Oidc(provider) => drop(provider.allow(url, user)),
            Self::Django(django) => drop(django.allow(url, user)),
        }
    }

    fn deny(&self, url: &str) {
        match self {
            Self::Fake(_) => drop(browser::deny(url)),
            Self::Oidc(provider) => drop(provider.deny(url, "alice")),
            Self::Django(django) => drop(django.deny(url, "alice")),
        }
    }

    fn enter_code(&self, page: &str, code: &str, user: &str, allows: bool) {
        match self {
            Self::Fake(fake) => fake.decide_device(code, allows.then_some(user)),
            Self::Oidc(provider) => drop(provider.enter_code(page, code, user, allows)),
            Self::Django(django) => drop(django.enter_code(page, code, user, allows)),
        }
    }

    /// Whether the server accepts this access token.
    fn takes(&self, token: &str) -> bool {
        let userinfo = match self {
            Self::Fake(fake) => return fake.is_live(token),
            Self::Oidc(provider) => provider.url("/me"),
            Self::Django(django) => django.url("/userinfo/"),
        };
        http::get(&userinfo, Some(&format!("Bearer {token}"))).unwrap().status == 200
    }

    /// Ends the grant at the server.
    fn revoke(&mut self, token: &str) {
        let path = match self {
            Self::Fake(fake) => return fake.revoke_grant(),
            Self::Oidc(provider) => provider.url("/token/revocation"),
            Self::Django(django) => return django.forget_grants(),
        };
        let form = [("token", token), ("client_id", "fake-post"), ("client_secret", CLIENT_SECRET)];
        assert_eq!(http::post(&path, None, &form).unwrap().status, 200);
    }
}

struct Scene {
    // The fields are dropped in this order, so that the daemon ends before its directories are deleted.
    _daemon: Daemon,
    server: Server,
    bed: Testbed,
}

impl Scene {
    fn new(kind: Kind, auth: Auth) -> Self {
        let bed = Testbed::memory();
        let daemon = bed.daemon();
        let scene = Self { _daemon: daemon, server: Server::start(kind, &bed), bed };
        let callback = format!("http://127.0.0.1:{}/callback", free_port());
        if let Server::Fake(fake) = &scene.server {
            fake.configure(|behaviour| behaviour.callback = Some(callback.clone()));
        }
        let (issuer, client) = (scene.server.issuer(), scene.server.client(auth));
        let mut arguments = vec!["account", "add", ACCOUNT, "--issuer", &issuer, "--client-id", &client];
        arguments.extend(["--redirect-uri", &callback]);
        match auth {
            Auth::Basic => arguments.extend(["--client-auth", "basic"]),
            Auth::Body => arguments.extend(["--client-auth", "body"]),
            Auth::Public => {}
        }
        if auth == Auth::Public {
            scene.bed.ctl(&arguments).success();
        } else {
            arguments.push("--client-secret-stdin");
            scene.bed.ctl_with(&arguments, CLIENT_SECRET).success();
        }
        scene
    }

    fn signed_in(self) -> Self {
        self.login_as("alice", &[]).success();
        self
    }

    fn begin(&self, arguments: &[&str]) -> (Program, String) {
        let mut login = self.bed.ctl_spawn(&[&["login", "--no-browser"], arguments].concat());
        let url = login.line().expect("the URL is the first line");
        (login, url)
    }

    fn login_as(&self, user: &str, arguments: &[&str]) -> Output {
        let (login, url) = self.begin(arguments);
        self.server.allow(&url, user);
        login.finish()
    }

    fn device_login(&self, user: &str, allows: bool) -> Output {
        let (mut login, page) = self.begin(&["--flow", "device"]);
        let code = login.line().expect("the code is the second line");
        self.server.enter_code(&page, &code, user, allows);
        login.finish()
    }

    fn token(&self) -> String {
        self.bed.ctl(&["token"]).success().line().to_owned()
    }

    fn account(&self) -> Account {
        self.bed.wait_until(ACCOUNT, |_| true)
    }
}

#[rstest]
fn the_issuer_alone_is_enough_to_sign_in_refresh_and_revoke(
    #[values(Kind::Fake, Kind::Oidc, Kind::Django)] kind: Kind,
    #[values(Auth::Basic, Auth::Body, Auth::Public)] auth: Auth,
) {
    if (kind, auth) == (Kind::Fake, Auth::Public) {
        return; // Imgur has no public clients
    }
    let scene = Scene::new(kind, auth).signed_in();
    assert!(scene.account().username.is_some(), "the server's user name is known");
    let mut last = scene.token();
    assert!(scene.server.takes(&last));
    // Each refresh replaces the refresh token. Using one twice would end the grant.
    for _ in 0..3 {
        scene.bed.ctl(&["refresh"]).success();
        let next = scene.token();
        assert_ne!(next, last);
        assert!(scene.server.takes(&next));
        last = next;
    }
    let output = scene.bed.ctl(&["logout"]).success();
    assert!(output.stderr.contains("The server has revoked them."), "{}", output.stderr);
    assert!(!scene.server.takes(&last), "the server has revoked the grant");
    assert_eq!(scene.account().state, State::Empty);
}

#[rstest]
#[case(Kind::Fake)]
#[case(Kind::Oidc)]
#[case(Kind::Django)]
fn another_user_replaces_the_grant_only_with_replace(#[case] kind: Kind) {
    let scene = Scene::new(kind, Auth::Basic).signed_in();
    scene.login_as("alice", &[]).success();
    let output = scene.login_as("bob", &[]).exits(10);
    assert!(output.stderr.contains("signed in, but mytoken holds the grant of"), "{}", output.stderr);
    let held = scene.account().username;
    scene.login_as("bob", &["--replace"]).success();
    assert_ne!(scene.account().username, held);
}

#[rstest]
#[case(Kind::Fake)]
#[case(Kind::Oidc)]
#[case(Kind::Django)]
fn a_denial_ends_only_the_login(#[case] kind: Kind) {
    let scene = Scene::new(kind, Auth::Basic);
    let (login, url) = scene.begin(&[]);
    scene.server.deny(&url);
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("Access was denied on the sign-in page"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Empty);
    scene.signed_in();
}

#[rstest]
#[case(Kind::Fake, Auth::Basic)]
#[case(Kind::Fake, Auth::Body)]
#[case(Kind::Oidc, Auth::Basic)]
#[case(Kind::Oidc, Auth::Public)]
#[case(Kind::Django, Auth::Public)]
fn a_device_code_signs_in_and_a_denial_is_reported(#[case] kind: Kind, #[case] auth: Auth) {
    let scene = Scene::new(kind, auth);
    // Django's metadata names no device authorization endpoint.
    if let Server::Django(django) = &scene.server {
        let endpoint = django.url("/device-authorization/");
        let settings = ["--client-id", "fake-device", "--device-auth-url", &endpoint];
        scene.bed.ctl(&[&["account", "set", ACCOUNT], &settings[..]].concat()).success();
    }
    let output = scene.device_login("alice", false).exits(10);
    assert!(output.stderr.contains("Access was denied on the sign-in page"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Empty);
    scene.device_login("alice", true).success();
    assert!(scene.server.takes(&scene.token()));
    scene.bed.ctl(&["refresh"]).success();
    assert!(scene.server.takes(&scene.token()));
}

#[rstest]
#[case(Kind::Fake)]
#[case(Kind::Oidc)]
#[case(Kind::Django)]
fn asks_again_about_a_grant_that_the_server_forgot(#[case] kind: Kind) {
    let mut scene = Scene::new(kind, Auth::Body).signed_in();
    let token = scene.token();
    scene.server.revoke(&token);
    scene.bed.ctl(&["refresh", "--wait", "0s"]).exits(6);
    let account = scene.bed.wait_until(ACCOUNT, |account| account.state == State::Waiting);
    let reason = account.reason.unwrap();
    assert!(account.refused && reason.contains("asks the server once more"), "{reason}");
}

#[rstest]
#[case(Kind::Fake)]
#[case(Kind::Django)]
fn names_a_client_secret_that_changed_at_the_server(#[case] kind: Kind) {
    let mut scene = Scene::new(kind, Auth::Basic).signed_in();
    match &mut scene.server {
        Server::Fake(fake) => fake.configure(|behaviour| behaviour.client_secret = "fake-and-new".into()),
        Server::Django(django) => django.change_secret("fake-confidential", "fake-and-new"),
        Server::Oidc(_) => panic!("this server's secrets do not change"),
    }
    let output = scene.bed.ctl(&["refresh"]).exits(9);
    assert!(output.complaint().contains("client_secret"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Misconfigured);
    scene.bed.ctl_with(&["account", "set", "--client-secret-stdin"], "fake-and-new").success();
    scene.bed.wait_until(ACCOUNT, |account| account.state == State::Fresh);
}
