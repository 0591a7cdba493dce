//! The page for a browser that comes twice, or that uses TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{Scene, wait_until_free};
use imgurd_tests::{browser, http};
use url::Url;

fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

fn port(scene: &Scene) -> u16 {
    Url::parse(&scene.callback()).unwrap().port().unwrap()
}

/// The first message of a browser at an `https` address (RFC 8446, section 4.1.2).
fn client_hello(scene: &Scene) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port(scene))).unwrap();
    stream.write_all(&[[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3].as_slice(), &[7; 506]].concat()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn a_reloaded_page_repeats_its_result_until_the_port_closes() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let page = browser::allow(&url, "alice");
    login.finish().success();
    let again = browser::open(&page.url);
    assert_eq!(again.status, 200);
    assert!(again.text.contains("Signed in as alice"), "{}", again.text);
    let other_code = page.url.replace("code=", "code=0");
    let said = browser::open(&other_code).text;
    assert!(said.contains("already complete") && !said.contains("alice"), "{said}");
    let said = browser::open(&page.url.replace("state=", "state=0")).text;
    assert!(said.contains("belongs to another sign-in") && !said.contains("alice"), "{said}");
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1, "the code is not sent again");
    wait_until_free(port(&scene));
}

#[test]
fn a_reloaded_page_repeats_a_failure() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let page = browser::deny(&url);
    login.finish().exits(10);
    let again = browser::open(&page.url);
    assert!(again.text.contains("Access was denied"), "{}", again.text);
    let (login, url) = scene.login(&["--flow", "token"]);
    let page = browser::open(&format!("{}?{}", scene.callback(), Url::parse(&url).unwrap().query().unwrap()));
    assert!(page.text.contains("data-nonce"), "{}", page.text);
    scene.ctl(&["login", "--cancel"]).success();
    login.finish().exits(10);
    wait_until_free(port(&scene));
}

#[test]
fn the_next_login_can_use_the_port_at_once_and_doctor_finds_it_free() {
    let scene = scene();
    for user in ["alice", "bob", "alice"] {
        scene.login_as(user, &["--replace"]).success();
    }
    let doctor = scene.ctl(&["doctor"]).stdout;
    assert!(doctor.contains(&format!("Port {} is free", port(&scene))), "{doctor}");
    assert!(http::get(&scene.callback(), None).is_err());
}

#[test]
fn a_browser_that_uses_https_gets_an_alert_and_the_user_a_hint() {
    let mut scene = scene();
    let (login, url) = scene.login(&[]);
    for _ in 0..3 {
        let answer = client_hello(&scene);
        assert_eq!(answer, [21, 3, 1, 0, 2, 2, 40], "the answer is a TLS alert (handshake_failure)");
    }
    assert!(browser::allow(&url, "alice").text.contains("Signed in as alice"));
    let output = login.finish().success();
    let hint = "The browser opened the callback with https, but imgurd serves http; change https to http";
    assert_eq!(output.stderr.matches(hint).count(), 1, "{}", output.stderr);
    let log = scene.daemon().log();
    assert_eq!(log.matches("the browser opened the callback with https").count(), 1, "{log}");
}
