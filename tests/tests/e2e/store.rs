//! The store: what was given survives, and what cannot be read is neither taken for nothing nor overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::Scene;

/// A daemon that stopped, with its grants in a file.
fn stopped() -> Scene {
    let mut scene =
        Scene::file(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }).signed_in();
    assert!(scene.stop().success());
    scene
}

fn key(scene: &Scene) -> PathBuf {
    scene.bed.config_home().join("imgurd/key")
}

fn keyring(scene: &Scene) -> PathBuf {
    scene.bed.state_home().join("imgurd/grants.keyring")
}

/// The account once the store has been looked at.
fn trouble(scene: &Scene) -> (Account, String) {
    let account = scene.wait_until(|account| {
        account.reason.as_deref().is_none_or(|reason| !reason.contains("still being read"))
    });
    let reason = account.reason.clone().unwrap_or_default();
    (account, reason)
}

#[test]
fn the_encrypted_file_survives_a_crash_at_any_time() {
    let mut scene =
        Scene::file(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }).signed_in();
    let mut token = scene.token();
    for _ in 0..3 {
        scene.crash();
        scene.start();
        assert_eq!(scene.token(), token);
        token = scene.refresh();
    }
    assert!(scene.fake.is_live(&token));
}

#[test]
fn memory_forgets_and_says_nothing_else() {
    let mut scene = Scene::memory(Behaviour::default()).signed_in();
    scene.restart();
    assert_eq!(scene.wait_until(|account| account.state != State::StoreUnavailable).state, State::Empty);
    scene.ctl(&["token"]).exits(4);
}

#[test]
fn a_missing_key_is_named_and_found_again_by_itself() {
    let mut scene = stopped();
    let away = scene.bed.root().join("key-away");
    fs::rename(key(&scene), &away).unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable);
    assert!(reason.contains(key(&scene).to_str().unwrap()) && reason.contains("put it back"), "{reason}");
    let output = scene.ctl(&["token", "--wait", "100ms"]).exits(7);
    assert!(output.complaint().contains("put it back"), "{}", output.stderr);
    let waiting = scene.bed.ctl_spawn(&["token", "--wait", "1h"]);
    fs::rename(&away, key(&scene)).unwrap();
    assert!(scene.fake.is_live(waiting.finish().success().line()));
    assert_eq!(scene.account().state, State::Fresh);
}

#[test]
fn a_store_with_another_key_is_left_alone_and_opens_with_the_right_one() {
    let mut scene = stopped();
    let right = fs::read(key(&scene)).unwrap();
    let before = fs::read(keyring(&scene)).unwrap();
    fs::write(key(&scene), "0123456789abcdef0123456789abcdef").unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable);
    assert!(reason.contains("another key"), "{reason}");

    // Nothing that would overwrite the grant is begun.
    scene.ctl(&["login", "--no-browser"]).exits(7).complaint();
    scene.ctl_with(&["import"], "0123456789abcdef").exits(7).complaint();
    scene.ctl(&["logout"]).exits(7).complaint();
    scene.ctl_with(&["account", "set", "--client-secret-stdin"], "another").exits(7).complaint();
    let output = scene.ctl(&["unlock"]).exits(7);
    assert!(output.complaint().contains("another key"), "{}", output.stderr);
    assert_eq!(fs::read(keyring(&scene)).unwrap(), before);

    fs::write(key(&scene), right).unwrap();
    scene.ctl(&["unlock"]).success();
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    let mut scene = stopped();
    fs::set_permissions(key(&scene), fs::Permissions::from_mode(0o640)).unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable);
    assert!(reason.contains("chmod 600"), "{reason}");
    fs::set_permissions(key(&scene), fs::Permissions::from_mode(0o600)).unwrap();
    scene.ctl(&["unlock"]).success();
    scene.wait_until(|account| account.state == State::Fresh);
}

