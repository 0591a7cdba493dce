//! Consent: every outcome of a login, and its message.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{Scene, wait_until_free};
use imgurd_tests::wire::token_of;
use imgurd_tests::{browser, http};
use rustix::process::Signal;
use serde_json::{Value, json};
use url::Url;

fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

fn parameters(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

/// Whether this process can listen at the callback.
fn is_free(callback: &str) -> bool {
    TcpListener::bind(("127.0.0.1", port(callback))).is_ok()
}

fn port(callback: &str) -> u16 {
    Url::parse(callback).unwrap().port().unwrap()
}

#[test]
fn consent_in_the_browser_brings_a_token() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let page = browser::allow(&url, "alice");
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Signed in as alice"), "{}", page.text);
    let output = login.finish().success();
    assert!(output.stderr.contains("Signed in as alice"), "{}", output.stderr);
    assert!(scene.fake.is_live(&scene.token()));
    let account = scene.account();
    assert_eq!(account.state, State::Fresh);
    assert_eq!(account.username.as_deref(), Some("alice"));
    wait_until_free(port(&scene.callback()));
}

#[test]
fn each_login_has_a_random_state_and_pkce_challenge() {
    let scene = scene();
    scene.ctl(&["account", "set", "--state", "prefix-"]).success();
    let (login, url) = scene.login(&[]);
    let sent = parameters(&url);
    assert_eq!(sent["response_type"], "code");
    assert_eq!(sent["code_challenge_method"], "S256");
    assert!(sent["state"].starts_with("prefix-") && sent["state"].len() >= "prefix-".len() + 22);
    assert!(!sent.contains_key("redirect_uri"), "Imgur takes no redirect_uri");
    browser::allow(&url, "alice");
    login.finish().success();
    // The fake Imgur refuses a verifier that does not match the challenge.
    let request = &scene.fake.wait_for_answers(Endpoint::Token, 1)[0];
    assert_eq!(request.grant_type(), Some("authorization_code"));
    assert!(request.form["code_verifier"].len() >= 43);

    let (_login, other) = scene.login(&[]);
    let other = parameters(&other);
    assert_ne!(sent["state"], other["state"]);
    assert_ne!(sent["code_challenge"], other["code_challenge"]);
}

#[test]
fn send_redirect_uri_adds_the_redirect_uri() {
    let scene = scene();
    scene.ctl(&["account", "set", "--send-redirect-uri", "true"]).success();
    let (login, url) = scene.login(&[]);
    assert_eq!(parameters(&url)["redirect_uri"], scene.callback());
    browser::allow(&url, "alice");
    login.finish().success();
    assert_eq!(scene.fake.requests(Endpoint::Token)[0].form["redirect_uri"], scene.callback());
}

#[test]
fn the_page_and_the_terminal_report_a_denial() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let page = browser::deny(&url);
    assert!(page.text.contains("Access was denied"), "{}", page.text);
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("denied"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Empty);
    assert!(!scene.account().login_pending);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
    wait_until_free(port(&scene.callback()));
}

#[test]
fn an_answer_with_a_wrong_state_does_not_end_the_login() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    for query in ["state=somebody-elses&code=0123", "code=0123"] {
        let page = browser::open(&format!("{}?{query}", scene.callback()));
        assert_eq!(page.status, 400);
        assert!(page.text.contains("belongs to another sign-in"), "{}", page.text);
    }
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0, "no code was sent");
    assert_eq!(browser::allow(&url, "alice").status, 200);
    login.finish().success();
}

#[test]
fn only_the_first_answer_of_a_login_counts() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let gate = scene.fake.hold(Endpoint::Token);
    thread::scope(|scope| {
        let first = scope.spawn(|| browser::allow(&url, "alice"));
        scene.fake.wait_for_requests(Endpoint::Token, 1);
        let state = &parameters(&url)["state"];
        let second = browser::open(&format!("{}?state={state}&code=0123", scene.callback()));
        assert!(second.text.contains("already being completed"), "{}", second.text);
        gate.release();
        assert!(first.join().unwrap().text.contains("Signed in as alice"));
    });
    login.finish().success();
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1, "the second code was not sent");
}

#[test]
fn a_login_names_a_port_in_use_and_paste_works_without_it() {
    let scene = scene();
    let port = port(&scene.callback());
    let other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let output = scene.ctl(&["login", "--no-browser"]).exits(10);
    assert!(output.complaint().contains(&format!("port {port}")), "{}", output.stderr);
    assert!(output.stderr.contains("Another of your programs"), "{}", output.stderr);
    assert!(!output.stderr.contains("--paste"), "{}", output.stderr);
    assert!(!scene.account().login_pending);
    let (_login, _url) = scene.login(&["--paste"]);
    drop(other);
}

