//! More load than the daemon can take: it says so, keeps its data, and recovers.

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

/// As many as the daemon serves at a time.
const CONNECTIONS: usize = 1024;

/// Has the daemon leave callers 32 of its descriptors (prlimit(1)).
const FEW: [&str; 2] = ["prlimit", "--nofile=160:160"];

fn strict() -> Behaviour {
    Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }
}

/// A test's own limit is often 1024 descriptors in all.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

/// Callers who have their places for as long as they stay, since each has a call under way.
fn seated(scene: &Scene, count: usize) -> Vec<Wire> {
    let mut callers: Vec<_> = (0..count).map(|_| scene.bed.wire()).collect();
    for caller in &mut callers {
        caller.stream("Watch", &json!({}));
        assert!(caller.answer()["error"].is_null());
    }
    callers
}

/// A caller who has the place that another has just left, which is free a moment later.
fn successor(scene: &Scene) -> Wire {
    loop {
        let mut caller = scene.bed.wire();
        if caller.call("org.varlink.service.GetInfo", &json!({}))["error"].is_null() {
            return caller;
        }
    }
}

/// A daemon that has no place left, whose callers hold all.
fn full(bed: Testbed) -> (Scene, Vec<Wire>) {
    bed.launch_by(FEW);
    let scene = Scene::new(bed, strict()).signed_in();
    let held = scene.bed.take_all_places();
    (scene, held)
}

/// Calls until there is a place again.
pub(crate) fn eventually_served(scene: &Scene) {
    loop {
        match scene.bed.client().call(&GetToken::default()) {
            Err(ClientError::Keeper(Error::TemporarilyUnavailable { .. })) => {}
            served => return assert!(scene.fake.is_live(served.unwrap().token.access_token.expose())),
        }
    }
}

#[test]
fn a_caller_beyond_the_limit_is_told_so_at_once_and_another_takes_the_place_of_one_who_leaves() {
    raise_descriptor_limit();
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let mut callers = seated(&scene, CONNECTIONS);
    // More than are waited for: all are told, whether they have asked or not, and whether they listen or not.
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
    assert!(callers.iter_mut().all(|caller| !caller.has_answer()), "who has a place keeps it");
}

#[test]
fn the_connection_that_is_idle_for_the_longest_time_gives_way_to_a_new_one() {
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
    assert!(!watching.has_answer(), "a call under way is not ended");
}

#[test]
fn every_client_gets_to_read_why_there_is_no_place() {
    let (scene, _held) = full(Testbed::memory());
    for _ in 0..20 {
        let error = fails(|arguments| scene.ctl(arguments), &["token"], 6, "TemporarilyUnavailable");
        assert!(error["reason"].as_str().unwrap().contains("try again in a moment"), "{error}");
    }
    for _ in 0..200 {
        let refused = scene.bed.client().call(&GetToken::default()).unwrap_err();
        assert!(matches!(refused, ClientError::Keeper(Error::TemporarilyUnavailable { .. })), "{refused}");
    }
    // One that says all that it has to say, and then reads to the end.
    let mut plain = UnixStream::connect(scene.bed.socket()).unwrap();
    plain.write_all(b"{\"method\":\"org.imgurd.Keeper1.GetToken\"}\0").unwrap();
    plain.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    let _ = plain.read_to_string(&mut said);
    assert!(said.contains("TemporarilyUnavailable") && said.ends_with('\0'), "{said}");
}

#[test]
fn callers_alone_never_keep_the_daemon_from_refreshing_and_storing() {
    let (mut scene, mut held) = full(Testbed::file());
    drop(held.pop());
    let mut caller = successor(&scene);
    let answer = caller.call("Refresh", &json!({}));
    let token = token_of(&answer).to_owned();
    assert!(scene.fake.is_live(&token));
    assert_eq!(caller.call("ListAccounts", &json!({}))["parameters"]["accounts"][0]["unsaved"], false);
    drop(held);
    scene.restart();
    assert_eq!(scene.token(), token, "it was stored");
}

#[test]
fn a_shortage_of_descriptors_spends_nothing_and_passes() {
    let mut scene = Scene::file(strict()).signed_in();
    let mut held = scene.bed.wire();
    let before = token_of(&held.call("GetToken", &json!({}))).to_owned();
    scene.daemon().limit_descriptors(Some(3));
    let mut late = scene.bed.wire();
    late.ask("GetToken", &json!({}));
    let refused = held.call("Refresh", &json!({ "wait_ms": 2000 }));
    assert!(["StoreUnavailable", "TemporarilyUnavailable"].contains(&error_of(&refused)), "{refused}");
    assert_eq!(scene.refreshes().len(), 0, "nothing is sent that could not be recorded");
    assert_eq!(token_of(&held.call("GetToken", &json!({}))), before, "who is connected is served");
    assert!(!late.has_answer());

    scene.daemon().limit_descriptors(None);
    // What was asked for before may be under way again by now, so it is the old token or the new.
    assert_ne!(token_of(&late.answer()), "", "who waited at the door is let in");
    let after = token_of(&held.call("Refresh", &json!({}))).to_owned();
    assert!(after != before && scene.fake.is_live(&after));
    // Two seconds and a bit, in pauses that grow to a second each: not one try after the other.
    let complaints = scene.daemon().log().matches("cannot accept callers at the moment").count();
    assert!((1..=60).contains(&complaints), "{complaints}");
    scene.restart();
    assert_eq!(scene.token(), after);
}

#[test]
fn a_refresh_that_gets_no_descriptor_is_tried_again_and_loses_nothing() {
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
fn who_stops_halfway_or_stops_reading_is_hung_up_on_and_takes_no_memory() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let mut halfway = scene.bed.wire();
    halfway.send_bytes(b"{\"method\":");
    let mut silent = scene.bed.wire();
    let mut deaf = scene.bed.wire();
    deaf.stream("Watch", &json!({}));
    let mut changing = scene.bed.wire();
    for letter in ["a", "b"].iter().cycle().take(40) {
        let settings = json!({ "scope": letter.repeat(20_000) });
        assert!(changing.call("SetAccount", &json!({ "settings": settings }))["error"].is_null());
    }
    let taken = pipeline_until_hung_up_on(&scene);
    assert!(taken < 1024 * 1024, "{taken} bytes were taken of calls whose answers nobody reads");
    deaf.expect_hang_up_unread();
    halfway.expect_hang_up();
    assert!(scene.fake.is_live(token_of(&silent.call("GetToken", &json!({})))), "silence is no fault");
}

/// Calls and calls, and never reads: how many bytes of calls the daemon takes.
fn pipeline_until_hung_up_on(scene: &Scene) -> usize {
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
fn a_crowd_of_all_kinds_does_not_keep_the_daemon_from_stopping() {
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
    // It ends within 2 s; what would be waited for if anything were under way is 30.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    login.finish();
}
