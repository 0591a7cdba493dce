//! After consent, imgurd asks the API whose token it is and whether it works.

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::Scene;

use crate::HOUR;

/// Signs in while the API answers with this fault, and returns the message of `imgurctl login`.
fn told(fault: Fault) -> String {
    let scene = Scene::memory(Behaviour::default());
    scene.fake.fail_always(Endpoint::Account, fault);
    let output = scene.login_as("alice", &[]).success();
    let account = scene.account();
    assert_eq!(
        (account.state, account.username.as_deref()),
        (State::Fresh, Some("alice")),
        "the user name of the token response is kept"
    );
    assert!(scene.fake.is_live(&scene.token()));
    output.stdout.lines().chain(output.stderr.lines()).last().unwrap().to_owned()
}

#[test]
fn a_login_asks_the_api_once_whose_token_it_is() {
    let scene = Scene::memory(Behaviour::default());
    let output = scene.login_as("alice", &[]).success();
    assert!(format!("{}{}", output.stdout, output.stderr).contains("Signed in as alice."));
    let requests = scene.fake.requests(Endpoint::Account);
    assert_eq!(requests.len(), 1);
    assert!(!format!("{}{}", output.stdout, output.stderr).contains("token"));
}

#[test]
fn a_login_keeps_the_grant_when_the_api_is_over_capacity() {
    let told = told(Fault::OverCapacity(403));
    assert!(told.contains("over capacity") && told.contains("keeps"), "{told}");
}

#[test]
fn a_login_keeps_the_grant_when_the_api_blocks_the_country() {
    let body =
        r#"{"data":{"error":{"code":1016,"message":"Banned country attempt"}},"success":false,"status":400}"#;
    let told = told(Fault::json(400, body));
    assert!(told.contains("country"), "{told}");
}

#[test]
fn a_login_reports_that_the_api_rejects_the_new_token() {
    let told = told(Fault::Error(403, "The access token provided is invalid.".into()));
    assert!(told.contains("rejects the new token") && told.contains("imgurctl refresh mytoken"), "{told}");
}

#[test]
fn a_hanging_api_delays_no_caller_and_the_login_only_briefly() {
    let scene = Scene::memory(Behaviour { lifetime: HOUR, ..Behaviour::default() });
    let gate = scene.fake.hold(Endpoint::Account);
    let (login, url) = scene.login(&[]);
    let page = std::thread::spawn(move || imgurd_tests::browser::allow(&url, "alice"));
    scene.fake.wait_for_requests(Endpoint::Account, 1);
    // The login is still in progress, but callers already get a token.
    assert!(scene.fake.is_live(&scene.token()));
    let output = login.finish().success();
    assert!(format!("{}{}", output.stdout, output.stderr).contains("does not answer"));
    assert!(page.join().unwrap().text.contains("Signed in as alice"));
    gate.release();
}
