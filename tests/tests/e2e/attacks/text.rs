//! Names and secrets with characters that control a terminal, a header or the bus.

use imgurd_proto::State;
use imgurd_proto::text::is_printable;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{ACCOUNT, Scene, binary};
use serde_json::{Value, json};

/// A terminal interprets ESC, BEL, C1 and line ends. U+202E misleads a reader. D-Bus cannot carry NUL.
const NAME: &str = "al\u{1b}]0;x\u{7}i\u{9b}2Jce\n\u{202e}\u{2066}\u{200b}\0\r\u{2028}";

#[test]
fn a_username_cannot_control_the_terminal_or_break_the_bus() {
    let scene = Scene::memory(Behaviour { username: NAME.to_owned(), ..Behaviour::default() });
    let login = scene.login_as(NAME, &[]).success();
    let mut shown = vec![login.stdout, login.stderr];
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["account", "show"],
        &["account", "list"],
        &["refresh"],
        &["refresh", "--json"],
        &["token", "--json"],
        &["journal"],
        &["doctor"],
        &["export", "--help"],
    ] {
        let output = scene.ctl(arguments);
        shown.extend([output.stdout, output.stderr]);
    }
    let (refresh_token, _) = scene.fake.issue_grant(NAME);
    let import = scene.ctl_with(&["import", "--replace"], &refresh_token).success();
    shown.extend([import.stdout, import.stderr]);
    for text in &shown {
        assert!(text.lines().all(is_printable), "{text:?}");
    }
    let name = scene.account().username.expect("a name");
    assert!(is_printable(&name) && name.chars().count() <= 128, "{name:?}");
}

#[test]
fn a_long_username_is_shortened() {
    let long = "x".repeat(5_000);
    let scene = Scene::memory(Behaviour { username: long, ..Behaviour::default() }).imported();
    assert_eq!(scene.account().username.expect("a name").len(), 128);
}

#[test]
fn a_token_with_control_characters_is_refused_and_the_grant_kept() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    for token in ["abc\\r\\nX-Smuggled: yes", "a\\u0000b", "a\\u001bb", "a\\u00e9b", "a\\u200bb"] {
        let good = scene.token();
        let body = format!(r#"{{"access_token":"{token}","expires_in":3600,"token_type":"bearer"}}"#);
        scene.fake.fail_always(Endpoint::Token, Fault::json(200, &body));
        scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
        // imgurd has received the answer and refused it.
        scene.wait_until(|account| account.state == State::Waiting);
        let header = scene.ctl(&["token", "--header"]).success();
        assert_eq!(header.stdout, format!("Authorization: Bearer {good}\n"), "{token}");
        scene.fake.clear(Endpoint::Token);
        assert!(scene.fake.is_live(&scene.refresh()), "{token}");
    }
}

#[test]
fn a_prefix_cannot_add_a_header() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let output = scene.ctl(&["token", "--header", "--prefix", "Bearer x\r\nX-Smuggled:"]).exits(2);
    assert_eq!(output.stdout, "");
}

#[test]
fn a_reported_token_is_accepted_in_common_forms_or_refused() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    for around in [
        "{}",
        "Bearer {}",
        "\"{}\"",
        "Authorization: Bearer {}\r\n",
        "authorization: bearer {}",
        "IMGUR_ACCESS_TOKEN={}",
        "https://localhost/callback#access_token={}&expires_in=1",
        "Bearer%20{}",
        "<{}>",
        "{}.",
    ] {
        // A new scene each time, because imgurd accepts at most three rejections of new tokens a minute.
        let scene = Scene::memory(Behaviour::default()).signed_in();
        let token = scene.token();
        let other = scene.ctl_with(&["reject"], &around.replace("{}", &token)).success();
        assert_ne!(other.line(), token, "{around}");
    }
    let token = scene.token();
    for text in
        [format!("{token}\nX: y"), format!("{{\"access_token\":\"{token}\"}}"), "Bearer".into(), "é".into()]
    {
        scene.ctl_with(&["reject"], &text).exits(2).complaint();
    }
    assert_eq!(scene.token(), token);
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn a_client_id_or_secret_with_a_control_character_is_refused_by_name() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let output = scene.ctl(&["account", "set", ACCOUNT, "--client-id", "a\nb"]).exits(2);
    assert!(output.complaint().contains("client_id"), "{}", output.stderr);
    let output = scene.ctl_with(&["account", "set", ACCOUNT, "--client-secret-stdin"], "a\rb").exits(2);
    assert!(output.complaint().contains("client_secret"), "{}", output.stderr);
    let file = "client_id=new\nclient_secret=a\u{7}b\nrefresh_token=rt\n";
    let output = scene.ctl_with(&["import", "new"], file).exits(2);
    assert!(output.complaint().contains("client_secret"), "{}", output.stderr);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1, "only the sign-in sent a token request");
}

