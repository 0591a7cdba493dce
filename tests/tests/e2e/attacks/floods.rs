//! Servers whose answers never end.

use std::net::{SocketAddr, TcpListener};

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::relay::{Manner, Relay};
use imgurd_tests::testbed::{ACCOUNT, Scene};
use imgurd_tests::tls::Authority;

/// An interim answer (RFC 8297). HTTP allows any number of them.
const EARLY_HINTS: Manner = Manner::Flood("", "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n");

/// The most bytes that a connection may carry: what imgurd reads, and what the kernel buffers.
const MOST: usize = 16 << 20;

fn relay(to: SocketAddr, manner: Manner) -> (Relay, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (Relay::start(listener, to, manner), address)
}

/// Sets the account's token endpoint to `url`, and imports a grant.
fn imported_at(scene: Scene, url: &str, further: &[&str]) -> Scene {
    let settings = ["account", "set", ACCOUNT, "--token-url", url, "--client-secret-stdin"];
    let secret = scene.fake.behaviour().client_secret;
    scene.ctl_with(&[&settings, further].concat(), &secret).success();
    scene.imported()
}

/// Fails unless imgurd ends the refresh with a reason, serves another account meanwhile, and recovers with the
/// server.
fn is_given_up(scene: &Scene, relay: &Relay, flood: Manner) {
    let honest = scene.fake.requests(Endpoint::Token).len();
    relay.set(flood);
    scene.ctl(&["refresh", "--wait", "0s"]).exits(6);
    scene.ctl(&["refresh", "second"]).success();
    let account = scene.wait_until(|account| account.state == State::Waiting);
    let reason = account.reason.unwrap_or_default();
    assert!(reason.contains("is too long") && reason.contains("retries automatically"), "{reason}");
    assert!((1..MOST).contains(&relay.longest()), "{} bytes", relay.longest());
    relay.set(Manner::Plain);
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
    assert!(scene.fake.requests(Endpoint::Token).len() > honest + 1);
}

fn with_another_account() -> Scene {
    let scene = Scene::memory(Behaviour::default());
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    scene
}

#[test]
fn endless_interim_answers_end_the_refresh_and_delay_no_other_account() {
    let scene = with_another_account();
    let (relay, address) = relay(scene.fake.address(), Manner::Plain);
    let scene = imported_at(scene, &format!("http://{address}/oauth2/token"), &[]);
    is_given_up(&scene, &relay, EARLY_HINTS);
}

#[test]
fn endless_interim_answers_over_tls_end_the_refresh() {
    let scene = with_another_account();
    let authority = Authority::new(scene.bed.root(), "own");
    let (relay, behind) = self::relay(scene.fake.address(), Manner::Plain);
    let (_front, address) = self::relay(behind, Manner::Tls(authority.server("localhost")));
    let (url, file) = (format!("https://localhost:{}/oauth2/token", address.port()), authority.certificate());
    let scene = imported_at(scene, &url, &["--ca-file", file.to_str().unwrap()]);
    is_given_up(&scene, &relay, EARLY_HINTS);
}
