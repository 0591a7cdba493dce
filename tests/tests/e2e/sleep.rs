//! Suspend, as logind announces it. No answer is lost, and callers get their token after the machine wakes.

use std::time::Duration;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{Logind, Scene, Testbed, in_time};
use imgurd_tests::wire::token_of;
use serde_json::json;

use crate::{expired, momentary};

/// A daemon that holds logind's inhibitor lock.
async fn scene(behaviour: Behaviour) -> (Scene, Logind) {
    let bed = Testbed::file();
    let logind = bed.logind().await;
    let scene = Scene::new(bed, behaviour).signed_in();
    logind.wait_for_inhibitors(1).await;
    assert_eq!(logind.inhibitors().await, ["sleep imgurd delay"]);
    (scene, logind)
}

/// Waits until the daemon's log has this line.
fn logged(scene: &mut Scene, line: &str) {
    while !scene.daemon().log().contains(line) {
        std::thread::yield_now();
    }
}

#[test]
fn the_machine_stays_awake_until_a_pending_answer_is_saved() {
    in_time(async {
        let strict = Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() };
        let (mut scene, logind) = scene(strict).await;
        let gate = scene.fake.hold_answer(Endpoint::Token);
        let mut caller = scene.bed.wire();
        caller.ask("Refresh", &json!({}));
        scene.fake.wait_for_requests(Endpoint::Token, 2);
        logind.announce(true).await;
        logged(&mut scene, "the machine is about to sleep");
        assert_eq!(logind.inhibitors().await.len(), 1, "imgurd delays sleep while an answer is pending");
        gate.release();
        logind.wait_for_inhibitors(0).await;

        // The machine loses its power during sleep.
        scene.crash();
        scene.start();
        assert!(scene.fake.is_live(&scene.token()), "the answer was saved before the crash");
        assert!(scene.fake.is_live(&scene.refresh()));
    });
}

#[test]
fn nothing_is_sent_before_sleep_and_a_waiting_caller_gets_a_token_after() {
    in_time(async {
        let (scene, logind) = scene(momentary()).await;
        let scene = expired(scene);
        logind.announce(true).await;
        logind.wait_for_inhibitors(0).await;
        let asked = scene.refreshes().len();
        scene.ctl(&["token", "--min-valid", "60s", "--wait", "0s"]).exits(6);
        let mut caller = scene.bed.wire();
        caller.ask("GetToken", &json!({}));
        // The daemon answers in order, so it has received the other call before it answers this one.
        scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
        assert_eq!(scene.refreshes().len(), asked);

        logind.announce(false).await;
        assert!(scene.fake.is_live(token_of(&caller.answer())));
        assert_eq!(scene.refreshes().len(), asked + 1);
        logind.wait_for_inhibitors(1).await;
    });
}

#[test]
fn a_token_that_expired_during_sleep_is_refreshed_for_the_first_caller() {
    in_time(async {
        let (scene, logind) = scene(momentary()).await;
        scene.fake.configure(|behaviour| behaviour.lifetime = Duration::from_secs(2));
        scene.ctl(&["token"]).success();
        logind.announce(true).await;
        logind.wait_for_inhibitors(0).await;
        // An awake daemon would have refreshed the token by now.
        scene.wait_until(|account| account.state == State::Stale || account.state == State::Waiting);
        scene.fake.configure(|behaviour| behaviour.lifetime = crate::HOUR);
        logind.announce(false).await;
        assert!(scene.fake.is_live(&scene.token()));
    });
}

#[test]
fn a_crash_of_logind_before_sleep_delays_no_caller() {
    in_time(async {
        let (scene, logind) = scene(momentary()).await;
        let scene = expired(scene);
        logind.announce(true).await;
        logind.wait_for_inhibitors(0).await;
        logind.crash();
        assert!(scene.fake.is_live(&scene.token()));
    });
}
