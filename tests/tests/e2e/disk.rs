//! A disk that is full, broken, read-only or slow. imgurd still returns valid tokens, sends no refresh token that it
//! cannot record, and saves new tokens as soon as it can.

use std::fs;
use std::path::{Path, PathBuf};

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{Disk, Scene, Strace, Testbed};
use imgurd_tests::wire::{error_of, token_of};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::{Value, json};

use crate::HOUR;

/// Long enough that a record takes several pages of the disk, so that a write can stop in the middle.
const SECRET_LENGTH: usize = 6000;

/// A scene with its own disk and a server that replaces refresh tokens, so that a lost token loses the grant.
fn scene() -> (Scene, Disk) {
    scene_at(Rotation::ReuseDetection)
}

fn scene_at(rotation: Rotation) -> (Scene, Disk) {
    let bed = Testbed::file();
    let disk = bed.disk(64);
    let client_secret = "s".repeat(SECRET_LENGTH);
    (Scene::new(bed, Behaviour { rotation, client_secret, ..Behaviour::default() }), disk)
}

fn keyring(disk: &Disk) -> PathBuf {
    disk.state().join("grants.keyring")
}

fn status(scene: &Scene) -> String {
    scene.ctl(&["status"]).success().stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Fails unless a refresh finds out that the store does not work before it sends anything, and imgurd still returns
/// the valid token. When the fault is over, a waiting caller gets a new token.
fn refresh_sends_nothing<F>(
    scene: &mut Scene,
    disk: &Disk,
    strike: impl FnOnce(&mut Scene) -> F,
    word: &str,
    heal: impl FnOnce(F),
) {
    let token = scene.token();
    let before = fs::read(keyring(disk)).unwrap();
    let sent = scene.refreshes().len();
    let fault = strike(scene);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    let account = scene.wait_until(|account| account.state == State::StoreUnavailable);
    scene.ctl(&["refresh", "--wait", "0s"]).exits(7).complaint();
    assert!(account.reason.as_deref().unwrap().contains(word), "{:?}", account.reason);
    assert!(status(scene).contains(word), "{}", status(scene));
    assert_eq!(scene.token(), token);
    assert_eq!(scene.refreshes().len(), sent);
    assert!(fs::read(keyring(disk)).unwrap() == before, "the file is unchanged");
    heal(fault);
    assert!(scene.fake.is_live(token_of(&caller.answer())));
    scene.wait_until(|account| account.state == State::Fresh && !account.unsaved);
    assert_eq!(scene.refreshes().len(), sent + 1);
}

/// The fault begins while the answer to a refresh is on its way. imgurd returns the new token as `unsaved` and saves
/// it when the fault is over. The token then survives a crash, and no temporary file is left.
fn new_token_is_saved_later<F>(
    scene: &mut Scene,
    disk: &Disk,
    strike: impl FnOnce(&mut Scene) -> F,
    word: &str,
    heal: impl FnOnce(F),
) {
    let old = scene.token();
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let answered = scene.fake.requests(Endpoint::Token).len();
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, answered + 1);
    let before = fs::read(keyring(disk)).unwrap();
    let fault = strike(scene);
    gate.release();
    let new = token_of(&caller.answer()).to_owned();
    assert!(new != old && scene.fake.is_live(&new));
    assert!(scene.account().unsaved);
    assert_eq!(scene.token(), new);
    let said = status(scene);
    assert!(said.contains("only in memory") && said.contains(word), "{said}");
    assert!(fs::read(keyring(disk)).unwrap() == before, "the file is unchanged");
    heal(fault);
    scene.wait_until(|account| !account.unsaved);
    is_durable(scene, disk, &new);
}

fn is_durable(scene: &mut Scene, disk: &Disk, token: &str) {
    scene.crash();
    scene.start();
    assert_eq!(scene.token(), token);
    assert!(scene.fake.is_live(&scene.refresh()), "the refresh token was saved, too");
    assert_eq!(names(&disk.state()), ["grants.keyring", "grants.keyring.work", "lock", "stored"]);
}

