//! The store keeps grants, and imgurd neither ignores nor overwrites an unreadable grant.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Scene};
use serde_json::{Value, json};

use crate::now;

/// A record that the first version wrote.
const FIRST_VERSION: &str = include_str!("../../../daemon/src/store/item/first-version.json");

/// A daemon that has stopped, with its grants in a file.
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

/// The account and its reason, once imgurd has read the store.
fn trouble(scene: &Scene) -> (Account, String) {
    let account = scene.wait_until(|account| {
        account.reason.as_deref().is_none_or(|reason| !reason.contains("still reading"))
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
fn the_memory_store_is_empty_after_a_restart() {
    let mut scene = Scene::memory(Behaviour::default()).signed_in();
    scene.restart();
    assert_eq!(scene.wait_until(|account| account.state != State::StoreUnavailable).state, State::Empty);
    scene.ctl(&["token"]).exits(4);
}

#[test]
fn a_missing_key_is_named_and_used_once_it_is_back() {
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
fn a_store_with_another_key_is_not_overwritten() {
    let mut scene = stopped();
    let right = fs::read(key(&scene)).unwrap();
    let before = fs::read(keyring(&scene)).unwrap();
    fs::write(key(&scene), "0123456789abcdef0123456789abcdef").unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable);
    assert!(reason.contains("another key"), "{reason}");

    // imgurd starts nothing that would overwrite the grant.
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
fn a_key_that_other_users_can_read_is_not_used() {
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
fn a_missing_grant_is_reported_and_used_once_it_is_back() {
    let mut scene = stopped();
    let away = scene.bed.root().join("keyring-away");
    fs::rename(keyring(&scene), &away).unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable, "the state is not empty");
    assert!(reason.contains("no longer has the grant"), "{reason}");
    scene.ctl(&["token", "--wait", "100ms"]).exits(7);

    // A waiting call gets its token once the file is back.
    let waiting = scene.bed.ctl_spawn(&["token", "--wait", "1h"]);
    fs::rename(&away, keyring(&scene)).unwrap();
    assert!(scene.fake.is_live(waiting.finish().success().line()));
}

#[test]
fn logout_gives_up_a_lost_grant() {
    let mut scene = stopped();
    fs::remove_file(keyring(&scene)).unwrap();
    scene.start();
    assert_eq!(trouble(&scene).0.state, State::StoreUnavailable);
    scene.ctl(&["logout"]).success();
    assert_eq!(scene.account().state, State::Empty);
    scene.restart();
    assert_eq!(trouble(&scene).0.state, State::Empty);
    // The client secret was in the same record.
    let secret = scene.fake.behaviour().client_secret;
    scene.ctl_with(&["account", "set", "--client-secret-stdin"], &secret).success();
    scene.login_as("alice", &[]).success();
}

#[test]
fn a_damaged_file_is_not_overwritten() {
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
fn a_file_that_is_deleted_while_the_daemon_runs_is_written_again() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    fs::remove_file(keyring(&scene)).unwrap();
    let token = scene.refresh();
    scene.crash();
    scene.start();
    assert_eq!(scene.token(), token);
}

#[test]
fn a_deleted_state_directory_is_created_again() {
    let mut scene =
        Scene::file(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }).signed_in();
    fs::remove_dir_all(scene.bed.state_home()).unwrap();
    let token = scene.token();
    assert_ne!(scene.refresh(), token);
    scene.wait_until(|account| !account.unsaved);
    let token = scene.token();
    scene.crash();
    scene.start();
    assert_eq!(scene.token(), token);
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn the_daemon_keeps_records_that_another_program_adds_to_the_file() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let grants = scene.bed.grant_file();
    let added = grants.get(ACCOUNT).unwrap();
    grants.put("second", &added);
    let token = scene.refresh();
    assert_eq!(grants.get("second").as_ref(), Some(&added));
    assert!(grants.get(ACCOUNT).unwrap().contains(&token));
    // Once the account is configured, it has that grant.
    let arguments = ["account", "set", "--auth-param", "x=y"];
    scene.ctl(&arguments).success();
    let text = fs::read_to_string(scene.bed.config_file()).unwrap();
    let second = text[text.find(&format!("[accounts.{ACCOUNT}")).unwrap()..].replace(ACCOUNT, "second");
    scene.bed.configure(&format!("{text}\n{second}"));
    scene.daemon().reload();
    scene.bed.wait_until("second", |account| account.state == State::Fresh);
}

#[test]
fn a_restored_backup_does_not_replace_a_newer_grant_in_memory() {
    let mut scene =
        Scene::file(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }).signed_in();
    let backup = fs::read(keyring(&scene)).unwrap();
    let latest = scene.refresh();
    let restored = scene.bed.root().join("backup");
    fs::write(&restored, backup).unwrap();
    fs::rename(restored, keyring(&scene)).unwrap();
    // The daemon has the newer grant in memory, and saves it with its next write.
    assert_eq!(scene.token(), latest);
    let token = scene.refresh();
    scene.crash();
    scene.start();
    assert_eq!(scene.token(), token);
    assert!(scene.fake.is_live(&scene.refresh()), "no used refresh token was sent again");
}

/// A record that a newer version wrote.
const NEWER: &str = r#"{"version":2,"grant":"in another shape"}"#;

#[test]
fn a_record_of_a_newer_version_is_reported_and_not_overwritten() {
    let mut scene = stopped();
    let grants = scene.bed.grant_file();
    let ours = grants.get(ACCOUNT).unwrap();
    grants.put(ACCOUNT, NEWER);
    let before = fs::read(keyring(&scene)).unwrap();
    scene.start();
    let (account, reason) = trouble(&scene);
    assert_eq!(account.state, State::StoreUnavailable);
    assert!(reason.contains("a newer imgurd wrote") && reason.contains("update imgurd"), "{reason}");
    scene.ctl(&["token", "--wait", "0s"]).exits(7);
    scene.ctl(&["refresh", "--wait", "0s"]).exits(7);
    scene.ctl(&["login", "--no-browser"]).exits(7);
    scene.ctl(&["logout"]).exits(7);
    scene.ctl_with(&["account", "set", "--client-secret-stdin"], "another").exits(7);
    assert!(fs::read(keyring(&scene)).unwrap() == before);
    assert_eq!(scene.refreshes().len(), 0);
    grants.put(ACCOUNT, &ours);
    scene.ctl(&["unlock"]).success();
    scene.wait_until(|account| account.state == State::Fresh);
}

#[test]
fn a_record_that_a_newer_version_writes_meanwhile_is_not_overwritten() {
    let scene = Scene::file(Behaviour { rotation: Rotation::Plain, ..Behaviour::default() }).signed_in();
    let token = scene.token();
    let grants = scene.bed.grant_file();
    grants.put(ACCOUNT, NEWER);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    let account = scene.wait_until(|account| account.state == State::StoreUnavailable);
    assert!(account.reason.unwrap().contains("update imgurd"));
    assert_eq!(scene.token(), token, "a valid token is still served");
    assert_eq!(grants.get(ACCOUNT).as_deref(), Some(NEWER));
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn a_record_of_the_first_version_is_read_and_updated() {
    let mut scene = stopped();
    let grants = scene.bed.grant_file();
    let (refresh_token, access_token) = scene.fake.issue_grant("alice");
    let first = FIRST_VERSION
        .replace("CLIENT-ID", &scene.fake.behaviour().client_id)
        .replace("CLIENT-SECRET", &scene.fake.behaviour().client_secret)
        .replace("https://api.imgur.com", &scene.fake.origin())
        .replace("REFRESH-TOKEN", &refresh_token)
        .replace("ACCESS-TOKEN", &access_token)
        .replace("1763900000123", &(now() * 1000).to_string())
        .replace("1763800000456", &(now() * 1000).to_string());
    grants.put(ACCOUNT, &first);
    scene.start();
    // The record has a refusal, so imgurd refreshes at once.
    let account = scene.wait_until(|account| account.state == State::Fresh && scene.refreshes().len() == 1);
    assert_eq!(account.username.as_deref(), Some("alice"));
    assert_eq!(scene.refreshes()[0].refresh_token(), Some(refresh_token.as_str()));
    let token = scene.token();
    assert!(token != access_token && scene.fake.is_live(&token));
    let written: Value = serde_json::from_str(&grants.get(ACCOUNT).unwrap()).unwrap();
    assert_eq!(written["version"], 1);
    assert_eq!(written["grant"]["access"]["token"], token);
    assert_eq!(written["grant"]["generation"], 7);
    assert_eq!(written["displaced"][0]["grant"]["refresh_token"], "DISPLACED-TOKEN");
    scene.restart();
    assert_eq!(scene.token(), token);
}

#[test]
fn two_daemons_cannot_use_the_same_grants() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let other = scene.bed.root().join("other-socket");
    let second = scene.bed.spawn_daemon(&["--no-dbus", "--socket", other.to_str().unwrap()]);
    let log = second.log_when_ended(1);
    assert!(log.contains("another imgurd already uses the grants"), "{log}");
    assert!(!other.exists());
    // The first daemon is unaffected, and can start again.
    assert!(scene.fake.is_live(&scene.token()));
    scene.restart();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn files_and_directories_are_for_their_owner_only() {
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
fn a_valid_token_is_returned_while_the_store_fails() {
    let scene = Scene::file(Behaviour::default()).signed_in();
    let token = scene.token();
    // A file in place of the directory makes the store fail.
    let state = scene.bed.state_home().join("imgurd");
    let away = scene.bed.root().join("state-away");
    fs::rename(&state, &away).unwrap();
    fs::write(&state, "in the way").unwrap();
    assert_eq!(scene.token(), token);
    // imgurd uses no refresh token if it cannot save the answer.
    scene.ctl(&["refresh", "--wait", "3s"]).exits(7);
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1);
    assert_eq!(scene.token(), token);
    fs::remove_file(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    assert!(scene.fake.is_live(&scene.refresh()));
}
