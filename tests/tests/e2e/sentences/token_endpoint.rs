//! The messages for errors of the token endpoint.

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::Scene;
use serde_json::json;

fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

/// The message of a sign-in whose code exchange ends with this fault.
fn exchange(scene: &Scene, fault: Fault, code: i32) -> String {
    scene.fake.fail_next(Endpoint::Token, fault);
    scene.login_as("alice", &[]).exits(code).stderr
}

fn error(status: u16, code: &str, description: &str) -> Fault {
    Fault::json(status, &json!({ "error": code, "error_description": description }).to_string())
}

#[test]
fn unauthorized_client_names_every_setting_that_may_be_wrong() {
    let scene = scene();
    let said = exchange(&scene, error(400, "unauthorized_client", "Odd client"), 9);
    for part in ["unauthorized_client", "Odd client", "client_id", "client_secret", "client_auth"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(said.contains("`imgurctl account set mytoken --client-secret-stdin`"), "{said}");
}

#[test]
fn a_wrong_token_url_is_suspected_only_before_the_first_grant() {
    let scene = scene();
    let page = |status| Fault::Answer {
        status,
        headers: vec![("Content-Type".into(), "text/html".into())],
        body: "<h1>No</h1>".into(),
    };
    let url = scene.fake.token_url();
    let named = format!("check that token_url ({url}) is the server's token endpoint");
    for fault in [
        page(404),
        page(405),
        page(400),
        page(403),
        Fault::json(404, ""),
        Fault::json(400, "{}"),
        page(200),
        Fault::Redirect("https://example.org/".into()),
    ] {
        let said = exchange(&scene, fault.clone(), 10);
        assert!(said.contains(&named), "{fault:?}: {said}");
        assert!(said.contains("`imgurctl account set mytoken --token-url URL`"), "{said}");
        assert!(said.contains("`imgurctl login mytoken`") && !said.contains("just now"), "{said}");
    }
    let unknown = error(400, "quota_reached", "");
    for (fault, tries) in [(page(500), 3), (page(429), 3), (unknown, 1), (Fault::OverCapacity(403), 3)] {
        (1..tries).for_each(|_| scene.fake.fail_next(Endpoint::Token, fault.clone()));
        let said = exchange(&scene, fault.clone(), 10);
        assert!(!said.contains("token_url"), "{fault:?}: {said}");
        assert!(said.contains("`imgurctl login mytoken`"), "{said}");
    }
    // A URL that has given tokens is a token endpoint.
    let scene = scene.signed_in();
    let said = exchange(&scene, page(404), 10);
    assert!(!said.contains("token_url") && said.contains("HTTP 404"), "{said}");
}

#[test]
fn an_unknown_error_is_shown_and_logged_with_its_description() {
    let mut scene = scene();
    let fault = error(400, "quota_reached", "Zu viele Ger\u{e4}te\u{1b}[m\u{7}\u{202e}, `rm`");
    let shown = "the server says “quota_reached” (Zu viele Ger\u{e4}te[m, 'rm') (HTTP 400)";
    let said = exchange(&scene, fault.clone(), 10);
    assert!(said.contains(shown), "{said}");
    let log = scene.daemon().log();
    assert!(log.contains(shown), "{log}");
    let scene = scene.signed_in();
    scene.fake.fail_always(Endpoint::Token, fault);
    scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
    let account = scene.wait_until(|account| account.state == State::Waiting);
    assert!(account.reason.unwrap().contains("the server says “quota_reached”"));
    scene.fake.fail_always(Endpoint::Token, error(400, "quota_reached", &"word ".repeat(9999)));
    let output = scene.login_as("alice", &[]).exits(10);
    assert!(output.stderr.lines().last().unwrap().len() < 500, "{}", output.stderr);
}

#[test]
fn an_error_description_that_contains_a_secret_is_left_out() {
    let behaviour = Behaviour { client_secret: "open sesame".into(), ..Behaviour::default() };
    let scene = Scene::memory(behaviour);
    for (code, exit) in [("quota_reached", 10), ("invalid_client", 9), ("invalid_grant", 10)] {
        let said = exchange(&scene, error(400, code, "We know no open sesame here"), exit);
        assert!(said.contains(&format!("the server says “{code}”")), "{said}");
        assert!(!said.contains("sesame") && !said.contains("We know"), "{said}");
        assert!(said.contains("mytoken"), "{said}");
    }
    let said = exchange(&scene, error(400, "sesame", "Bad luck"), 10);
    assert!(said.contains("“sesame” (Bad luck)"), "a part of a secret is not left out: {said}");
}

#[test]
fn status_reports_an_unreadable_refresh_token_until_a_readable_one() {
    let scene = scene().signed_in();
    let answer = json!({ "access_token": "0123", "refresh_token": "caf\u{e9}", "expires_in": 3600 });
    scene.fake.fail_next(Endpoint::Token, Fault::json(200, &answer.to_string()));
    scene.ctl(&["refresh"]).success();
    let status = scene.ctl(&["status"]).success().stdout;
    assert!(status.contains("had an unreadable refresh token"), "{status}");
    assert!(status.contains("`imgurctl login mytoken`"), "{status}");
    scene.ctl(&["refresh"]).success();
    assert_eq!(scene.account().reason, None);
}

#[test]
fn the_advice_for_a_lasting_failure_depends_on_the_answer() {
    let scene = scene().signed_in();
    for (fault, hint) in [
        (
            Fault::json(400, "{\"error\":{\"message\":\"No.\"}}"),
            "the server may have ended the grant: run `imgurctl login mytoken`",
        ),
        (Fault::json(404, ""), "check that token_url ("),
        (Fault::json(413, ""), "check that token_url ("),
        (Fault::Redirect("https://example.org/".into()), "check that token_url ("),
        (Fault::OverCapacity(500), "wait, imgurd retries automatically"),
    ] {
        scene.fake.fail_always(Endpoint::Token, fault.clone());
        scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
        scene.wait_until(|account| account.reason.as_deref().is_some_and(|reason| reason.contains(hint)));
    }
}
