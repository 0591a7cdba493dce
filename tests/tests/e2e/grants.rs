//! Import, restore and logout: no grant is overwritten without asking, and replaced grants are kept.

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Scene, account_arguments};
use serde_json::json;

fn scene() -> Scene {
    Scene::memory(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() })
}

#[test]
fn import_reads_every_form_of_a_grant_and_verifies_it() {
    let forms: [fn(&str, &str) -> String; 4] = [
        |refresh, access| {
            json!({ "access_token": access, "expires_in": 3600, "token_type": "bearer",
                "refresh_token": refresh, "account_username": "alice" })
            .to_string()
        },
        |refresh, access| {
            format!("https://imgur.com/#access_token={access}&expires_in=315360000&refresh_token={refresh}\n")
        },
        |refresh, access| {
            // An environment that Postman exported.
            json!({ "name": "Imgur", "values": [
                { "key": "accessToken", "value": access, "enabled": true },
                { "key": "refreshToken", "value": refresh, "type": "secret", "enabled": true },
                { "key": "username", "value": "alice", "enabled": true },
            ], "_postman_variable_scope": "environment" })
            .to_string()
        },
        |refresh, _| format!("  {refresh}\n"),
    ];
    for form in forms {
        let scene = scene();
        let (refresh, access) = scene.fake.issue_grant("alice");
        let output = scene.ctl_with(&["import"], &form(&refresh, &access)).success();
        assert!(output.stderr.contains("signed in as alice"), "{}", output.stderr);
        assert_eq!(scene.refreshes()[0].refresh_token(), Some(refresh.as_str()));
        assert!(scene.fake.is_live(&scene.token()));
        assert_eq!(scene.account().state, State::Fresh);
        scene.refresh();
    }
}

#[test]
fn an_import_without_a_grant_is_refused() {
    let scene = scene();
    for text in ["", "two words", "{\"access_token\":\"0123\"}", "https://imgur.com/"] {
        scene.ctl_with(&["import"], text).exits(2).complaint();
    }
    assert_eq!(scene.account().state, State::Empty);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
}

