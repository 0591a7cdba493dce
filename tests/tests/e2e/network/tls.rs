//! Good and bad certificates. imgurd sends nothing to a server with a bad one.

use std::fs;
use std::process::Command;

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::relay::Manner;
use imgurd_tests::testbed::{ACCOUNT, Testbed, binary};
use imgurd_tests::tls::Authority;

use super::{HOST, Wired};
use crate::commands::fails;

#[test]
fn trusts_the_systems_certificate_file() {
    let wired = Wired::https(Testbed::file());
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    assert!(wired.relay.seen().contains("grant_type=refresh_token"));
}

#[test]
fn trusts_the_systems_certificate_directory() {
    let bed = Testbed::file();
    let listed = Authority::new(bed.root(), "listed");
    let directory = bed.root().join("authorities");
    fs::create_dir(&directory).unwrap();
    for name in ["0a1b2c3d.0", "twice.pem"] {
        fs::copy(listed.certificate(), directory.join(name)).unwrap();
    }
    fs::write(directory.join("README"), "no certificate").unwrap();
    bed.set_env("SSL_CERT_DIR", &directory);
    let wired = Wired::https(bed);
    for authority in [&listed, &wired.authority] {
        wired.relay.set(Manner::Tls(authority.server(HOST)));
        assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    }
}

/// Fails unless imgurd sends no request to a server with this bad certificate.
#[track_caller]
fn sends_nothing(manner: impl FnOnce(&Wired) -> Manner, why: &str) {
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
fn sends_nothing_to_a_server_with_an_untrusted_certificate() {
    let untrusted = |wired: &Wired| {
        let untrusted = Authority::new(wired.scene.bed.root(), "stranger");
        Manner::Tls(untrusted.server(HOST))
    };
    sends_nothing(untrusted, "has no issuer that this system trusts");
}

#[test]
fn sends_nothing_to_a_server_with_a_certificate_for_another_name() {
    let other = |wired: &Wired| Manner::Tls(wired.authority.server("portal.test"));
    sends_nothing(other, "belongs to another server");
}

#[test]
fn sends_nothing_to_a_server_with_an_expired_certificate() {
    let expired = |wired: &Wired| Manner::Tls(wired.authority.expired_server(HOST));
    sends_nothing(expired, "has expired: check the clock");
}

#[test]
fn sends_nothing_to_a_server_without_tls() {
    let mut wired = Wired::https(Testbed::file());
    let asked = wired.scene.refreshes().len();
    wired.relay.set(Manner::Plain);
    let good = Manner::Tls(wired.authority.server(HOST));
    wired.survives(&format!("no secure connection to {HOST}"), |wired| {
        assert_eq!(wired.scene.refreshes().len(), asked);
        wired.relay.set(good);
    });
}

/// A server with a certificate of an authority that the system does not trust, and the file of that authority.
fn private() -> (Wired, String) {
    let wired = Wired::https(Testbed::file());
    let own = Authority::new(wired.scene.bed.root(), "own");
    wired.relay.set(Manner::Tls(own.server(HOST)));
    let file = own.certificate().display().to_string();
    (wired, file)
}

fn trust(wired: &Wired, file: &str) {
    wired.scene.ctl(&["account", "set", ACCOUNT, "--ca-file", file]).success();
}

#[test]
fn ca_file_adds_a_trusted_authority() {
    let (wired, file) = private();
    wired.meets(&format!("the certificate of {HOST} has no issuer that this system trusts"));
    trust(&wired, &file);
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));

    // Requests to the API trust the same authorities.
    let api_url = format!("https://{HOST}/3/");
    wired.scene.ctl(&["account", "set", ACCOUNT, "--api-url", &api_url]).success();
    wired.scene.fake.configure(|behaviour| behaviour.callback = None);
    let (mut login, url) = wired.scene.login(&["--paste"]);
    login.write(&browser::allow(&url, "alice").url);
    let told = login.finish().success();
    assert!(format!("{}{}", told.stdout, told.stderr).contains("Signed in as alice."), "{told:?}");
    assert!(wired.relay.seen().contains("GET /3/account/me"));

    // The system's authorities are still trusted.
    wired.relay.set(Manner::Tls(wired.authority.server(HOST)));
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));

    // Other authorities are not trusted.
    wired.relay.set(Manner::Tls(Authority::new(wired.scene.bed.root(), "other").server(HOST)));
    wired.meets("has no issuer that this system trusts");
}

#[test]
fn a_relative_ca_file_is_relative_to_the_configuration() {
    let (wired, file) = private();
    fs::copy(file, wired.scene.bed.config_home().join("imgurd/own.pem")).unwrap();
    let settings = serde_json::json!({ "ca_file": "own.pem" });
    let set = serde_json::json!({ "account": ACCOUNT, "settings": settings });
    assert!(wired.scene.bed.wire().call("SetAccount", &set)["error"].is_null());
    assert!(wired.scene.fake.is_live(&wired.scene.refresh()));
    assert!(check(&wired).0);
}

#[test]
fn an_invalid_ca_file_is_a_misconfiguration_and_keeps_the_token() {
    let (wired, file) = private();
    let spoiled = wired.scene.bed.root().join("spoiled.pem").display().to_string();
    let wrong = spoiled.as_str();
    for spoil in
        [|file: &str| fs::write(file, "nothing").unwrap(), |file: &str| fs::remove_file(file).unwrap()]
    {
        fs::copy(&file, wrong).unwrap();
        trust(&wired, wrong);
        let (token, connections) = (wired.scene.refresh(), wired.relay.connections());
        spoil(wrong);
        let error = fails(|command| wired.scene.ctl(command), &["refresh"], 9, "Misconfigured");
        assert_eq!(error["setting"], "ca_file");
        let reason = error["reason"].as_str().unwrap();
        assert!(reason.contains(wrong) && reason.contains("--ca-file"), "{reason}");
        assert_eq!(wired.scene.token(), token, "a valid token is still served");
        let (is_good, said) = check(&wired);
        assert!(!is_good && said.contains("ca_file") && said.contains(wrong), "{said}");
        assert_eq!(wired.relay.connections(), connections, "imgurd made no connection");
    }
    trust(&wired, &file);
    wired.scene.wait_until(|account| account.state == State::Fresh);
    wired.scene.refresh();
}

/// Whether `imgurd --check` succeeds, and its messages.
fn check(wired: &Wired) -> (bool, String) {
    let mut command: Command = wired.scene.bed.command(binary("imgurd"));
    let output = command.arg("--check").output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}
