//! A different keyring, or an older state of the same keyring, replaces the keyring.

use std::fs;
use std::process::Command;
use std::time::Instant;

use imgurd_tests::fake::PATIENCE;
use imgurd_tests::testbed::ACCOUNT;

use super::{Session, is_saved};

/// Moves the keyring's files away, and starts the keyring without any.
fn start_without_files(session: &mut Session, away: &str) {
    session.keyring.kill();
    let keyrings = session.scene.bed.data_home().join("keyrings");
    fs::rename(keyrings, session.scene.bed.root().join(away)).unwrap();
    session.keyring.start(&session.scene.bed);
}

/// Puts the files that were moved away back in place.
fn start_with_files(session: &mut Session, away: &str) {
    session.keyring.kill();
    let keyrings = session.scene.bed.data_home().join("keyrings");
    fs::remove_dir_all(&keyrings).unwrap();
    fs::rename(session.scene.bed.root().join(away), &keyrings).unwrap();
    session.keyring.start(&session.scene.bed);
}

#[test]
fn a_temporary_replacement_of_the_keyring_costs_no_grant() {
    let mut session = Session::start();
    let token = session.scene.token();
    start_without_files(&mut session, "first");
    let output = session.scene.ctl(&["refresh", "--wait", "1s"]).exits(7);
    assert!(output.complaint().contains("has no item for mytoken"), "{}", output.stderr);
    assert_eq!(
        (session.scene.token(), session.item()),
        (token, None),
        "the token is unchanged, and no item is created"
    );

    // The user signs in although the item is missing, so imgurd creates a new one.
    session.scene.bed.sign_in(&session.scene.fake, ACCOUNT);
    let token = session.scene.refresh();
    assert!(session.item().is_some());

    // The first keyring has a used refresh token. imgurd saves the new one there.
    start_with_files(&mut session, "first");
    let deadline = Instant::now() + PATIENCE;
    while !session.item().is_some_and(|item| item.contains(&token)) {
        assert!(Instant::now() < deadline, "the new token was not saved in the keyring");
    }
    session.expect_kept(&token);
    session.scene.refresh();
}

#[test]
fn an_older_state_of_the_keyring_is_not_used() {
    let mut session = Session::start();
    assert!(session.scene.stop().success());
    session.keyring.kill();
    let keyrings = session.scene.bed.data_home().join("keyrings");
    let older = session.scene.bed.root().join("older");
    assert!(Command::new("cp").arg("-a").arg(&keyrings).arg(&older).status().unwrap().success());
    session.keyring.start(&session.scene.bed);
    session.scene.start();
    let token = session.scene.refresh();
    session.scene.wait_until(is_saved);
    assert!(session.scene.stop().success());

    session.keyring.kill();
    fs::rename(&keyrings, session.scene.bed.root().join("newer")).unwrap();
    fs::rename(&older, &keyrings).unwrap();
    session.keyring.start(&session.scene.bed);
    session.scene.start();
    session.expect_unavailable("older grant");
    session.scene.ctl(&["refresh", "--wait", "1s"]).exits(7);
    start_with_files(&mut session, "newer");
    session.scene.wait_until(is_saved);
    assert_eq!(session.scene.token(), token);
    session.scene.refresh();
}

#[test]
fn an_empty_keyring_does_not_mean_that_the_grant_was_deleted() {
    let mut session = Session::start();
    assert!(session.scene.stop().success());
    session.keyring.kill();
    let (keyrings, away) =
        (session.scene.bed.data_home().join("keyrings"), session.scene.bed.root().join("away"));
    fs::rename(&keyrings, &away).unwrap();
    session.keyring.start(&session.scene.bed);
    session.scene.start();
    session.expect_unavailable("no longer has the grant");
    session.keyring.kill();
    fs::remove_dir_all(&keyrings).unwrap();
    fs::rename(&away, &keyrings).unwrap();
    session.keyring.start(&session.scene.bed);
    session.scene.wait_until(is_saved);
}
