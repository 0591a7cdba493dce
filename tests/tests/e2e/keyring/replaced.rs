//! A keyring in the place of another, or of an older state of itself.

use std::fs;
use std::process::Command;
use std::time::Instant;

use imgurd_tests::fake::PATIENCE;
use imgurd_tests::testbed::ACCOUNT;

use super::{Session, is_saved};

/// The files of the keyring are put away, and another starts without any.
fn start_without_files(session: &mut Session, away: &str) {
    session.keyring.kill();
    let keyrings = session.scene.bed.data_home().join("keyrings");
    fs::rename(keyrings, session.scene.bed.root().join(away)).unwrap();
    session.keyring.start(&session.scene.bed);
}

/// The files that were put away are back in the place of those that are there.
fn start_with_files(session: &mut Session, away: &str) {
    session.keyring.kill();
    let keyrings = session.scene.bed.data_home().join("keyrings");
    fs::remove_dir_all(&keyrings).unwrap();
    fs::rename(session.scene.bed.root().join(away), &keyrings).unwrap();
    session.keyring.start(&session.scene.bed);
}

#[test]
fn a_keyring_that_another_replaces_for_a_while_costs_no_grant() {
    let mut session = Session::start();
    let token = session.scene.token();
    start_without_files(&mut session, "first");
    let output = session.scene.ctl(&["refresh", "--wait", "1s"]).exits(7);
    assert!(output.complaint().contains("has no item for mytoken"), "{}", output.stderr);
    assert_eq!((session.scene.token(), session.item()), (token, None), "nothing is spent, and nothing made");

    // Whoever signs in knows that it is missing.
    session.scene.bed.sign_in(&session.scene.fake, ACCOUNT);
    let token = session.scene.refresh();
    assert!(session.item().is_some());

    // The first has a spent refresh token, and gets the new one.
    start_with_files(&mut session, "first");
    let deadline = Instant::now() + PATIENCE;
    while !session.item().is_some_and(|item| item.contains(&token)) {
        assert!(Instant::now() < deadline, "the keyring does not get the new token");
    }
    session.expect_kept(&token);
    session.scene.refresh();
}

#[test]
fn an_older_keyring_that_is_back_is_not_believed() {
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
fn an_empty_keyring_in_the_place_of_the_right_one_proves_nothing() {
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