#[test]
fn a_login_expires_after_its_timeout() {
    let scene = scene();
    let (login, _url) = scene.login(&["--timeout", "1s"]);
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("Nobody completed the sign-in in time"), "{}", output.stderr);
    assert!(!scene.account().login_pending);
    assert!(is_free(&scene.callback()));
}

#[test]
fn a_login_ends_when_its_client_ends() {
    let scene = scene();
    for signal in [Signal::KILL, Signal::INT] {
        let (login, _url) = scene.login(&[]);
        assert!(scene.account().login_pending);
        assert!(!is_free(&scene.callback()));
        login.signal(signal);
        scene.wait_until(|account| !account.login_pending);
        assert!(is_free(&scene.callback()), "the port is released");
        assert_ne!(login.finish().code, Some(0));
    }
    scene.login_as("alice", &[]).success();
}

#[test]
fn simultaneous_logins_of_an_account_share_one_sign_in() {
    let scene = scene();
    let (first, url) = scene.login(&[]);
    let (second, same) = scene.login(&[]);
    assert_eq!(url, same);
    // The login goes on if one of its clients ends.
    let (third, _) = scene.login(&[]);
    drop(third);
    browser::allow(&url, "alice");
    first.finish().success();
    second.finish().success();
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1);
}

/// The address in the browser's address bar if no callback takes the redirect.
fn landing(scene: &Scene, url: &str) -> String {
    scene.fake.configure(|behaviour| behaviour.callback = None);
    let page = browser::allow(url, "alice");
    assert!(page.url.starts_with("https://imgur.com/"), "{}", page.url);
    page.url
}

