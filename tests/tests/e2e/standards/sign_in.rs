//! Sign-in at other servers: which answers imgurd accepts.

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::Scene;
use url::Url;

fn parameters(url: &str, name: &str) -> Vec<String> {
    let url = Url::parse(url).unwrap();
    let pairs = url.query_pairs().filter(|(known, _)| known == name);
    pairs.map(|(_, value)| value.into_owned()).collect()
}

#[test]
fn require_iss_refuses_an_answer_without_iss() {
    let scene = Scene::memory(Behaviour::default());
    scene.ctl(&["account", "set", "--issuer", &scene.fake.origin(), "--require-iss", "true"]).success();
    let output = scene.login_as("alice", &[]).exits(10);
    assert!(output.stderr.contains("does not name its server (iss)"), "{}", output.stderr);
    assert!(scene.fake.requests(Endpoint::Token).is_empty(), "the code is not sent");
    let origin = scene.fake.origin();
    scene.fake.configure(|behaviour| behaviour.iss = Some(origin));
    scene.login_as("alice", &[]).success();
}

#[test]
fn an_openid_sign_in_has_a_nonce_in_each_flow() {
    let scene = Scene::memory(Behaviour::default());
    scene.ctl(&["account", "set", "--scope", "openid"]).success();
    for flow in ["code", "token", "pin"] {
        let (login, url) = scene.login(&["--flow", flow]);
        assert_eq!(parameters(&url, "nonce").len(), 1, "{url}");
        drop(login);
        scene.wait_until(|account| !account.login_pending);
    }
}

#[test]
fn tokens_that_are_not_bearer_tokens_are_refused() {
    for kind in ["DPoP", "mac"] {
        let scene = Scene::memory(Behaviour { token_type: kind.into(), ..Behaviour::default() });
        let output = scene.login_as("alice", &[]).exits(10);
        assert!(output.stderr.contains(&format!("tokens of the type “{kind}”")), "{}", output.stderr);
        assert_eq!(scene.account().state, State::Empty);
        scene.ctl(&["token"]).exits(4);
    }
}

#[test]
fn resources_are_sent_to_both_endpoints() {
    let scene = Scene::memory(Behaviour::default());
    let resources = ["https://api.example/", "urn:other"];
    scene.ctl(&["account", "set", "--resource", resources[0], "--resource", resources[1]]).success();
    let (login, url) = scene.login(&[]);
    assert_eq!(parameters(&url, "resource"), resources);
    browser::allow(&url, "alice");
    login.finish().success();
    scene.refresh();
    for request in scene.fake.requests(Endpoint::Token) {
        // The fake Imgur records the last value of a repeated field.
        assert_eq!(request.form["resource"], resources[1], "{:?}", request.grant_type());
    }
    scene.ctl(&["account", "set", "--resource", ""]).success();
    let (_login, url) = scene.login(&[]);
    assert!(parameters(&url, "resource").is_empty());
}

#[test]
fn userinfo_url_tells_that_another_user_signed_in() {
    let scene = Scene::memory(Behaviour::default());
    let endpoint = format!("{}/oauth2/userinfo", scene.fake.origin());
    scene.ctl(&["account", "set", "--api-url", "", "--userinfo-url", &endpoint]).success();
    scene.login_as("alice", &[]).success();
    scene.login_as("alice", &[]).success();
    let output = scene.login_as("bob", &[]).exits(10);
    assert!(
        output.stderr.contains("bob signed in, but mytoken holds the grant of alice"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.account().username.as_deref(), Some("alice"));
    let asked = |endpoint| scene.fake.requests(endpoint).len();
    assert!(asked(Endpoint::Userinfo) > 0 && asked(Endpoint::Account) == 0);
}
