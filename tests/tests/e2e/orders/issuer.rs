//! Settings that change during a sign-in, an import or a request.

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Fault};
use imgurd_tests::testbed::Scene;

/// The redirect of the consent page, with code or tokens.
fn landing(scene: &Scene, url: &str) -> String {
    scene.fake.configure(|behaviour| behaviour.callback = None);
    browser::allow(url, "alice").url
}

/// Changes the settings to another server while the sign-in is open.
fn change_the_server(scene: &Scene) -> Fake {
    let other = Fake::start(Behaviour::default());
    scene.ctl(&["account", "set", "--token-url", &other.token_url()]).success();
    other
}

#[test]
fn tokens_belong_to_the_server_that_the_sign_in_began_with() {
    let scene = Scene::memory(Behaviour::default());
    let (mut login, url) = scene.login(&["--flow", "token", "--paste"]);
    let other = change_the_server(&scene);
    login.write(&format!("{}\n", landing(&scene, &url)));
    login.finish().exits(10);
    scene.ctl(&["refresh"]).exits(4);
    assert_eq!(other.requests(Endpoint::Token).len(), 0, "the grant was sent to the other server");
    scene.ctl(&["account", "set", "--token-url", &scene.fake.token_url()]).success();
    assert!(scene.fake.is_live(&scene.refresh()), "changing back restores the grant");
}

#[test]
fn a_code_goes_only_to_the_server_that_the_sign_in_began_with() {
    let scene = Scene::memory(Behaviour::default());
    let (login, url) = scene.login(&[]);
    let other = change_the_server(&scene);
    browser::allow(&url, "alice");
    login.finish().exits(10);
    assert_eq!(other.requests(Endpoint::Token).len(), 0, "the code was sent to the other server");
    assert_eq!(scene.account().state, State::Empty);
}

#[test]
fn a_grant_is_refreshed_again_once_its_client_id_is_changed_back() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let id = scene.fake.behaviour().client_id;
    for restarts in [false, true] {
        scene.ctl(&["account", "set", "--client-id", "another"]).success();
        if restarts {
            scene.restart();
            scene.wait_until(|account| account.state == State::Empty);
        }
        scene.ctl(&["account", "set", "--client-id", &id]).success();
        let account = scene.account();
        assert_eq!(account.state, State::Fresh, "{:?}", account.reason);
        assert!(account.next_refresh_at.is_some(), "no refresh is scheduled; restarted: {restarts}");
    }
}

#[test]
fn a_user_name_in_a_redirect_is_not_trusted() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let old = scene.token();
    let (refresh, access) = scene.fake.issue_grant("mallory");
    let (mut login, url) = scene.login(&["--flow", "token", "--paste"]);
    let claimed = landing(&scene, &url);
    let (page, _) = claimed.split_once('#').unwrap();
    let tokens = format!("access_token={access}&refresh_token={refresh}&expires_in=3600&token_type=bearer");
    login.write(&format!("{page}#{tokens}&account_username=alice\n"));
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("imgurctl restore"), "{}", output.stderr);
    assert_eq!(scene.token(), old, "a grant of another user replaced the current one");
}

#[test]
fn a_grant_of_an_unknown_user_does_not_replace_the_current_one() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let old = scene.token();
    scene.fake.fail_always(Endpoint::Account, Fault::OverCapacity(500));
    scene.login_as("alice", &[]).exits(10);
    assert_eq!(scene.token(), old);
    scene.login_as("alice", &["--replace"]).success();
    assert_ne!(scene.token(), old);
}
