//! No network: at the start, in the middle, and back.

use imgurd_proto::State;

use super::Wired;

#[test]
fn starts_with_no_network_serves_what_is_stored_and_refreshes_when_there_is_one() {
    let mut wired = Wired::cable();
    let old = wired.scene.token();
    wired.network.down();
    wired.meets("the network is down");
    wired.scene.restart();
    // It finds that a refresh was under way, and tries at once.
    let account = wired.scene.wait_until(|account| account.state == State::Waiting);
    super::says(&account, "the network is down");
    assert_eq!(wired.scene.token(), old);

    wired.network.up();
    wired.heals();
    assert_ne!(wired.scene.token(), old);
}

#[test]
fn a_network_that_goes_down_costs_nobody_a_valid_token() {
    let mut wired = Wired::cable();
    wired.network.down();
    let account = wired.meets("the network is down");
    assert!(account.retry_at.is_some());
    wired.survives("the network is down", |wired| wired.network.up());
}
