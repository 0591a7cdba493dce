//! npm's `oidc-provider`: PKCE, rotation, and the end of a grant when a refresh token is reused.

use std::time::Duration;

use imgurd_proto::{Account, ListAccounts, State};
use imgurd_tests::stranger::{CLIENT_SECRET, OidcProvider};
use imgurd_tests::testbed::{ACCOUNT, Daemon, Output, Program, Testbed};
use imgurd_tests::{browser, http};
use serde_json::Value;

const HOUR: Duration = Duration::from_hours(1);

struct Scene {
    // The fields are dropped in this order, so that the daemon ends before its directories are deleted.
    daemon: Option<Daemon>,
    provider: OidcProvider,
    bed: Testbed,
}

impl Scene {
    fn new(bed: Testbed, client_auth: &str, lifetime: Duration) -> Self {
        let provider = OidcProvider::start(&bed, lifetime);
        let daemon = Some(bed.daemon());
        provider.add_account(&bed, ACCOUNT, client_auth);
        Self { daemon, provider, bed }
    }

    fn memory() -> Self {
        Self::new(Testbed::memory(), "body", HOUR)
    }

    fn signed_in(mut self) -> Self {
        self.login_as("alice").success();
        assert_eq!(self.provider.expect("grant.success")["grant_type"], "authorization_code");
        self
    }

    fn login(&self) -> (Program, String) {
        let mut login = self.bed.ctl_spawn(&["login", "--no-browser"]);
        let url = login.line().expect("the URL is the first line");
        (login, url)
    }

    fn login_as(&self, user: &str) -> Output {
        let (login, url) = self.login();
        self.provider.allow(&url, user);
        login.finish()
    }

    fn token(&self) -> String {
        self.bed.ctl(&["token"]).success().line().to_owned()
    }

    fn account(&self) -> Account {
        let call = ListAccounts { account: Some(ACCOUNT.to_owned()) };
        self.bed.client().call(&call).unwrap().accounts.remove(0)
    }

    /// Refreshes, and checks that the server replaces the refresh token.
    fn expect_rotation(&mut self) -> Value {
        self.provider.expect("refresh_token.consumed");
        let refresh = self.provider.expect("grant.success");
        assert_eq!(refresh["grant_type"], "refresh_token");
        refresh
    }

    /// The user of this token according to the userinfo endpoint, or none if the endpoint rejects the token.
    fn user_of(&self, token: &str) -> Option<String> {
        let answer = http::get(&self.provider.url("/me"), Some(&format!("Bearer {token}"))).unwrap();
        if answer.status == 401 {
            return None;
        }
        let user: Value = serde_json::from_str(&answer.text).unwrap();
        user["sub"].as_str().map(ToOwned::to_owned)
    }

    /// The user revokes the grant at the server (RFC 7009).
    fn revoke_grant(&mut self) {
        let token = self.token();
        let form = [("token", token.as_str()), ("client_id", "fake-post"), ("client_secret", CLIENT_SECRET)];
        let answer = http::post(&self.provider.url("/token/revocation"), None, &form).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        self.provider.expect("grant.revoked");
        assert_eq!(self.user_of(&token), None);
    }
}

/// Signs in, uses the token and refreshes, with this method of client authentication.
#[track_caller]
fn works(client_auth: &str) {
    let mut scene = Scene::new(Testbed::file(), client_auth, HOUR).signed_in();
    let first = scene.token();
    assert_eq!(scene.user_of(&first).as_deref(), Some("alice"));
    scene.bed.ctl(&["refresh"]).success();
    let refresh = scene.expect_rotation();
    assert_eq!(refresh["client_auth"], client_auth);
    let second = scene.token();
    assert_ne!(second, first);
    assert_eq!(scene.user_of(&second).as_deref(), Some("alice"));
    assert!(scene.daemon.take().unwrap().terminate().success());
    assert_eq!(scene.provider.finish().code, Some(0));
    let secrets = [first, second, CLIENT_SECRET.to_owned()];
    scene.bed.assert_no_secret_in_sight(&secrets, &[]);
}

#[test]
fn oidc_provider_accepts_client_authentication_in_the_body() {
    works("body");
}

#[test]
fn oidc_provider_accepts_client_authentication_by_basic() {
    works("basic");
}

#[test]
fn refreshes_a_token_of_oidc_provider_before_it_expires() {
    let mut scene = Scene::new(Testbed::memory(), "body", Duration::from_secs(6)).signed_in();
    let first = scene.token();
    scene.expect_rotation();
    let account = scene.bed.wait_until(ACCOUNT, |account| account.state == State::Fresh);
    assert!(account.next_refresh_at.is_some());
    let second = scene.token();
    assert_ne!(second, first);
    assert_eq!(scene.user_of(&second).as_deref(), Some("alice"));
}

