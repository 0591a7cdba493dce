//! Revocation at logout (RFC 7009).

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{ACCOUNT, Scene};

fn scene() -> Scene {
    let scene = Scene::file(Behaviour::default()).signed_in();
    let endpoint = format!("{}/oauth2/revoke", scene.fake.origin());
    scene.ctl(&["account", "set", "--revoke-url", &endpoint]).success();
    scene
}

#[test]
fn a_logout_revokes_the_refresh_token_first() {
    let scene = scene();
    let token = scene.token();
    let output = scene.ctl(&["logout"]).success();
    assert!(output.stderr.contains("The server has revoked them."), "{}", output.stderr);
    let requests = scene.fake.requests(Endpoint::Revoke);
    let hints: Vec<_> = requests.iter().map(|request| request.form["token_type_hint"].as_str()).collect();
    assert_eq!(hints, ["refresh_token", "access_token"]);
    assert_eq!(requests[0].form["client_secret"], scene.fake.behaviour().client_secret);
    assert!(!scene.fake.is_live(&token));
    assert_eq!(scene.account().state, State::Empty);
}

#[test]
fn a_server_that_does_not_revoke_keeps_no_grant_here() {
    let scene = scene();
    scene.fake.fail_always(Endpoint::Revoke, Fault::Html(503));
    let output = scene.ctl(&["logout"]).success();
    assert!(output.stderr.contains("The server did not revoke them: "), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Empty);
}

#[test]
fn an_account_is_removed_and_revoked_at_once_or_its_grant_stays() {
    let scene = scene();
    let token = scene.token();
    scene.ctl(&["account", "set", "--revoke-url", ""]).success();
    let output = scene.ctl(&["account", "remove", ACCOUNT, "--revoke"]).exits(2);
    assert!(output.complaint().contains("has no revoke_url"), "{}", output.stderr);
    assert!(scene.fake.is_live(&token) && scene.token() == token, "nothing was changed");
    let endpoint = format!("{}/oauth2/revoke", scene.fake.origin());
    scene.ctl(&["account", "set", "--revoke-url", &endpoint]).success();
    let output = scene.ctl(&["account", "remove", ACCOUNT, "--revoke"]).success();
    assert!(output.stderr.contains("The server has revoked them."), "{}", output.stderr);
    assert!(!scene.fake.is_live(&token));
    scene.bed.account(&scene.fake, ACCOUNT);
    assert_eq!(scene.account().state, State::Empty, "nothing was set aside");
}
