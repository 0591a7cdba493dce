//! Clock changes while the daemon runs, and clocks that differ from the server's.

use std::time::Duration;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, PATIENCE};
use imgurd_tests::testbed::{Scene, Testbed};
use serde_json::Value;

const DAY: i64 = 86_400;

/// A daemon whose clock can be set.
fn scene(behaviour: Behaviour, seconds: i64) -> Scene {
    let bed = Testbed::file();
    bed.set_clock(seconds);
    Scene::new(bed, behaviour).signed_in()
}

#[test]
fn a_clock_jump_keeps_the_token_and_causes_no_request() {
    let scene = scene(Behaviour::default(), 0);
    let token = scene.token();
    let expires_at = scene.account().expires_at.unwrap();
    for days in [1, -2, 9000, 0] {
        scene.bed.set_clock(days * DAY);
        assert_eq!(scene.token(), token, "{days}");
        let account = scene.account();
        assert_eq!(account.state, State::Fresh);
        let moved = account.expires_at.unwrap() - expires_at;
        assert!((moved - days * DAY).abs() <= 2, "{days}: {moved}");
    }
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn a_clock_that_is_set_back_does_not_prolong_a_token() {
    let scene = scene(Behaviour { lifetime: Duration::from_secs(3), ..Behaviour::default() }, 0);
    let gate = scene.fake.hold(Endpoint::Token);
    let token = scene.token();
    scene.bed.set_clock(-DAY);
    scene.ctl(&["status"]).success();
    // Wait until the token expires at the server.
    while scene.fake.is_live(&token) {
        std::thread::yield_now();
    }
    scene.ctl(&["token", "--wait", "0s"]).exits(6);
    gate.release();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_clock_jump_is_accounted_for_after_a_restart() {
    let mut scene = scene(Behaviour::default(), 0);
    let token = scene.token();
    scene.bed.set_clock(DAY);
    scene.token();
    scene.wait_until(|account| account.state == State::Fresh && !account.unsaved);
    scene.restart();
    assert_eq!(scene.token(), token, "the saved times were adjusted to the new clock");
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn status_shows_a_clock_that_differs_from_the_servers() {
    let scene = scene(Behaviour::default(), 3 * 3600);
    let status = scene.ctl(&["status", "--json"]).success().stdout;
    let accounts: Value = serde_json::from_str(&status).unwrap();
    let skew = accounts["accounts"][0]["clock_skew_s"].as_i64().unwrap_or_else(|| panic!("{status}"));
    assert!((skew - 10800).unsigned_abs() <= PATIENCE.as_secs(), "{skew}");
    let table = scene.ctl(&["status"]).success().stdout;
    assert!(table.contains("clock is about") && table.contains("timedatectl"), "{table}");
}
