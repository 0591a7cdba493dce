//! Attacks on a sign-in with a pasted answer: texts that are not an answer, and answers that were copied in unusual
//! ways.

use imgurd_tests::fake::Endpoint;
use imgurd_tests::testbed::{Program, Scene};
use imgurd_tests::wire::error_of;
use serde_json::{Value, json};
use url::Url;

use super::callback::{answer_of, landing, scene, state_of, tokens_of};

/// A login that waits for a pasted answer and survives wrong ones.
struct Pasting {
    scene: Scene,
    _login: Program,
    id: String,
    url: String,
}

impl Pasting {
    fn new(flow: &str) -> Self {
        let scene = scene();
        let mut login = scene.bed.ctl_spawn(&["login", "--no-browser", "--paste", "--json", "--flow", flow]);
        let begun: Value = serde_json::from_str(&login.line().unwrap()).unwrap();
        let text = |name: &str| begun[name].as_str().unwrap().to_owned();
        let (id, url) = (text("login_id"), text("url"));
        Self { scene, _login: login, id, url }
    }

    fn paste(&self, text: &str) -> Value {
        let call = json!({ "login_id": self.id, "response": text });
        self.scene.bed.wire().call("CompleteLogin", &call)
    }

    fn is_refused(&self, text: &str) {
        let answer = self.paste(text);
        assert_eq!(error_of(&answer), "InvalidArgument", "{text}: {answer}");
        assert_eq!(answer["parameters"]["field"], "response", "{text}");
        assert!(self.scene.account().login_pending, "{text}");
        assert_eq!(self.scene.fake.requests(Endpoint::Token).len(), 0, "{text}");
    }
}

#[test]
fn a_wrong_pasted_answer_is_refused_and_the_sign_in_goes_on() {
    let pasting = Pasting::new("code");
    let state = state_of(&pasting.url);
    let tokens = tokens_of(&pasting.scene.fake, "mallory");
    for text in [
        "http://127.0.0.1:8917/callback?code=0123",
        "http://127.0.0.1:8917/callback?state=other&code=0123",
        "http://127.0.0.1:8917/callback?state=&code=0123",
        "127.0.0.1:8917/callback?code=0123",
        "127.0.0.1:8917/callback",
        "imgur.com/",
        "https://imgur.com",
        "?code=0123",
        "#code=0123",
        "code=0123&state=other",
        "error=access_denied",
        "https://imgur.com/?error=access_denied",
        "two words",
        "{\"code\":\"0123\"}",
        "c%C3%B6de",
        "c\u{f6}de",
        "a\u{0}b",
        "<>",
        "\"\"",
        "\u{feff}",
        &format!("https://imgur.com/?state={state}#{tokens}"),
        &format!("https://imgur.com/?state={state}&{tokens}"),
        &format!("state={state}&pin=0123"),
        &format!("?state={state}&code=0123&code=4567"),
        &format!("?state={state}&state={state}&code=0123"),
        &format!("?state={state}&code=c%C3%B6de"),
        &format!("?state={state}&code=a%0Ab"),
        &format!("go to http://127.0.0.1/?state={state}&code=0123"),
        &format!("http://127.0.0.1/?state={state}&code=0123..."),
        "0123\u{2026}",
        &pasting.url,
    ] {
        pasting.is_refused(text);
    }
    assert!(pasting.paste(&answer_of(&pasting.scene.fake, &pasting.url, "alice"))["error"].is_null());

    let pasting = Pasting::new("token");
    let state = state_of(&pasting.url);
    let tokens = tokens_of(&pasting.scene.fake, "alice");
    for text in [
        &format!("https://imgur.com/#{tokens}"),
        &format!("https://imgur.com/?state=other#{tokens}"),
        &format!("https://imgur.com/?state={state}&code=0123"),
        &format!("https://imgur.com/?state={state}#access_token=a%0Ab"),
        "0123",
        "access_token=0123",
    ] {
        pasting.is_refused(text);
    }
    assert!(pasting.paste(&format!("#{tokens}&state={state}"))["error"].is_null());
}

#[test]
fn an_answer_is_accepted_in_every_form_that_users_copy() {
    for wrap in [
        "https://imgur.com/?{}",
        "imgur.com/?{}",
        "127.0.0.1:8917/callback?{}",
        "localhost/callback?{}",
        "//imgur.com/?{}",
        "?{}",
        "{}",
        "&{}",
        "#{}",
        "\"https://imgur.com/?{}\"",
        "<https://imgur.com/?{}>",
        "'<imgur.com/?{}>'",
        "\u{feff} https://imgur.com/?{}\r\n",
        "https://imgur.com/?{}.",
        "(https://imgur.com/?{}),",
        "https://imgur.com/?{}>;\n",
    ] {
        let pasting = Pasting::new("code");
        let answer = answer_of(&pasting.scene.fake, &pasting.url, "alice");
        let outcome = pasting.paste(&wrap.replace("{}", &answer));
        assert!(outcome["error"].is_null(), "{wrap}: {outcome}");
    }
    for wrap in ["{}", "code={}", " \"{}\" ", "\u{feff}{}\u{200b}", "<{}>"] {
        let pasting = Pasting::new("code");
        let address = landing(&pasting.scene.fake, &pasting.url, "alice");
        let address = Url::parse(&address).unwrap();
        let code = address.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let outcome = pasting.paste(&wrap.replace("{}", &code));
        assert!(outcome["error"].is_null(), "{wrap}: {outcome}");
    }
}
