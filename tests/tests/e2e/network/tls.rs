//! Certificates, good and bad: nothing is sent to a server that has no good one.

use imgurd_tests::relay::Manner;
use imgurd_tests::testbed::Testbed;
use imgurd_tests::tls::Authority;

use super::{HOST, Wired};

#[test]
fn trusts_whom_the_system_trusts() {
    let wired = Wired::https(Testbed::file());
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    assert!(wired.relay.seen().contains("grant_type=refresh_token"));
}

/// The server's certificate is another; not a word of the request is said to it.
#[track_caller]
fn says_nothing(manner: impl FnOnce(&Wired) -> Manner, why: &str) {
    let mut wired = Wired::https(Testbed::file());
    let (heard, connections) = (wired.relay.seen(), wired.relay.connections());
    wired.relay.set(manner(&wired));
    let good = Manner::Tls(wired.authority.server(HOST));
    wired.survives(&format!("the certificate of {HOST} {why}"), |wired| {
        assert!(wired.relay.connections() > connections);
        assert_eq!(wired.relay.seen(), heard);
        wired.relay.set(good);
    });
}

#[test]
fn tells_nothing_to_somebody_who_signs_certificates_himself() {
    let stranger = |wired: &Wired| {
        let stranger = Authority::new(wired.scene.bed.root(), "stranger");
        Manner::Tls(stranger.server(HOST))
    };
    says_nothing(stranger, "is signed by nobody whom this system trusts");
}

#[test]
fn tells_nothing_to_a_server_of_another_name() {
    let other = |wired: &Wired| Manner::Tls(wired.authority.server("portal.test"));
    says_nothing(other, "is another server's");
}

#[test]
fn tells_nothing_to_a_server_whose_certificate_has_expired() {
    let expired = |wired: &Wired| Manner::Tls(wired.authority.expired_server(HOST));
    says_nothing(expired, "has expired: check the clock");
}

#[test]
fn tells_nothing_to_a_server_that_speaks_no_tls() {
    let mut wired = Wired::https(Testbed::file());
    let asked = wired.scene.refreshes().len();
    wired.relay.set(Manner::Plain);
    let good = Manner::Tls(wired.authority.server(HOST));
    wired.survives(&format!("no secure connection to {HOST}"), |wired| {
        assert_eq!(wired.scene.refreshes().len(), asked);
        wired.relay.set(good);
    });
}
