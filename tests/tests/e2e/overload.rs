//! More load than the daemon can take. It refuses callers with a reason, keeps its data, and recovers.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use imgurd_proto::{ClientError, Error, GetToken, State};
use imgurd_tests::fake::{Behaviour, Rotation};
use imgurd_tests::testbed::{Scene, Testbed};
use imgurd_tests::wire::{Wire, error_of, token_of};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::json;

use crate::commands::fails;

/// The most connections that the daemon serves at a time.
const CONNECTIONS: usize = 1024;

/// Leaves the daemon 32 file descriptors for callers (prlimit(1)).
const FEW: [&str; 2] = ["prlimit", "--nofile=160:160"];

fn strict() -> Behaviour {
    Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }
}

/// The limit of the test process is often 1024 file descriptors, which is too few.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

/// Callers whose connections the daemon never closes as idle, because each has a call in progress.
fn seated(scene: &Scene, count: usize) -> Vec<Wire> {
    let mut callers: Vec<_> = (0..count).map(|_| scene.bed.wire()).collect();
    for caller in &mut callers {
        caller.stream("Watch", &json!({}));
        assert!(caller.answer()["error"].is_null());
    }
    callers
}

/// A caller that connects as soon as another has left.
fn successor(scene: &Scene) -> Wire {
    loop {
        let mut caller = scene.bed.wire();
        if caller.call("org.varlink.service.GetInfo", &json!({}))["error"].is_null() {
            return caller;
        }
    }
}

/// A daemon without free connections, and the callers that have them.
fn full(bed: Testbed) -> (Scene, Vec<Wire>) {
    bed.launch_by(FEW);
    let scene = Scene::new(bed, strict()).signed_in();
    let held = scene.bed.take_all_places();
    (scene, held)
}

/// Calls until the daemon has a free connection.
pub(crate) fn eventually_served(scene: &Scene) {
    loop {
        match scene.bed.client().call(&GetToken::default()) {
            Err(ClientError::Keeper(Error::TemporarilyUnavailable { .. })) => {}
            served => return assert!(scene.fake.is_live(served.unwrap().token.access_token.expose())),
        }
    }
}

#[test]
fn a_caller_beyond_the_limit_is_refused_until_another_leaves() {
    raise_descriptor_limit();
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let mut callers = seated(&scene, CONNECTIONS);
    // Every further caller gets the error, whether it has sent a call or not.
    let mut late: Vec<_> = (0..200).map(|_| scene.bed.wire()).collect();
    late.iter_mut().step_by(2).for_each(|caller| caller.ask("GetToken", &json!({})));
    for caller in &mut late {
        let refusal = caller.answer();
        assert_eq!(error_of(&refusal), "TemporarilyUnavailable");
        assert!(
            refusal["parameters"]["reason"].as_str().unwrap().contains("at most 1024 connections"),
            "{refusal}"
        );
        caller.expect_hang_up();
    }
    drop(callers.pop());
    eventually_served(&scene);
    assert!(callers.iter_mut().all(|caller| !caller.has_answer()), "connected callers stay connected");
}

#[test]
fn a_new_connection_closes_the_one_that_was_idle_longest() {
    let bed = Testbed::memory();
    bed.launch_by(FEW);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let mut first = scene.bed.wire();
    first.call("org.varlink.service.GetInfo", &json!({}));
    let mut watching = scene.bed.wire();
    watching.stream("Watch", &json!({}));
    watching.answer();
    let mut callers = Vec::new();
    for _ in 0..100 {
        let mut caller = scene.bed.wire();
        assert!(scene.fake.is_live(token_of(&caller.call("GetToken", &json!({})))));
        callers.push(caller);
    }
    first.expect_hang_up();
    assert!(!watching.has_answer(), "a call in progress is not ended");
}

#[test]
fn every_refused_client_can_read_the_reason() {
    let (scene, _held) = full(Testbed::memory());
    for _ in 0..20 {
        let error = fails(|arguments| scene.ctl(arguments), &["token"], 6, "TemporarilyUnavailable");
        assert!(error["reason"].as_str().unwrap().contains("try again in a moment"), "{error}");
    }
    for _ in 0..200 {
        let refused = scene.bed.client().call(&GetToken::default()).unwrap_err();
        assert!(matches!(refused, ClientError::Keeper(Error::TemporarilyUnavailable { .. })), "{refused}");
    }
    // A client that closes its writing half before it reads.
    let mut plain = UnixStream::connect(scene.bed.socket()).unwrap();
    plain.write_all(b"{\"method\":\"org.imgurd.Keeper1.GetToken\"}\0").unwrap();
    plain.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    let _ = plain.read_to_string(&mut said);
    assert!(said.contains("TemporarilyUnavailable") && said.ends_with('\0'), "{said}");
}

