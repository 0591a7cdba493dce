//! No network at start or during operation, and its return.

use imgurd_proto::State;
use imgurd_tests::fake::{Endpoint, Fault};
use imgurd_tests::testbed::{Testbed, in_time};

use super::{Wired, says};
use crate::notify::Server;
use crate::now;

const DOWN: &str = "the network is down";

#[test]
fn starts_without_a_network_and_refreshes_once_there_is_one() {
    let mut wired = Wired::https(Testbed::file());
    let old = wired.scene.token();
    wired.unplug();
    wired.meets(DOWN);
    wired.scene.restart();
    // imgurd finds the in-flight mark of a refresh and retries at once.
    says(&wired.scene.wait_until(|account| account.state == State::Waiting), DOWN);
    assert_eq!(wired.scene.token(), old);

    wired.plug_in();
    wired.heals();
    assert_ne!(wired.scene.token(), old);
}

#[test]
fn shows_no_notification_when_the_network_is_down() {
    let bed = Testbed::file();
    let _bus = bed.bus();
    let mut wired = Wired::https(bed);
    in_time(async {
        let mut server = Server::start(&wired.scene.bed, &[]).await;
        wired.unplug();
        wired.survives(DOWN, Wired::plug_in);
        // The first notification is the one for the missing grant.
        wired.scene.ctl(&["logout"]).success();
        wired.scene.ctl(&["token"]).exits(4);
        assert_eq!(server.notified().await.summary, "imgurd: sign in to imgur.test");
    });
}

/// Lets refreshes fail until the next retry is more than a minute away.
fn fail_until_retries_are_rare(wired: &Wired) {
    wired.scene.fake.fail_always(Endpoint::Token, Fault::OverCapacity(500));
    for _ in 0..30 {
        let asked = wired.scene.fake.requests(Endpoint::Token).len();
        wired.scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
        wired.scene.fake.wait_for_answers(Endpoint::Token, asked + 1);
        let account = wired.scene.wait_until(|account| account.state == State::Waiting);
        if account.retry_at > Some(now() + 60) {
            return;
        }
    }
    panic!("after thirty failures in a row, the pause is still short");
}

#[test]
fn a_refresh_is_retried_at_once_when_the_network_returns() {
    let mut wired = Wired::https(Testbed::file());
    fail_until_retries_are_rare(&wired);
    let old = wired.scene.token();
    wired.scene.fake.clear(Endpoint::Token);
    wired.unplug();
    wired.plug_in();
    wired.heals();
    assert_ne!(wired.scene.token(), old);
}

#[test]
fn watches_the_routes_only_while_an_account_waits() {
    let mut wired = Wired::https(Testbed::file());
    assert_eq!(wired.network.listeners(), 0);
    wired.unplug();
    wired.meets(DOWN);
    assert_eq!(wired.network.listeners(), 1);
    wired.plug_in();
    wired.heals();
    assert_eq!(wired.network.listeners(), 0);
}
