//! The daemon's checks of the bus, the store, notifications and the browser.

use imgurd_proto::Health;
use imgurd_proto::dbus::BUS_NAME;
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Scene, Testbed, in_time};

use super::{browser, examine, examine_meanwhile};
use crate::notify::Server;

#[test]
fn finds_a_missing_bus() {
    let bed = Testbed::memory();
    let mut bus = bed.bus();
    let _daemon = bed.daemon();
    examine(&bed).expect_ok("bus", BUS_NAME);
    bus.stop();
    examine(&bed).expect("bus", Health::Warn, "There is no session bus", "start imgurd");
    drop(bus);
    let bed = Testbed::memory();
    let _daemon = bed.daemon_with(&["--no-dbus"]);
    examine(&bed).expect("bus", Health::Warn, "--no-dbus", "use its socket");
}

#[test]
fn finds_another_owner_of_the_bus_name() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    in_time(async {
        let other = bed.connect().await;
        other.request_name(BUS_NAME).await.unwrap();
        let _daemon = bed.daemon();
        let found = examine_meanwhile(&bed).await;
        found.expect("bus", Health::Warn, "Another program owns", "end the other imgurd");
    });
}

#[test]
fn finds_a_missing_or_locked_keyring_without_a_dialog() {
    let bed = Testbed::new();
    let _bus = bed.bus();
    let mut keyring = bed.keyring();
    let _daemon = bed.daemon();
    examine(&bed).expect("store", Health::Fail, "No keyring answers", "gnome-keyring");
    keyring.start(&bed);
    examine(&bed).expect_ok("store", "unlocked");
    keyring.lock();
    examine(&bed).expect("store", Health::Fail, "GNOME Keyring is locked", "imgurctl unlock");
    assert_eq!(keyring.dialogs(), 0);
}

#[test]
fn finds_a_store_that_keeps_grants_only_in_memory() {
    let bed = Testbed::memory();
    let _daemon = bed.daemon();
    examine(&bed).expect("store", Health::Warn, "only in memory", "another store in config.toml");
}

#[test]
fn finds_missing_notifications_and_missing_buttons() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let _daemon = bed.daemon();
    examine(&bed).expect("notifications", Health::Warn, "No notification server", "dunst");
    in_time(async {
        let _server = Server::start(&bed, &["body"]).await;
        let found = examine_meanwhile(&bed).await;
        found.expect("notifications", Health::Warn, "shows no buttons", "imgurctl permit");
    });
}

#[test]
fn finds_a_missing_browser() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let daemon = bed.daemon();
    let found = examine(&bed);
    found.expect("browser", Health::Warn, "there is no display", "imgurctl login");
    found.expect("login", Health::Warn, "no display or no browser", "imgurctl login --paste");
    drop(daemon);
    browser(&bed);
    let scene = Scene::new(bed, Behaviour::default());
    let found = examine(&scene.bed);
    found.expect_ok("browser", "with xdg-open");
    found.expect_ok("login", "can open a browser");
}
