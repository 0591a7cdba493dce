//! Host names without an address, and host names with a working and a broken address.

use std::thread;

use imgurd_proto::State;
use imgurd_tests::testbed::Testbed;

use super::{ADDRESS, HOST, Wired, at, lead_to_host, says};

#[test]
fn a_silent_name_server_does_not_delay_other_accounts() {
    let mut wired = Wired::cable(Testbed::file());
    // With these options glibc waits for minutes.
    wired.network.replace("/etc/resolv.conf", "nameserver 127.0.0.53\noptions timeout:30 attempts:5\n");
    let queries = wired.network.datagrams(at("127.0.0.53", 53));
    let scene = &mut wired.scene;
    scene.bed.account(&scene.fake, "far");
    lead_to_host(scene, "far");
    let mut import = scene.bed.ctl_spawn(&["import", "far"]);
    import.write(&scene.fake.issue_grant("bob").0);
    let import = thread::spawn(move || import.finish());
    let mut query = [0; 512];
    let length = queries.recv(&mut query).unwrap();
    assert!(query[..length].windows(11).any(|part| part == b"\x05imgur\x04test"));

    let old = scene.token();
    assert_ne!(scene.refresh(), old, "another account is refreshed in the meantime");
    let account = scene.bed.wait_until("far", |account| account.state == State::Waiting);
    says(&account, &format!("no connection to {HOST} within 10 s"));
    import.join().unwrap().success();
    assert!(scene.stop().success(), "the daemon stops without waiting for the name");
}

#[test]
fn a_refresh_is_retried_when_a_host_name_is_not_found() {
    let mut wired = Wired::https(Testbed::file());
    wired.network.know(&[]);
    wired.survives(&format!("the address of {HOST} was not found"), |wired| {
        wired.network.know(&[(ADDRESS, HOST)]);
    });
}

#[test]
fn an_unreachable_ipv6_address_does_not_fail_a_refresh() {
    let mut wired = Wired::https(Testbed::file());
    // The neighbour's hardware address is not that of the other end, which therefore drops the packets.
    for command in [
        "link add near type veth peer name far",
        "link set near up",
        "link set far up",
        "addr add 2001:db8::2/64 dev near nodad",
        "-6 neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 dev near",
    ] {
        wired.network.ip(command);
    }
    wired.network.know(&[("2001:db8::1", HOST), (ADDRESS, HOST)]);
    let before = wired.network.connections_tried();
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    assert_eq!(
        wired.network.connections_tried() - before,
        2,
        "both addresses are tried, since the first does not answer"
    );
}