#[test]
fn keeps_the_rotated_refresh_token_through_crashes() {
    let mut scene = Scene::new(Testbed::file(), "basic", HOUR).signed_in();
    for _ in 0..3 {
        scene.bed.ctl(&["refresh"]).success();
        // Using a refresh token twice would cause an error and the end of the grant.
        scene.expect_rotation();
        scene.daemon.take().unwrap().kill();
        scene.daemon = Some(scene.bed.daemon());
        let token = scene.token();
        assert_eq!(scene.user_of(&token).as_deref(), Some("alice"));
    }
    let refreshes = scene.provider.finish().stdout;
    assert!(!refreshes.contains("grant.error") && !refreshes.contains("grant.revoked"), "{refreshes}");
}

#[test]
fn a_denial_at_oidc_provider_ends_only_the_login() {
    let scene = Scene::memory();
    let (login, url) = scene.login();
    let page = scene.provider.deny(&url, "alice");
    assert!(page.text.contains("Access was denied"), "{}", page.text);
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("denied"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Empty);
    scene.signed_in();
}

#[test]
fn shows_an_error_from_oidc_provider_with_its_description() {
    let scene = Scene::memory();
    // Nobody is signed in at the server, and `prompt=none` forbids it to ask (OpenID Connect Core, section 3.1.2.6).
    scene.bed.ctl(&["account", "set", "--auth-param", "prompt=none"]).success();
    let (login, url) = scene.login();
    let page = browser::open(&url);
    let said = "login_required (End-User authentication is required)";
    assert!(page.text.contains(said), "{}", page.text);
    let output = login.finish().exits(10);
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert!(output.stderr.contains("`imgurctl account show mytoken`"), "{}", output.stderr);
}

#[test]
fn says_what_to_check_if_oidc_provider_does_not_redirect() {
    let scene = Scene::memory();
    scene.bed.ctl(&["account", "set", "--redirect-uri", "http://127.0.0.1:1/other"]).success();
    let mut login = scene.bed.ctl_spawn(&["login", "--no-browser", "--paste", "--timeout", "2s"]);
    let url = login.line().expect("the URL is the first line");
    let page = browser::open(&url);
    assert!(page.status == 400 && page.text.contains("redirect_uri"), "{}", page.text);
    let output = login.finish();
    assert!(
        output.stderr.contains("client ID fake-post and the callback URL http://127.0.0.1:1/other"),
        "{}",
        output.stderr
    );
}

#[test]
fn explains_a_client_secret_that_oidc_provider_rejects() {
    let mut scene = Scene::memory().signed_in();
    let old = scene.token();
    scene.bed.ctl_with(&["account", "set", "--client-secret-stdin"], "fake-and-wrong").success();
    let output = scene.bed.ctl(&["refresh"]).exits(9);
    assert_eq!(scene.provider.expect("grant.error")["error"], "invalid_client");
    assert!(output.complaint().contains("client_secret"), "{}", output.stderr);
    let remedy = "`imgurctl account set mytoken --client-secret-stdin`";
    assert!(output.complaint().contains(remedy), "{}", output.stderr);
    let account = scene.account();
    assert_eq!(account.state, State::Misconfigured);
    assert!(account.reason.unwrap().contains(remedy));
    assert_eq!(scene.token(), old, "a valid token is still served");

    scene.bed.ctl_with(&["account", "set", "--client-secret-stdin"], CLIENT_SECRET).success();
    scene.expect_rotation();
    scene.bed.wait_until(ACCOUNT, |account| account.state == State::Fresh);
}

#[test]
fn confirms_a_grant_revoked_at_oidc_provider_and_accepts_a_new_login() {
    let mut scene = Scene::memory().signed_in();
    scene.revoke_grant();
    scene.bed.ctl(&["refresh", "--wait", "0s"]).exits(6);
    assert_eq!(scene.provider.expect("grant.error")["error"], "invalid_grant");
    let account = scene.bed.wait_until(ACCOUNT, |account| account.state == State::Waiting);
    let reason = account.reason.unwrap();
    assert!(reason.contains("invalid_grant") && reason.contains("asks the server once more"), "{reason}");

    let scene = scene.signed_in();
    assert_eq!(scene.account().state, State::Fresh);
    let token = scene.token();
    assert_eq!(scene.user_of(&token).as_deref(), Some("alice"));
}
