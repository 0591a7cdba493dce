//! Broken routes and connections.

use imgurd_tests::fake::{Endpoint, Fault};
use imgurd_tests::relay::Manner;
use imgurd_tests::testbed::Testbed;
use serde_json::json;
use std::time::Duration;

use super::{ADDRESS, HOST, Wired};

/// Checks a refresh while a route of this kind (`ip-route(8)`) replaces the address of the server.
#[track_caller]
fn route(kind: &str, why: &str) {
    let mut wired = Wired::https(Testbed::file());
    wired.network.ip(&format!("addr del {ADDRESS}/32 dev lo"));
    wired.network.ip(&format!("route add {kind}"));
    wired.survives(&format!("no connection to {HOST}{why}"), |wired| {
        wired.network.ip(&format!("route del {kind}"));
        wired.network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
    });
}

#[test]
fn a_refresh_is_retried_until_the_server_is_reachable() {
    route(&format!("unreachable {ADDRESS}"), ": the network is down");
    route(&format!("throw {ADDRESS}"), ": the network is down");
    route(&format!("blackhole {ADDRESS}"), "");
}

#[test]
fn the_reason_names_a_firewall_that_blocks_the_server() {
    route(&format!("prohibit {ADDRESS}"), ": a firewall on this machine");
}

#[test]
fn a_connection_attempt_ends_after_ten_seconds() {
    // Packets to an unassigned address of the loopback interface are dropped silently.
    route(&format!("{ADDRESS} dev lo"), " within 10 s: the network may be down");
}

#[test]
fn a_refresh_is_retried_after_a_reset_connection() {
    let mut wired = Wired::cable(Testbed::file());
    wired.relay.set(Manner::Reset);
    wired.survives("the connection to 127.0.0.1 broke", |wired| wired.relay.set(Manner::Plain));
    let mut wired = Wired::https(Testbed::file());
    wired.relay.set(Manner::Reset);
    let good = Manner::Tls(wired.authority.server(HOST));
    wired.survives(&format!("no connection to {HOST}"), |wired| wired.relay.set(good));
}

#[test]
fn a_refresh_is_retried_after_a_truncated_https_answer() {
    let mut wired = Wired::https(Testbed::file());
    wired.scene.fake.fail_always(Endpoint::Token, Fault::DropMidBody);
    wired.survives(&format!("the connection to {HOST} broke"), |wired| {
        wired.scene.fake.clear(Endpoint::Token);
    });
}

#[test]
fn a_slow_answer_is_read_to_its_end() {
    let wired = Wired::https(Testbed::file());
    wired.scene.fake.fail_next(Endpoint::Token, Fault::Trickle(Duration::from_millis(1)));
    let before = wired.scene.refreshes().len();
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    assert_eq!(wired.scene.refreshes().len(), before + 1);
}

#[test]
fn a_silent_server_is_asked_again_after_half_a_minute() {
    let wired = Wired::cable(Testbed::file());
    let old = wired.scene.token();
    let ended = wired.relay.ended();
    wired.relay.set(Manner::Silent);
    let asked = wired.relay.connections();
    wired.scene.bed.wire().ask("Refresh", &json!({ "wait_ms": 0 }));
    wired.relay.wait_for_connections(asked + 1);
    wired.relay.set(Manner::Plain);
    assert_eq!(wired.scene.token(), old, "the valid token is still served");
    wired.relay.wait_for_ends(ended + 1);
    wired.heals();
    assert_ne!(wired.scene.token(), old);
}
