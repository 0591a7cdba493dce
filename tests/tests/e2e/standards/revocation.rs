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
fn logout_revokes_the_refresh_token_before_the_access_token() {
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
fn logout_deletes_the_grant_even_if_the_server_does_not_revoke_it() {
    let scene = scene();
    scene.fake.fail_always(Endpoint::Revoke, Fault::Html(503));
    let output = scene.ctl(&["logout"]).success();
    assert!(output.stderr.contains("The server did not revoke them: "), "{}", output.stderr);
    assert_eq!(scene.account().state, State::Empty);
}

#[test]
fn account_remove_with_revoke_revokes_or_changes_nothing() {
    let scene = scene();
    let token = scene.token();
    scene.ctl(&["account", "set", "--revoke-url", ""]).success();
    let output = scene.ctl(&["account", "remove", ACCOUNT, "--revoke"]).exits(2);
    assert!(output.complaint().contains("has no revoke_url"), "{}", output.stderr);
    assert!(scene.fake.is_live(&token) && scene.token() == token, "a failed revocation changes nothing");
    let endpoint = format!("{}/oauth2/revoke", scene.fake.origin());
    scene.ctl(&["account", "set", "--revoke-url", &endpoint]).success();
    let output = scene.ctl(&["account", "remove", ACCOUNT, "--revoke"]).success();
    assert!(output.stderr.contains("The server has revoked them."), "{}", output.stderr);
    assert!(!scene.fake.is_live(&token));
    scene.bed.account(&scene.fake, ACCOUNT);
    assert_eq!(scene.account().state, State::Empty, "the revoked grant was not kept");
}
