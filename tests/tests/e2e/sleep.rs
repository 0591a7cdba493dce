//! Suspend, as logind announces it: no answer is lost, and callers get their token after it.

use std::time::Duration;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{Logind, Scene, Testbed, in_time};
use imgurd_tests::wire::token_of;
use serde_json::json;

use crate::{expired, momentary};

/// A daemon that has heard of logind, and holds its lock.
async fn scene(behaviour: Behaviour) -> (Scene, Logind) {
    let bed = Testbed::file();
    let logind = bed.logind().await;
    let scene = Scene::new(bed, behaviour).signed_in();
    logind.wait_for_inhibitors(1).await;
    assert_eq!(logind.inhibitors().await, ["sleep imgurd delay"]);
    (scene, logind)
}

/// Blocks until the daemon's log has this line.
fn logged(scene: &mut Scene, line: &str) {
    while !scene.daemon().log().contains(line) {
        std::thread::yield_now();
    }
}

#[test]
fn the_machine_stays_awake_until_the_answer_on_its_way_is_stored() {
    in_time(async {
        let strict = Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() };
        let (mut scene, logind) = scene(strict).await;
        let gate = scene.fake.hold_answer(Endpoint::Token);
        let mut caller = scene.bed.wire();
        caller.ask("Refresh", &json!({}));
        scene.fake.wait_for_requests(Endpoint::Token, 2);
        logind.announce(true).await;
        logged(&mut scene, "the machine is about to sleep");
        assert_eq!(logind.inhibitors().await.len(), 1, "an answer is on its way");
        gate.release();
        logind.wait_for_inhibitors(0).await;

        // The battery dies in its sleep.
        scene.crash();
        scene.start();
        assert!(scene.fake.is_live(&scene.token()), "what had been answered was stored");
        assert!(scene.fake.is_live(&scene.refresh()));
    });
}

#[test]
fn nothing_is_sent_once_sleep_is_announced_and_the_first_caller_after_it_is_served() {
    in_time(async {
        let (scene, logind) = scene(momentary()).await;
        let scene = expired(scene);
        logind.announce(true).await;
        logind.wait_for_inhibitors(0).await;
        let asked = scene.refreshes().len();
        scene.ctl(&["token", "--min-valid", "60s", "--wait", "0s"]).exits(6);
        let mut caller = scene.bed.wire();
        caller.ask("GetToken", &json!({}));
        // The daemon answers in order, so it has taken that wish in when it has answered this one.
        scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
        assert_eq!(scene.refreshes().len(), asked);

        logind.announce(false).await;
        assert!(scene.fake.is_live(token_of(&caller.answer())));
        assert_eq!(scene.refreshes().len(), asked + 1);
        logind.wait_for_inhibitors(1).await;
    });
}

#[test]
fn a_token_that_ended_during_sleep_is_new_for_the_first_caller_after_it() {
    in_time(async {
        let (scene, logind) = scene(momentary()).await;
        scene.fake.configure(|behaviour| behaviour.lifetime = Duration::from_secs(2));
        scene.ctl(&["token"]).success();
        logind.announce(true).await;
        logind.wait_for_inhibitors(0).await;
        // It would have been refreshed by now, and was not.
        scene.wait_until(|account| account.state == State::Stale || account.state == State::Waiting);
        scene.fake.configure(|behaviour| behaviour.lifetime = crate::HOUR);
        logind.announce(false).await;
        assert!(scene.fake.is_live(&scene.token()));
    });
}

#[test]
fn a_logind_that_dies_before_the_machine_sleeps_keeps_nobody_waiting() {
    in_time(async {
        let (scene, logind) = scene(momentary()).await;
        let scene = expired(scene);
        logind.announce(true).await;
        logind.wait_for_inhibitors(0).await;
        logind.crash();
        assert!(scene.fake.is_live(&scene.token()));
    });
}
