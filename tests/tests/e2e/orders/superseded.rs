//! Tokens that are replaced, rejected or unverified.

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault, Rotation};
use imgurd_tests::testbed::Scene;
use imgurd_tests::wire::token_of;
use serde_json::json;

/// Alice has signed in at a server that revokes a grant if a replaced refresh token is used again, and that
/// invalidates a user's older access tokens with each new one.
fn scene() -> Scene {
    let scene = Scene::file(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() });
    scene.ctl(&["account", "set", "--refresh-reuse", "revokes"]).success();
    scene.signed_in()
}

/// Fails unless a call gets no token.
#[track_caller]
fn returns_no_token(scene: &Scene) {
    let output = scene.ctl(&["token", "--wait", "1s"]).exits(6);
    assert_eq!(output.stdout, "");
}

#[test]
fn an_import_of_an_older_refresh_token_revokes_nothing() {
    let mut scene = scene();
    scene.refresh();
    scene.refresh();
    let older: Vec<_> =
        scene.refreshes().iter().map(|it| it.refresh_token().expect("a refresh").to_owned()).collect();
    for is_restarted in [false, true] {
        for (token, replace) in older.iter().flat_map(|token| [(token, false), (token, true)]) {
            let arguments: &[&str] = if replace { &["import", "--replace"] } else { &["import"] };
            let output = scene.ctl_with(arguments, token).exits(2);
            assert!(output.complaint().contains("sent nothing"), "{}", output.stderr);
        }
        assert!(scene.fake.is_live(&scene.token()), "the token is invalid; restarted: {is_restarted}");
        assert_eq!(scene.refreshes().len(), 2, "nothing was sent");
        scene.restart();
        scene.wait_until(|account| account.state == State::Fresh);
    }
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn a_superseded_token_is_not_returned_after_a_restore() {
    let mut scene = scene();
    let old = scene.token();
    scene.login_as("alice", &[]).success();
    assert!(!scene.fake.is_live(&old));
    scene.fake.go_down();
    scene.ctl(&["restore"]).success();
    returns_no_token(&scene);
    scene.restart();
    returns_no_token(&scene);
    scene.fake.come_back();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_token_that_was_rejected_while_set_aside_is_not_returned() {
    let mut scene = scene();
    let old = scene.token();
    scene.login_as("bob", &["--replace"]).success();
    let current = scene.token();
    assert_eq!(scene.ctl_with(&["reject"], &old).success().line(), current);
    scene.crash();
    scene.start();
    scene.wait_until(|account| account.state == State::Fresh);
    scene.fake.go_down();
    scene.ctl(&["restore"]).success();
    returns_no_token(&scene);
}

#[test]
fn a_rejected_token_is_not_returned_after_a_crash() {
    let mut scene = scene();
    let old = scene.token();
    scene.fake.kill_access_token();
    scene.fake.go_down();
    scene.ctl_with(&["reject", "--wait", "1s"], &old).exits(6);
    for _ in 0..2 {
        scene.crash();
        scene.start();
        returns_no_token(&scene);
    }
    scene.fake.come_back();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_sign_in_during_a_refresh_ends_with_a_valid_token() {
    let scene = scene();
    scene.ctl(&["account", "set", "--flow", "token"]).success();
    let gate = scene.fake.hold(Endpoint::Token);
    let asked = scene.fake.requests(Endpoint::Token).len();
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, asked + 1);
    let (mut login, url) = scene.login(&["--flow", "token", "--paste"]);
    scene.fake.configure(|behaviour| behaviour.callback = None);
    let page = browser::allow(&url, "alice");
    login.write(&format!("{}\n", page.url));
    login.finish().success();
    let signed_in = scene.token();
    assert!(scene.fake.is_live(&signed_in));
    // Only now the server handles the refresh, and invalidates the token of the sign-in.
    gate.release();
    scene.fake.wait_for_answers(Endpoint::Token, asked + 2);
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()), "the restored refresh token is valid");
}

#[test]
fn the_refresh_of_a_replaced_grant_does_not_delay_the_current_one() {
    let scene = scene();
    scene.ctl(&["account", "set", "--flow", "token"]).success();
    let gate = scene.fake.hold(Endpoint::Token);
    let asked = scene.fake.requests(Endpoint::Token).len();
    let (mut before, mut after) = (scene.bed.wire(), scene.bed.wire());
    before.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, asked + 1);
    let (mut login, url) = scene.login(&["--flow", "token", "--paste", "--replace"]);
    scene.fake.configure(|behaviour| behaviour.callback = None);
    let page = browser::allow(&url, "bob");
    login.write(&format!("{}\n", page.url));
    login.finish().success();
    after.ask("Refresh", &json!({}));
    // imgurd sends this refresh while the other one has no answer yet.
    scene.fake.wait_for_requests(Endpoint::Token, asked + 2);
    gate.release();
    assert!(scene.fake.is_live(token_of(&after.answer())));
    scene.wait_until(|account| account.username.as_deref() == Some("bob") && account.state == State::Fresh);
    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.username.as_deref() == Some("alice") && account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()), "the new refresh token of the replaced grant was kept");
}

#[test]
fn a_crash_during_an_import_keeps_the_current_grant() {
    let mut scene = scene();
    let working = scene.token();
    let gate = scene.fake.hold(Endpoint::Token);
    let asked = scene.fake.requests(Endpoint::Token).len();
    let mut import = scene.bed.ctl_spawn(&["import"]);
    import.write("0123456789abcdef\n");
    import.close_input();
    scene.fake.wait_for_requests(Endpoint::Token, asked + 1);
    scene.crash();
    import.finish();
    gate.release();
    scene.start();
    scene.wait_until(|account| account.state == State::Fresh);
    scene.ctl(&["restore"]).exits(2).complaint();
    assert_eq!(scene.token(), working);
    assert_eq!(scene.account().state, State::Fresh);
}

/// Longer than the minute that has to pass before a second refusal counts.
const LATER: i64 = 120;

#[test]
fn a_refusal_with_another_error_code_counts_when_repeated() {
    for (status, body) in [
        (200, r#"{"error":"bad_refresh_token"}"#),
        (400, r#"{"error":"invalid_token"}"#),
        (400, r#"{"error":"invalid_request","error_description":"The refresh token is not known."}"#),
    ] {
        let mut scene = scene();
        scene.refresh();
        scene.fake.fail_always(Endpoint::Token, Fault::json(status, body));
        let mut caller = scene.bed.wire();
        caller.ask("Refresh", &json!({}));
        let account = scene.wait_until(|account| account.state == State::Waiting);
        assert!(account.refused, "{:?}", account.reason);
        assert!(scene.stop().success());
        scene.bed.set_clock(LATER);
        scene.start();
        let account = scene.wait_until(|account| account.state == State::ConsentNeeded);
        assert!(account.refused && account.reason.unwrap().contains("imgurctl login mytoken"), "{body}");
        scene.fake.clear(Endpoint::Token);
        scene.ctl(&["refresh"]).success();
        assert!(!scene.account().refused, "the grant works again");
    }
}

#[test]
fn an_empty_refusal_advises_to_sign_in() {
    let scene = scene();
    let empty = Fault::Answer { status: 400, headers: Vec::new(), body: Vec::new() };
    scene.fake.fail_always(Endpoint::Token, empty);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    let account = scene.wait_until(|account| account.state == State::Waiting);
    let reason = account.reason.unwrap();
    assert!(!account.refused && reason.contains("imgurctl login mytoken"), "{reason}");
}