#[test]
fn the_whole_redirect_url_can_be_pasted() {
    let scene = scene();
    let (mut login, url) = scene.login(&["--paste"]);
    assert!(!is_free(&scene.callback()), "imgurd listens at the port");
    let address = landing(&scene, &url);
    login.write(&format!("{address}\n"));
    login.finish().success();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn the_code_can_be_pasted_without_its_url() {
    let scene = scene();
    let (mut login, url) = scene.login(&["--paste"]);
    let address = landing(&scene, &url);
    login.write(&parameters(&address)["code"]);
    login.finish().success();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_pasted_address_of_another_login_is_refused() {
    let scene = scene();
    let (mut login, _url) = scene.login(&["--paste"]);
    login.write("https://imgur.com/?state=somebody-elses&code=0123\n");
    let output = login.finish().exits(2);
    assert!(output.stderr.contains("another sign-in"), "{}", output.stderr);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
}

#[test]
fn the_pin_flow_takes_the_pin_that_the_page_shows() {
    let scene = scene();
    let (mut login, url) = scene.login(&["--flow", "pin"]);
    assert_eq!(parameters(&url)["response_type"], "pin");
    let page = browser::allow(&url, "alice");
    login.write(page.pin().unwrap());
    login.finish().success();
    assert_eq!(scene.fake.requests(Endpoint::Token)[0].grant_type(), Some("pin"));
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_wrong_pin_fails_the_login_with_the_servers_message() {
    let scene = scene();
    let (mut login, url) = scene.login(&["--flow", "pin"]);
    browser::allow(&url, "alice");
    login.write("0000000\n");
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("Invalid Pin"), "{}", output.stderr);
}

#[test]
fn the_token_flow_takes_the_pasted_fragment() {
    let scene = scene();
    let (mut login, url) = scene.login(&["--flow", "token", "--paste"]);
    assert_eq!(parameters(&url)["response_type"], "token");
    let address = landing(&scene, &url);
    assert!(address.contains("#access_token="));
    login.write(&format!("{address}\n"));
    login.finish().success();
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(scene.account().username.as_deref(), Some("alice"));
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
    scene.refresh();
}

/// Sends the request to the callback, and returns the status line.
fn status_line(scene: &Scene, request: &str) -> String {
    let port = Url::parse(&scene.callback()).unwrap().port().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_request_for_another_host_name_is_refused() {
    let scene = scene();
    let (_login, url) = scene.login(&[]);
    let state = &parameters(&url)["state"];
    for host in ["evil.example", "localhost", ""] {
        let request = format!("GET /callback?state={state}&code=0123 HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let line = status_line(&scene, &request);
        assert_eq!(line, "HTTP/1.1 400 Bad Request", "{host:?}");
    }
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
    assert!(scene.account().login_pending);
}

#[test]
fn only_the_path_of_the_callback_is_served() {
    let scene = scene();
    let (_login, url) = scene.login(&[]);
    let state = &parameters(&url)["state"];
    let at = |path: &str| scene.callback().replace("/callback", path);
    for path in ["/", "/callback/", "/favicon.ico"] {
        let address = format!("{}?state={state}&code=0123", at(path));
        assert_eq!(http::get(&address, None).unwrap().status, 404, "{path}");
    }
    assert_eq!(http::get(&scene.callback(), None).unwrap().status, 404);
    let form = [("state", state.as_str()), ("code", "0123")];
    assert_eq!(http::post(&scene.callback(), None, &form).unwrap().status, 400);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
}

#[test]
fn the_page_and_the_terminal_report_a_failed_code_exchange() {
    let scene = scene();
    let refused = Fault::refused("Refresh token doesn't exist or is invalid for the client");
    for (fault, times) in [(refused, 1), (Fault::OverCapacity(500), 3)] {
        (0..times).for_each(|_| scene.fake.fail_next(Endpoint::Token, fault.clone()));
        let (login, url) = scene.login(&[]);
        let page = browser::allow(&url, "alice");
        assert_eq!(page.status, 502);
        assert!(page.text.contains("could not be completed"), "{}", page.text);
        let output = login.finish().exits(10);
        assert!(output.stderr.contains("sign in again"), "{}", output.stderr);
    }
    assert_eq!(scene.account().state, State::Empty);
    scene.login_as("alice", &[]).success();
}

#[test]
fn a_code_is_sent_again_when_the_server_is_over_capacity() {
    let scene = scene();
    scene.fake.fail_next(Endpoint::Token, Fault::OverCapacity(403));
    scene.fake.fail_next(Endpoint::Token, Fault::OverCapacity(500));
    scene.login_as("alice", &[]).success();
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 3);
}

#[test]
fn a_login_names_a_wrong_client_secret() {
    let scene = scene();
    scene.fake.configure(|behaviour| "another".clone_into(&mut behaviour.client_secret));
    let mut login = scene.bed.ctl_spawn(&["login", "--no-browser", "--json"]);
    let begun: Value = serde_json::from_str(&login.line().unwrap()).unwrap();
    browser::allow(begun["url"].as_str().unwrap(), "alice");
    let output = login.finish().exits(9);
    let error: Value = serde_json::from_str(&output.stderr).unwrap();
    assert_eq!(error["error"], "Misconfigured");
    assert_eq!(error["setting"], "client_secret");

    let output = scene.login_as("alice", &[]).exits(9);
    assert!(output.stderr.contains("credentials"), "{}", output.stderr);
    assert!(output.stderr.contains("--client-secret-stdin"), "{}", output.stderr);
}

#[test]
fn a_call_during_a_login_waits_for_its_token() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let mut caller = scene.bed.wire();
    caller.ask("GetToken", &json!({}));
    assert!(scene.account().login_pending);
    assert!(!caller.has_answer(), "the call waits");
    browser::allow(&url, "alice");
    assert!(scene.fake.is_live(token_of(&caller.answer())));
    login.finish().success();
}

#[test]
fn a_waiting_call_fails_when_the_login_is_denied() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let waiting = scene.bed.ctl_spawn(&["token"]);
    browser::deny(&url);
    login.finish().exits(10);
    let output = waiting.finish().exits(4);
    assert!(output.complaint().contains("imgurctl login"), "{}", output.stderr);
}

#[test]
fn without_a_grant_or_login_a_call_fails_at_once() {
    let scene = scene();
    // This wait is longer than the test waits for an answer.
    let output = scene.ctl(&["token", "--wait", "1h"]).exits(4);
    assert!(output.complaint().contains("imgurctl login"), "{}", output.stderr);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
}

#[test]
fn a_login_can_be_cancelled_from_another_terminal() {
    let scene = Scene::memory(Behaviour::default());
    let (login, _) = scene.login(&[]);
    assert!(scene.account().login_id.is_some());
    let output = scene.ctl(&["login", "--cancel"]).success();
    assert!(output.stderr.contains("Cancelled"), "{}", output.stderr);
    assert!(login.finish().exits(10).stderr.contains("cancelled"));
    assert_eq!(scene.account().login_id, None);
    let output = scene.ctl(&["login", "--cancel"]).success();
    assert!(output.stderr.contains("No sign-in"), "{}", output.stderr);
}
