//! A grant that the server refuses. The second refusal counts; imgurd reports it once, and keeps the grant.

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{Bus, Scene, Testbed, in_time};

use crate::notify::{BUTTONS, Server};
use crate::now;

/// Longer than the minute that has to pass before a second refusal counts.
const LATER: i64 = 120;

/// A daemon on a bus, with an account that is signed in.
fn scene() -> (Scene, Bus) {
    let bed = Testbed::file();
    let bus = bed.bus();
    (Scene::new(bed, Behaviour::default()).signed_in(), bus)
}

/// Asks for a refresh, which the server refuses.
fn refused(scene: &Scene) {
    let token = scene.token();
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &serde_json::json!({}));
    let account = scene.wait_until(|account| account.state == State::Waiting);
    assert!(account.reason.unwrap().contains("asks the server once more"));
    assert_eq!(scene.token(), token, "the valid token is still served");
}

/// Restarts the daemon later, and the server refuses again. Across a restart, only the wall clock tells how much time
/// has passed. Then sets the clock right again.
fn refused_again(scene: &mut Scene) {
    let token = scene.token();
    assert!(scene.stop().success());
    scene.bed.set_clock(LATER);
    scene.start();
    let account = scene.wait_until(|account| account.state == State::ConsentNeeded);
    assert!(account.reason.unwrap().contains("imgurctl login mytoken"));
    assert_eq!(scene.token(), token, "the token is served until it expires");
    scene.bed.set_clock_right();
    scene.restart();
    // The daemon knows this from the store, before the server answers.
    assert_eq!(
        scene.wait_until(|account| account.state != State::StoreUnavailable).state,
        State::ConsentNeeded
    );
    assert_eq!(scene.token(), token);
}

/// The server has refused a valid grant twice.
fn refused_twice() -> (Scene, Bus) {
    let (mut scene, bus) = scene();
    scene.fake.fail_always(Endpoint::Token, Fault::invalid_refresh_token());
    refused(&scene);
    refused_again(&mut scene);
    (scene, bus)
}

#[test]
fn a_repeated_refusal_counts_and_is_reported_once() {
    let (scene, _bus) = refused_twice();
    let output = scene.ctl(&["refresh"]).exits(4);
    assert!(output.complaint().contains("imgurctl login mytoken"), "{}", output.stderr);
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let shown = server.notified().await;
        assert_eq!(shown.summary, "imgurd: sign in to 127.0.0.1");
        let asked = scene.refreshes().len();
        scene.ctl(&["refresh"]).exits(4);
        assert_eq!(scene.refreshes().len(), asked + 1, "the refresh was sent, and refused again");
        scene.fake.clear(Endpoint::Token);
        scene.ctl(&["refresh"]).success();
        let signed_in = server.notified().await;
        assert_eq!(
            (signed_in.summary.as_str(), signed_in.replaces),
            ("imgurd: signed in to 127.0.0.1", shown.id),
            "the success is the next notification"
        );
    });
}

#[test]
fn the_user_can_retry_a_refused_grant_at_once() {
    let (scene, _bus) = refused_twice();
    scene.fake.clear(Endpoint::Token);
    assert!(scene.fake.is_live(&scene.refresh()));
    assert_eq!(scene.account().state, State::Fresh);
    let refreshes = scene.refreshes();
    assert!(
        refreshes.iter().all(|it| it.refresh_token() == refreshes[0].refresh_token()),
        "the refresh token was kept"
    );
}

#[test]
fn a_refused_grant_is_retried_once_a_day_and_at_each_start() {
    let (mut scene, _bus) = refused_twice();
    let next = |account: &Account| account.retry_at.or(account.next_refresh_at);
    let next = next(&scene.wait_until(|account| next(account).is_some())).unwrap() - now();
    assert!((86_000..=96_000).contains(&next), "{next}");
    scene.fake.clear(Endpoint::Token);
    scene.crash();
    scene.start();
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_revoked_grant_returns_its_token_until_it_expires() {
    let (mut scene, _bus) = scene();
    scene.fake.revoke_grant();
    refused(&scene);
    refused_again(&mut scene);
    assert!(scene.stop().success());
    // The token has expired after an hour.
    scene.bed.set_clock(2 * 3600);
    scene.start();
    let output = scene.ctl(&["token"]).exits(4);
    assert!(output.complaint().contains("imgurctl login mytoken"), "{}", output.stderr);
    scene.bed.set_clock_right();
    scene.restart();
    scene.login_as("alice", &[]).success();
    assert!(scene.fake.is_live(&scene.token()));
}