/// Blanks and quotes copied along with a client ID.
#[test]
fn blanks_and_quotes_around_a_client_id_are_removed() {
    for around in [" {}", "\"{}\"", "\u{feff}{}\r\n", "\u{a0}{}\u{200b}", "“{}”"] {
        let scene = Scene::memory(Behaviour::default());
        let id = around.replace("{}", &scene.fake.behaviour().client_id);
        scene.ctl(&["account", "set", ACCOUNT, "--client-id", &id]).success();
        let scene = scene.signed_in();
        let shown = scene.account().settings.client_id;
        assert_eq!(shown.as_ref(), Some(&scene.fake.behaviour().client_id), "{around}");
    }
}

#[test]
fn a_redirect_uri_or_issuer_with_a_blank_is_refused_by_name() {
    let scene = Scene::memory(Behaviour::default());
    for (option, url) in [
        ("--redirect-uri", "http://127.0.0.1:8917/callback "),
        ("--redirect-uri", "http://127.0.0.1:8917/call\nback"),
        ("--redirect-uri", "\u{feff}http://127.0.0.1:8917/callback"),
        ("--issuer", "https://as.example/\t"),
    ] {
        let output = scene.ctl(&["account", "set", ACCOUNT, option, url]).exits(2);
        let setting = option.trim_start_matches('-').replace('-', "_");
        assert!(output.complaint().contains(&setting), "{url:?}: {}", output.stderr);
    }
}

/// Names that imgurd has not checked: accounts and applications that do not exist, and fields.
#[test]
fn names_from_a_caller_are_shown_shortened_and_printable() {
    let scene = Scene::memory(Behaviour::default());
    let odd = format!("{NAME}{}", "x".repeat(10_000));
    for (method, parameters) in [
        ("GetToken", json!({ "account": odd })),
        ("SetAccount", json!({ "account": odd })),
        ("RemoveAccount", json!({ "account": odd })),
        ("AddAccount", json!({ "account": odd, "settings": {} })),
        ("RemovePermit", json!({ "application": odd, "account": odd })),
        ("SetPermit", json!({ "application": NAME, "account": ACCOUNT, "allow": true })),
        ("CancelLogin", json!({ "login_id": odd })),
        ("Login", json!({ "flow": odd })),
        (&*odd, json!({})),
    ] {
        let answer = scene.bed.wire().call(method, &parameters);
        assert!(!answer["error"].is_null(), "{method:?}: {answer}");
        for said in answer["parameters"].as_object().unwrap().values().filter_map(Value::as_str) {
            assert!(is_printable(said) && said.len() < 600, "{method:?}: {said:?}");
        }
    }
}

#[test]
fn a_rejected_token_in_utf_16_is_read_from_a_file() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let token = scene.token();
    let file = scene.bed.root().join("utf16");
    let bytes: Vec<u8> = format!("\u{feff}{token}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&file, bytes).unwrap();
    let mut command = scene.bed.command(binary("imgurctl"));
    command.arg("reject").stdin(std::fs::File::open(&file).unwrap());
    assert_ne!(String::from_utf8(command.output().unwrap().stdout).unwrap().trim(), token);
}