#[test]
fn callers_cannot_stop_the_daemon_from_refreshing_and_saving() {
    let (mut scene, mut held) = full(Testbed::file());
    drop(held.pop());
    let mut caller = successor(&scene);
    let answer = caller.call("Refresh", &json!({}));
    let token = token_of(&answer).to_owned();
    assert!(scene.fake.is_live(&token));
    assert_eq!(caller.call("ListAccounts", &json!({}))["parameters"]["accounts"][0]["unsaved"], false);
    drop(held);
    scene.restart();
    assert_eq!(scene.token(), token, "the token was saved");
}

#[test]
fn a_shortage_of_file_descriptors_loses_no_grant() {
    let mut scene = Scene::file(strict()).signed_in();
    let mut held = scene.bed.wire();
    let before = token_of(&held.call("GetToken", &json!({}))).to_owned();
    scene.daemon().limit_descriptors(Some(3));
    let mut late = scene.bed.wire();
    late.ask("GetToken", &json!({}));
    let refused = held.call("Refresh", &json!({ "wait_ms": 2000 }));
    assert!(["StoreUnavailable", "TemporarilyUnavailable"].contains(&error_of(&refused)), "{refused}");
    assert_eq!(scene.refreshes().len(), 0, "no refresh token is sent if the refresh cannot be recorded");
    assert_eq!(token_of(&held.call("GetToken", &json!({}))), before, "a connected caller is served");
    assert!(!late.has_answer());

    scene.daemon().limit_descriptors(None);
    // The refresh from before may be in progress again, so this is the old token or the new one.
    assert_ne!(token_of(&late.answer()), "", "a caller that waited is served");
    let after = token_of(&held.call("Refresh", &json!({}))).to_owned();
    assert!(after != before && scene.fake.is_live(&after));
    // In two seconds, with pauses that grow to a second, there can be only a few attempts.
    let complaints = scene.daemon().log().matches("cannot accept callers at the moment").count();
    assert!((1..=60).contains(&complaints), "{complaints}");
    scene.restart();
    assert_eq!(scene.token(), after);
}

#[test]
fn a_refresh_without_a_free_file_descriptor_is_retried() {
    let mut scene = Scene::memory(strict()).signed_in();
    let mut held = scene.bed.wire();
    let before = token_of(&held.call("GetToken", &json!({}))).to_owned();
    scene.daemon().limit_descriptors(Some(3));
    let failed = held.call("Refresh", &json!({ "wait_ms": 500 }));
    assert_eq!(error_of(&failed), "TemporarilyUnavailable", "{failed}");
    assert_eq!(token_of(&held.call("GetToken", &json!({}))), before);
    scene.daemon().limit_descriptors(None);
    scene.wait_until(|account| account.state == State::Fresh && account.retry_at.is_none());
    assert!(scene.fake.is_live(token_of(&held.call("Refresh", &json!({})))));
}

#[test]
fn callers_that_stop_midway_are_disconnected_and_use_little_memory() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let mut halfway = scene.bed.wire();
    halfway.send_bytes(b"{\"method\":");
    let mut silent = scene.bed.wire();
    let mut not_reading = scene.bed.wire();
    not_reading.stream("Watch", &json!({}));
    let mut changing = scene.bed.wire();
    for letter in ["a", "b"].iter().cycle().take(40) {
        let settings = json!({ "scope": letter.repeat(20_000) });
        assert!(changing.call("SetAccount", &json!({ "settings": settings }))["error"].is_null());
    }
    let taken = pipeline_until_closed(&scene);
    assert!(taken < 1024 * 1024, "imgurd read {taken} bytes of calls although the answers are not read");
    not_reading.expect_hang_up_unread();
    halfway.expect_hang_up();
    assert!(
        scene.fake.is_live(token_of(&silent.call("GetToken", &json!({})))),
        "a caller without calls stays connected"
    );
}

/// Sends calls without reading the answers, and returns how many bytes the daemon accepted.
fn pipeline_until_closed(scene: &Scene) -> usize {
    let call = json!({ "method": "org.varlink.service.GetInterfaceDescription",
        "parameters": { "interface": "org.imgurd.Keeper1" } });
    let call = format!("{call}\0");
    let mut stream = UnixStream::connect(scene.bed.socket()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut taken = 0;
    while stream.write_all(call.as_bytes()).is_ok() {
        taken += call.len();
    }
    taken
}

#[test]
fn a_thousand_connections_do_not_delay_the_stop() {
    raise_descriptor_limit();
    let mut scene = Scene::file(strict()).signed_in();
    let mut crowd: Vec<_> = (0..1000).map(|_| scene.bed.wire()).collect();
    for (number, caller) in crowd.iter_mut().enumerate() {
        match number % 4 {
            0 => {}
            1 => caller.send_bytes(b"{\"method\":"),
            2 => drop(caller.call("GetToken", &json!({}))),
            _ => {
                caller.stream("Watch", &json!({}));
                caller.answer();
            }
        }
    }
    let (login, _url) = scene.login(&[]);
    let daemon = scene.take_daemon();
    daemon.signal(Signal::TERM);
    let begin = Instant::now();
    assert!(daemon.wait().success());
    // It stops within 2 s. If it waited for the connections, it would take 30 s.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    login.finish();
}