#[test]
fn an_import_that_the_server_rejects_is_reported_and_kept() {
    let scene = scene();
    let output = scene.ctl_with(&["import"], "0123456789abcdef").exits(4);
    assert!(output.complaint().contains("does not work"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Waiting);
}

#[test]
fn a_rejected_import_keeps_the_current_grant() {
    let scene = scene().signed_in();
    let old = scene.token();
    let output = scene.ctl_with(&["import"], "0123456789abcdef").exits(2);
    assert!(output.complaint().contains("the current grant stays"), "{}", output.stderr);
    assert_eq!(scene.token(), old);
    scene.refresh();
}

#[test]
fn an_import_while_the_server_is_down_is_verified_later() {
    let mut scene = scene();
    let (refresh, _) = scene.fake.issue_grant("alice");
    scene.fake.go_down();
    let output = scene.ctl_with(&["import"], &refresh).success();
    assert!(output.stderr.contains("not verified yet"), "{}", output.stderr);
    scene.wait_until(|account| account.state == State::Waiting);
    scene.fake.come_back();
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(scene.account().username.as_deref(), Some("alice"));
}

#[test]
fn an_unverified_import_does_not_replace_a_working_grant() {
    let scene = scene().signed_in();
    let old = scene.token();
    let (refresh, _) = scene.fake.issue_grant("alice");
    scene.fake.fail_always(Endpoint::Token, Fault::OverCapacity(500));
    let output = scene.ctl_with(&["import"], &refresh).exits(6);
    assert!(output.complaint().contains("--replace"), "{}", output.stderr);
    assert_eq!(scene.token(), old);
    let output = scene.ctl_with(&["import", "--replace"], &refresh).exits(6);
    assert!(output.complaint().contains("aside"), "{}", output.stderr);
    let restore = format!("`imgurctl restore {ACCOUNT}`");
    for output in [output, scene.ctl(&["restore"]).exits(6)] {
        assert!(output.complaint().contains(&restore), "{}", output.stderr);
    }
    assert_eq!(scene.token(), old, "an unverified grant does not replace a working one");
    scene.fake.clear(Endpoint::Token);
    scene.ctl(&["restore"]).success();
    assert_ne!(scene.token(), old);
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn an_import_of_the_same_user_replaces_the_grant() {
    let scene = scene().signed_in();
    let (refresh, _) = scene.fake.issue_grant("alice");
    scene.ctl_with(&["import"], &refresh).success();
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(scene.refreshes()[0].refresh_token(), Some(refresh.as_str()));
    // The earlier grant can be restored.
    scene.ctl(&["restore"]).success();
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn an_import_of_another_user_needs_replace() {
    let scene = scene().signed_in();
    let old = scene.token();
    let (refresh, access) = scene.fake.issue_grant("bob");
    let json =
        json!({ "access_token": access, "refresh_token": refresh, "account_username": "bob" }).to_string();
    let output = scene.ctl_with(&["import"], &json).exits(2);
    assert!(output.complaint().contains("--replace"), "{}", output.stderr);
    assert_eq!(scene.refreshes().len(), 0, "no refresh token was sent");
    assert_eq!(scene.token(), old);

    // imgurd learns the user of a bare refresh token only by using it. It then sets the new grant aside, for
    // `restore`.
    let output = scene.ctl_with(&["import"], &refresh).exits(2);
    assert!(output.complaint().contains("restore"), "{}", output.stderr);
    assert_eq!(scene.token(), old);
    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.state == State::Fresh && account.username.as_deref() == Some("bob"));
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn an_import_with_replace_accepts_another_user_and_can_be_undone() {
    let scene = scene().signed_in();
    let (refresh, _) = scene.fake.issue_grant("bob");
    scene.ctl_with(&["import", "--replace"], &refresh).success();
    assert_eq!(scene.account().username.as_deref(), Some("bob"));
    let output = scene.ctl(&["restore"]).success();
    assert_eq!(output.stdout, "");
    scene.wait_until(|account| account.state == State::Fresh && account.username.as_deref() == Some("alice"));
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn a_sign_in_as_another_user_is_set_aside_without_replace() {
    let scene = scene().signed_in();
    let old = scene.token();
    let output = scene.login_as("bob", &[]).exits(10);
    assert!(output.stderr.contains("imgurctl restore"), "{}", output.stderr);
    assert_eq!(scene.token(), old);
    assert_eq!(scene.account().username.as_deref(), Some("alice"));

    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.state == State::Fresh && account.username.as_deref() == Some("bob"));
    assert!(scene.fake.is_live(&scene.refresh()));

    scene.login_as("carol", &["--replace"]).success();
    assert_eq!(scene.account().username.as_deref(), Some("carol"));
    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.username.as_deref() == Some("bob"));
}

#[test]
fn a_sign_in_as_the_same_user_needs_no_option() {
    let scene = scene().signed_in();
    let old = scene.token();
    scene.login_as("alice", &[]).success();
    assert_ne!(scene.token(), old);
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn restore_fails_without_an_earlier_grant() {
    let scene = scene();
    let output = scene.ctl(&["restore"]).exits(2);
    assert!(output.complaint().contains("imgurctl login"), "{}", output.stderr);
}

#[test]
fn logout_deletes_all_grants_of_the_account() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    scene.login_as("bob", &["--replace"]).success();
    scene.ctl(&["logout"]).success();
    assert_eq!(scene.account().state, State::Empty);
    scene.ctl(&["token"]).exits(4);
    scene.restart();
    assert_eq!(scene.wait_until(|account| account.state != State::StoreUnavailable).state, State::Empty);
    scene.ctl(&["token"]).exits(4);
    scene.ctl(&["restore"]).exits(2);
    assert_eq!(scene.refreshes().len(), 0);
    // The client secret is kept.
    scene.login_as("alice", &[]).success();
}

#[test]
fn a_late_answer_does_not_undo_a_logout() {
    let scene = scene().signed_in();
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    scene.ctl(&["logout"]).success();
    gate.release();
    scene.fake.wait_for_answers(Endpoint::Token, 2);
    assert_eq!(imgurd_tests::wire::error_of(&caller.answer()), "ConsentNeeded");
    scene.login_as("bob", &[]).success();
    assert_eq!(scene.account().username.as_deref(), Some("bob"));
}

#[test]
fn a_changed_client_id_sets_the_grant_aside_until_it_is_changed_back() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let token = scene.token();
    let output = scene.ctl(&["account", "set", "--client-id", "another"]).success();
    assert!(output.stderr.contains("aside"), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Empty);
    scene.ctl(&["token"]).exits(4);
    scene.restart();
    scene.ctl(&["token"]).exits(4);
    let id = scene.fake.behaviour().client_id;
    scene.ctl(&["account", "set", "--client-id", &id]).success();
    assert_eq!(scene.token(), token);
    assert_eq!(scene.refreshes().len(), 0, "no grant was sent with another client_id");
}

#[test]
fn a_grant_that_is_set_aside_survives_another_sign_in() {
    let scene = scene().signed_in();
    let token = scene.token();
    let first = scene.fake.behaviour().client_id;
    scene.ctl(&["account", "set", "--client-id", "another"]).success();
    scene.fake.configure(|behaviour| "another".clone_into(&mut behaviour.client_id));
    scene.login_as("bob", &[]).success();
    assert_eq!(scene.account().username.as_deref(), Some("bob"));
    scene.ctl(&["account", "set", "--client-id", &first]).success();
    assert_eq!(scene.token(), token);
}

#[test]
fn a_grant_is_sent_only_to_the_server_that_gave_it() {
    let scene = scene().signed_in();
    let other = imgurd_tests::fake::Fake::start(Behaviour::default());
    let (address, asked) = (scene.fake.address(), scene.fake.requests(Endpoint::Token).len());
    // A different port, host or scheme is a different origin (RFC 6454).
    for url in [
        other.token_url(),
        format!("http://localhost:{}/oauth2/token", address.port()),
        format!("https://{address}/oauth2/token"),
    ] {
        scene.ctl(&["account", "set", "--token-url", &url]).success();
        scene.ctl(&["refresh"]).exits(4);
        scene.ctl(&["token"]).exits(4);
        assert_eq!(other.requests(Endpoint::Token).len(), 0);
        assert_eq!(scene.fake.requests(Endpoint::Token).len(), asked, "the grant was sent to {url}");
    }
    scene.ctl(&["account", "set", "--token-url", &scene.fake.token_url()]).success();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn an_account_that_is_added_again_has_its_grant_back() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let token = scene.token();
    for restarts in [false, true] {
        scene.ctl(&["account", "remove", ACCOUNT]).success();
        scene.ctl(&["token", ACCOUNT]).exits(3);
        if restarts {
            scene.restart();
        }
        scene.bed.account(&scene.fake, ACCOUNT);
        scene.wait_until(|account| account.state == State::Fresh);
        assert_eq!(scene.token(), token);
    }
    assert!(account_arguments(&scene.fake, ACCOUNT).contains(&scene.callback()));
}