#[test]
fn a_store_that_lost_the_grant_is_not_taken_at_its_word() {
    let mut scene = stopped();
    let away = scene.bed.root().join("keyring-away");
    fs::rename(keyring(&scene), &away).unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable, "and not empty");
    assert!(reason.contains("once took"), "{reason}");
    scene.ctl(&["token", "--wait", "100ms"]).exits(7);

    // It is found again by whoever waits for it.
    let waiting = scene.bed.ctl_spawn(&["token", "--wait", "1h"]);
    fs::rename(&away, keyring(&scene)).unwrap();
    assert!(scene.fake.is_live(waiting.finish().success().line()));
}

#[test]
fn a_lost_grant_can_be_given_up() {
    let mut scene = stopped();
    fs::remove_file(keyring(&scene)).unwrap();
    scene.start();
    assert_eq!(trouble(&scene).0.state, State::StoreUnavailable);
    scene.ctl(&["logout"]).success();
    assert_eq!(scene.account().state, State::Empty);
    scene.restart();
    assert_eq!(trouble(&scene).0.state, State::Empty);
    // The client's secret was lost with it.
    let secret = scene.fake.behaviour().client_secret;
    scene.ctl_with(&["account", "set", "--client-secret-stdin"], &secret).success();
    scene.login_as("alice", &[]).success();
}

#[test]
fn a_damaged_keyring_is_left_as_it_is() {
    let mut scene = stopped();
    let good = fs::read(keyring(&scene)).unwrap();
    let damaged = &good[..good.len() / 2];
    fs::write(keyring(&scene), damaged).unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable);
    assert!(reason.contains("damaged"), "{reason}");
    scene.ctl(&["login", "--no-browser"]).exits(7);
    assert_eq!(fs::read(keyring(&scene)).unwrap(), damaged);
    fs::write(keyring(&scene), good).unwrap();
    scene.ctl(&["unlock"]).success();
    scene.wait_until(|account| account.state == State::Fresh);
}

#[test]
fn a_keyring_deleted_while_the_daemon_runs_is_written_again() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    fs::remove_file(keyring(&scene)).unwrap();
    let token = scene.refresh();
    scene.crash();
    scene.start();
    assert_eq!(scene.token(), token);
}

#[test]
fn two_daemons_never_keep_the_same_grants() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let other = scene.bed.root().join("other-socket");
    let second = scene.bed.spawn_daemon(&["--no-dbus", "--socket", other.to_str().unwrap()]);
    let log = second.log_when_ended(1);
    assert!(log.contains("another imgurd keeps the grants"), "{log}");
    assert!(!other.exists());
    // The first is none the worse, and its place is free when it is gone.
    assert!(scene.fake.is_live(&scene.token()));
    scene.restart();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn what_is_written_is_for_its_owner_alone() {
    let scene = Scene::file(Behaviour::default()).signed_in();
    scene.refresh();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let state = scene.bed.state_home().join("imgurd");
    assert_eq!(mode(&state), 0o700);
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(&key(&scene)), 0o600);
    assert_eq!(mode(&scene.bed.socket()), 0o600);
    assert_eq!(mode(scene.bed.socket().parent().unwrap()), 0o700);
}

#[test]
fn an_outage_of_the_store_stops_no_caller_of_a_token_at_hand() {
    let scene = Scene::file(Behaviour::default()).signed_in();
    let token = scene.token();
    // A directory in the place of the file is as good as a disk that fails.
    let state = scene.bed.state_home().join("imgurd");
    let away = scene.bed.root().join("state-away");
    fs::rename(&state, &away).unwrap();
    fs::write(&state, "in the way").unwrap();
    assert_eq!(scene.token(), token);
    // Nothing is spent that could not be saved.
    scene.ctl(&["refresh", "--wait", "3s"]).exits(7);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1);
    assert_eq!(scene.token(), token);
    fs::remove_file(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    assert!(scene.fake.is_live(&scene.refresh()));
}