/// The files in the directory without the journal, which imgurd writes later.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "journal");
    names.sort();
    names
}

#[test]
fn a_full_disk_loses_no_grant() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    let full = "the disk may be full";
    refresh_sends_nothing(&mut scene, &disk, |_| disk.fill_but(0), full, |()| disk.clear());
    new_token_is_saved_later(&mut scene, &disk, |_| disk.fill_but(0), full, |()| disk.clear());
}

#[test]
fn an_incomplete_write_on_a_full_disk_keeps_the_old_file() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    let whole = fs::metadata(keyring(&disk)).unwrap().len();
    let strike = |_: &mut Scene| disk.fill_but(1);
    new_token_is_saved_later(&mut scene, &disk, strike, "written file is not complete", |()| {
        let written = fs::metadata(disk.state().join("grants.keyring.work")).unwrap().len();
        assert!(0 < written && written < whole, "{written} of {whole} bytes were written");
        disk.clear();
    });
}

#[test]
fn a_sign_in_on_a_full_disk_is_saved_once_there_is_space() {
    let (mut scene, disk) = scene();
    disk.fill_but(0);
    scene.login_as("alice", &[]).success();
    let token = scene.token();
    assert!(scene.fake.is_live(&token));
    assert!(scene.account().unsaved);
    disk.clear();
    scene.wait_until(|account| !account.unsaved);
    is_durable(&mut scene, &disk, &token);
}

#[test]
fn a_sign_out_on_a_full_disk_says_what_to_do_and_is_saved_once_there_is_space() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    disk.fill_but(0);
    scene.ctl(&["logout"]).exits(7).complaint();
    let account = scene.account();
    assert!(account.state == State::Empty && account.unsaved, "{account:?}");
    let said = status(&scene);
    assert!(said.contains("empty, unsaved") && said.contains("You signed out, but"), "{said}");
    assert!(said.contains("the disk may be full") && said.contains("make room"), "{said}");
    disk.clear();
    scene.wait_until(|account| !account.unsaved);
    assert!(status(&scene).contains("Nobody is signed in"));
    scene.restart();
    scene.wait_until(|account| account.state == State::Empty);
}

#[test]
fn a_read_only_disk_loses_no_grant() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    let protected = "Read-only file system";
    refresh_sends_nothing(&mut scene, &disk, |_| disk.protect(), protected, |()| disk.release());
    new_token_is_saved_later(&mut scene, &disk, |_| disk.protect(), protected, |()| disk.release());
    let token = scene.token();
    scene.crash();
    disk.protect();
    // A process cannot lock a file on a read-only disk.
    let log = scene.bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
    assert!(log.contains("Read-only file system"), "{log}");
    disk.release();
    scene.start();
    assert_eq!(scene.token(), token);
}

/// It has nothing to save but the mark of a refresh that it did not send.
#[test]
fn a_daemon_whose_disk_is_read_only_stops_at_once() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    disk.protect();
    scene.bed.wire().ask("Refresh", &json!({}));
    scene.wait_until(|account| account.state == State::StoreUnavailable);
    let daemon = scene.take_daemon();
    daemon.signal(Signal::TERM);
    let log = daemon.log_when_ended(0);
    assert!(!log.contains("stopped before the store or the server answered"), "{log}");
    disk.release();
}

/// Makes system calls of the daemon fail.
fn inject(fault: &str) -> impl Fn(&mut Scene) -> Strace + '_ {
    move |scene| scene.inject(fault)
}

fn detach(strace: Strace) {
    strace.detach();
}

#[test]
fn a_failing_fsync_loses_no_grant() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    refresh_sends_nothing(&mut scene, &disk, inject("fsync:error=EIO"), "Input/output error", detach);
    new_token_is_saved_later(&mut scene, &disk, inject("fsync:error=EIO"), "Input/output error", detach);
}

