//! Servers that try to get another server's secrets: by a mix-up attack (RFC 9700, section 4.4), in which a server
//! passes another server's answer into its own sign-in, and by settings that point to another server.

use imgurd_tests::browser::{self, Page};
use imgurd_tests::fake::{Behaviour, Endpoint, Fake};
use imgurd_tests::testbed::{ACCOUNT, Program, Scene};
use serde_json::json;
use url::Url;

/// An account at a malicious server, and an honest server with the user's other account.
struct MixUp {
    evil: Scene,
    honest: Fake,
}

impl MixUp {
    /// `iss` is the issuer that the honest server names in its answers.
    fn new(iss: impl FnOnce(&Fake) -> String) -> Self {
        let evil = Scene::memory(Behaviour::default());
        let honest = Fake::start(Behaviour { callback: Some(evil.callback()), ..Behaviour::default() });
        let iss = iss(&honest);
        honest.configure(|behaviour| behaviour.iss = Some(iss));
        Self { evil, honest }
    }

    /// The malicious page redirects the browser to the honest server, with that server's client ID and our state and
    /// challenge.
    fn redirected(&self, flow: &str) -> (Program, String) {
        let (login, url) = self.evil.login(&["--flow", flow]);
        let ours = Url::parse(&url).unwrap();
        let mut theirs = Url::parse(&self.honest.auth_url()).unwrap();
        theirs.query_pairs_mut().extend_pairs(ours.query_pairs());
        (login, theirs.into())
    }

    fn set_issuer(&self, issuer: &str) {
        let call = json!({ "account": ACCOUNT, "settings": { "issuer": issuer } });
        let answer = self.evil.bed.wire().call("SetAccount", &call);
        assert!(answer["error"].is_null(), "{answer}");
    }

    fn is_refused(&self, login: Program, page: &Page) {
        assert!(page.text.contains("another server"), "{}", page.text);
        let said = login.finish().exits(10).stderr;
        assert!(said.contains("another server") && said.contains("set issuer"), "{said}");
        assert_eq!(self.evil.fake.requests(Endpoint::Token).len(), 0, "the other server got the code");
    }
}

#[test]
fn a_code_of_another_server_is_not_sent_to_the_malicious_one() {
    let mix_up = MixUp::new(Fake::origin);
    let (login, url) = mix_up.redirected("code");
    mix_up.is_refused(login, &browser::allow(&url, "alice"));
    // A denial by the other server does not count either.
    let (login, url) = mix_up.redirected("code");
    mix_up.is_refused(login, &browser::deny(&url));
}

#[test]
fn the_issuer_is_compared_exactly() {
    let mix_up = MixUp::new(|honest| format!("{}/", honest.origin()));
    for known in
        [mix_up.evil.fake.origin(), mix_up.honest.origin(), format!("{}/other", mix_up.honest.origin())]
    {
        mix_up.set_issuer(&known);
        let (login, url) = mix_up.redirected("code");
        mix_up.is_refused(login, &browser::allow(&url, "alice"));
    }
}

#[test]
fn a_pasted_answer_of_another_server_is_refused_and_the_sign_in_goes_on() {
    let mix_up = MixUp::new(Fake::origin);
    mix_up.honest.configure(|behaviour| behaviour.callback = None);
    let mut login = mix_up.evil.bed.ctl_spawn(&["login", "--no-browser", "--paste", "--json"]);
    let begun: serde_json::Value = serde_json::from_str(&login.line().unwrap()).unwrap();
    let state = Url::parse(begun["url"].as_str().unwrap()).unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let pasted = format!("https://imgur.com/?state={state}&code=0123&iss={}", mix_up.honest.origin());
    let call = json!({ "login_id": begun["login_id"], "response": pasted });
    let answer = mix_up.evil.bed.wire().call("CompleteLogin", &call);
    assert_eq!(answer["parameters"]["field"], "response", "{answer}");
    assert!(mix_up.evil.account().login_pending);
    assert_eq!(mix_up.evil.fake.requests(Endpoint::Token).len(), 0);
}

#[test]
fn a_sign_in_works_with_any_iss_if_no_issuer_is_set() {
    let scene = Scene::memory(Behaviour::default());
    let origin = scene.fake.origin();
    for (iss, known) in [
        (origin.clone(), ""),
        (format!("{origin}/tenant"), ""),
        ("https://other.example".to_owned(), "https://other.example"),
    ] {
        scene.fake.configure(|behaviour| behaviour.iss = Some(iss));
        let call = json!({ "account": ACCOUNT, "settings": { "issuer": known } });
        assert!(scene.bed.wire().call("SetAccount", &call)["error"].is_null());
        scene.login_as("alice", &[]).success();
    }
}

/// Settings that lead to another server, which would get the secret and the grant of the first one.
mod settings {
    use imgurd_proto::State;
    use imgurd_tests::browser;
    use imgurd_tests::fake::{Behaviour, Endpoint, Fake};
    use imgurd_tests::testbed::Scene;

    fn scene() -> Scene {
        Scene::memory(Behaviour::default()).signed_in()
    }

    #[test]
    fn a_client_secret_goes_to_no_other_token_url() {
        let scene = scene();
        let other = Fake::start(Behaviour { callback: Some(scene.callback()), ..Behaviour::default() });
        let (auth_url, token_url) = (other.auth_url(), other.token_url());
        scene.ctl(&["account", "set", "--auth-url", &auth_url, "--token-url", &token_url]).success();
        let (login, url) = scene.login(&[]);
        browser::allow(&url, "mallory");
        let sent = &other.wait_for_requests(Endpoint::Token, 1)[0];
        assert!(!sent.form.contains_key("client_secret"), "the other server got the client secret");
        login.finish();

        let (auth_url, token_url) = (scene.fake.auth_url(), scene.fake.token_url());
        scene.ctl(&["account", "set", "--auth-url", &auth_url, "--token-url", &token_url]).success();
        assert!(scene.fake.is_live(&scene.refresh()), "the client secret and the grant are used again");
    }

    #[test]
    fn a_grant_goes_to_no_other_path_of_its_server() {
        let scene = scene();
        let asked = scene.fake.requests(Endpoint::Token).len();
        for url in
            [format!("{}/tenant/token", scene.fake.origin()), format!("{}?a=b", scene.fake.token_url())]
        {
            scene.ctl(&["account", "set", "--token-url", &url]).success();
            scene.ctl(&["refresh"]).exits(4);
            assert_eq!(scene.account().state, State::Empty);
        }
        assert_eq!(scene.fake.requests(Endpoint::Token).len(), asked, "the grant was sent to another URL");
        scene.ctl(&["account", "set", "--token-url", &scene.fake.token_url()]).success();
        assert!(scene.fake.is_live(&scene.refresh()));
    }
}
