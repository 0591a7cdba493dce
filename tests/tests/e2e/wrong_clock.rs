//! A clock that is wrong by decades at start. No grant is lost, and the times of tokens are right once the clock is
//! right.

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Endpoint, ExpiresIn, Rotation};
use imgurd_tests::testbed::Scene;

use crate::{HOUR, now};

/// Sets the clock to 2039, after the last second that fits in 31 bits.
const THIRTEEN_YEARS: i64 = 13 * 365 * 86_400;

/// A server that accepts a replaced refresh token for an hour.
fn scene() -> Scene {
    Scene::file(Behaviour { rotation: Rotation::Grace(HOUR), ..Behaviour::default() })
}

/// The seconds to a moment after the epoch, where a clock without a battery begins.
fn the_epoch() -> i64 {
    10 - now()
}

/// Whether the account has a token with plausible times.
fn is_right(account: &Account) -> bool {
    let soon = |at: Option<i64>| at.is_some_and(|at| (now()..now() + 2 * 3600).contains(&at));
    account.state == State::Fresh && soon(account.expires_at) && soon(account.next_refresh_at)
}

#[test]
fn a_clock_that_starts_in_2039_loses_no_grant() {
    let mut scene = scene().signed_in();
    assert!(scene.stop().success());
    scene.bed.set_clock(THIRTEEN_YEARS);
    scene.start();
    // By this clock, the token has expired.
    let new = scene.token();
    assert!(scene.fake.is_live(&new));
    assert_eq!(scene.refreshes().len(), 1);
    scene.crash();
    scene.bed.set_clock_right();
    scene.start();
    // Once the clock is right, imgurd refreshes the token without a call.
    scene.wait_until(is_right);
    assert!(scene.fake.is_live(&scene.token()) && scene.token() != new);
    assert_eq!(scene.refreshes().len(), 2);
}

#[test]
fn a_clock_that_starts_in_1970_returns_the_token_and_refreshes_once() {
    let mut scene = scene().signed_in();
    let token = scene.token();
    assert!(scene.stop().success());
    let gate = scene.fake.hold_answer(Endpoint::Token);
    scene.bed.set_clock(the_epoch());
    scene.start();
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    // The token may still work, so imgurd returns it, but prefers a new one.
    let output = scene.ctl(&["token", "--wait", "0s"]).success();
    assert_eq!(output.line(), token);
    scene.crash();
    gate.release();
    scene.bed.set_clock_right();
    scene.start();
    scene.wait_until(|account| account.state == State::Fresh && scene.refreshes().len() == 2);
    assert!(is_right(&scene.account()));
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_token_from_1970_works_once_the_clock_is_right() {
    // Nothing is due in 1970; otherwise the timer would keep firing.
    let mut scene = scene();
    scene.fake.configure(|behaviour| behaviour.expires_in = ExpiresIn::Absent);
    scene.ctl(&["auto-refresh", "off"]).success();
    assert!(scene.stop().success());
    scene.bed.set_clock(the_epoch());
    scene.start();
    scene.login_as("alice", &[]).success();
    let new = scene.refresh();
    assert!(scene.fake.is_live(&new));
    scene.crash();
    scene.bed.set_clock_right();
    scene.start();
    scene.wait_until(|account| account.state == State::Fresh);
    assert_eq!(scene.token(), new);
    scene.fake.configure(|behaviour| behaviour.expires_in = ExpiresIn::Truth);
    scene.ctl(&["auto-refresh", "on"]).success();
    scene.wait_until(is_right);
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(scene.refreshes().len(), 2);
}

/// Saves a record at the wrong time while the account has an earlier grant.
fn keeps_earlier_grants(seconds: i64) {
    let mut scene = scene().signed_in();
    scene.login_as("bob", &["--replace"]).success();
    assert!(scene.stop().success());
    let gate = scene.fake.hold(Endpoint::Token);
    scene.bed.set_clock(seconds);
    scene.start();
    let secret = scene.fake.behaviour().client_secret;
    scene.ctl_with(&["account", "set", "--client-secret-stdin"], &secret).success();
    scene.crash();
    gate.release();
    scene.bed.set_clock_right();
    scene.start();
    scene.wait_until(is_right);
    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.username.as_deref() == Some("alice") && account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn a_clock_in_1970_keeps_earlier_grants() {
    keeps_earlier_grants(the_epoch());
}

#[test]
fn a_clock_in_2039_keeps_earlier_grants() {
    keeps_earlier_grants(THIRTEEN_YEARS);
}

#[test]
fn a_grant_that_is_replaced_in_1970_is_kept_for_30_days() {
    let mut scene = scene().signed_in();
    // Nothing is due in 1970; otherwise the timer would keep firing.
    scene.fake.configure(|behaviour| behaviour.expires_in = ExpiresIn::Absent);
    scene.ctl(&["auto-refresh", "off"]).success();
    assert!(scene.stop().success());
    scene.bed.set_clock(the_epoch());
    scene.start();
    scene.login_as("bob", &["--replace"]).success();
    scene.crash();
    scene.bed.set_clock_right();
    scene.start();
    // Now a server has confirmed the clock, so imgurd would delete grants that were replaced more than 30 days ago.
    scene.fake.configure(|behaviour| behaviour.expires_in = ExpiresIn::Truth);
    scene.refresh();
    scene.ctl(&["auto-refresh", "on"]).success();
    scene.wait_until(is_right);
    scene.crash();
    scene.start();
    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.username.as_deref() == Some("alice") && account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.refresh()));
}
