//! The desktop's keyring: a real GNOME Keyring, locked, absent, replaced, hung, and a person who may not be there.

use std::fs;

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Answer, Bus, Keyring, Scene, Testbed};

/// A person's session: a bus, a keyring, a daemon.
struct Session {
    // In this order, so that what others stand on ends last.
    keyring: Keyring,
    scene: Scene,
    bus: Bus,
}

/// Signed in, with the keyring unlocked.
fn session(behaviour: Behaviour) -> Session {
    let bed = Testbed::new();
    let bus = bed.bus();
    let mut keyring = bed.keyring();
    keyring.start(&bed);
    let scene = Scene::new(bed, behaviour).signed_in();
    Session { keyring, scene, bus }
}

/// The daemon stopped, and what happens to the keyring then.
fn stopped(meanwhile: impl FnOnce(&mut Session)) -> Session {
    let mut session = session(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() });
    assert!(session.scene.stop().success());
    meanwhile(&mut session);
    session
}

/// The account once the store has been looked at, and why it is as it is.
fn trouble(scene: &Scene) -> (Account, String) {
    let account = scene.wait_until(|account| {
        account.reason.as_deref().is_none_or(|reason| !reason.contains("still being read"))
    });
    let reason = account.reason.clone().unwrap_or_default();
    (account, reason)
}

fn is_fresh(account: &Account) -> bool {
    account.state == State::Fresh && !account.unsaved
}

#[test]
fn what_is_kept_can_be_read_with_other_programs() {
    let session = session(Behaviour::default());
    let lookup = ["lookup", "service", "imgurd", "username", ACCOUNT];
    let item = session.scene.bed.secret_tool(&lookup, "").expect("an item");
    let record: serde_json::Value = serde_json::from_str(&item).unwrap();
    assert_eq!(record["version"], 1);
    assert!(item.contains(&session.scene.token()));
    assert_eq!(session.keyring.dialogs(), 0);
}