#[test]
fn a_failing_rename_loses_no_grant() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    refresh_sends_nothing(&mut scene, &disk, inject("/^rename:error=EIO"), "Input/output error", detach);
    new_token_is_saved_later(&mut scene, &disk, inject("/^rename:error=EIO"), "Input/output error", detach);
}

#[test]
fn a_daemon_without_free_file_descriptors_loses_no_grant_and_recovers() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    let token = scene.token();
    let mut caller = scene.bed.wire();
    assert_eq!(token_of(&caller.call("GetToken", &json!({}))), token);
    let id = Pid::from_raw(i32::try_from(scene.daemon().id()).unwrap());
    // The daemon can open no further file. The hard limit stays, so that the soft limit can be raised again.
    let few = Rlimit { current: Some(3), ..getrlimit(Resource::Nofile) };
    let enough = prlimit(id, Resource::Nofile, few).unwrap();
    let answer = caller.call("Refresh", &json!({ "wait_ms": 500 }));
    assert_eq!(error_of(&answer), "StoreUnavailable");
    assert!(answer["parameters"]["reason"].as_str().unwrap().contains("Too many open files"), "{answer}");
    assert_eq!(scene.refreshes().len(), 0);
    assert_eq!(token_of(&caller.call("GetToken", &json!({}))), token);
    prlimit(id, Resource::Nofile, enough).unwrap();
    let token = scene.refresh();
    is_durable(&mut scene, &disk, &token);
}

#[test]
fn a_slow_disk_delays_a_new_token_by_at_most_two_seconds() {
    let (scene, disk) = scene();
    let mut scene = scene.signed_in();
    new_token_is_saved_later(&mut scene, &disk, inject("fsync:delay_enter=600s"), "does not answer", detach);
}

/// Kills the daemon as it makes this system call.
fn killed_at(call: &str) {
    let (scene, disk) = scene_at(Rotation::Grace(HOUR));
    let mut scene = scene.signed_in();
    for gated in [false, true] {
        let gate = gated.then(|| scene.fake.hold_answer(Endpoint::Token));
        let answered = scene.fake.requests(Endpoint::Token).len();
        let fault = format!("{call}:signal=KILL");
        let early = (!gated).then(|| inject(&fault)(&mut scene));
        let mut caller = scene.bed.wire();
        caller.ask("Refresh", &json!({}));
        let late = gate.map(|gate| {
            scene.fake.wait_for_requests(Endpoint::Token, answered + 1);
            let strace = inject(&fault)(&mut scene);
            gate.release();
            strace
        });
        assert_eq!(scene.take_daemon().wait().code(), None, "the daemon was killed by a signal");
        caller.expect_hang_up();
        early.or(late).unwrap().ended();
        let content = fs::read(keyring(&disk)).unwrap();
        scene.start();
        let account = scene.wait_until(|account| account.state == State::Fresh);
        assert!(!account.unsaved && !content.is_empty());
        assert!(scene.fake.is_live(&scene.refresh()), "the grant was lost at {call}");
    }
    assert_eq!(names(&disk.state()), ["grants.keyring", "grants.keyring.work", "lock", "stored"]);
}

#[test]
fn a_kill_during_fsync_keeps_the_old_file_or_the_new_one() {
    killed_at("fsync");
}

#[test]
fn a_kill_during_rename_keeps_the_old_file_or_the_new_one() {
    killed_at("/^rename");
}

#[test]
fn a_kill_during_link_keeps_the_old_file_or_the_new_one() {
    killed_at("/^link");
}

#[test]
fn status_and_errors_agree_about_an_unavailable_store() {
    let (scene, disk) = scene();
    let scene = scene.signed_in();
    disk.fill_but(0);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.wait_until(|account| account.state == State::StoreUnavailable);
    let error: Value =
        serde_json::from_str(&scene.ctl(&["refresh", "--wait", "0s", "--json"]).exits(7).stderr).unwrap();
    assert_eq!(error["error"], "StoreUnavailable");
    assert_eq!(
        scene.ctl(&["status", "--json"]).success().json()["accounts"][0]["state"],
        "store_unavailable"
    );
}
