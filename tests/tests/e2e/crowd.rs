//! Many callers, some of them hostile: no caller waits for another.

use std::thread;
use std::time::Instant;

use imgurd_proto::varlink::MAX_MESSAGE;
use imgurd_proto::{GetToken, State};
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::Scene;
use imgurd_tests::wire::{Wire, token_of};
use serde_json::json;

use crate::{expired, momentary};

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

#[test]
fn three_hundred_callers_of_an_expired_token_cause_one_request() {
    let scene = expired(Scene::memory(momentary()).signed_in());
    let gate = scene.fake.hold(Endpoint::Token);
    let mut callers: Vec<Wire> = (0..300).map(|_| scene.bed.wire()).collect();
    for caller in &mut callers {
        caller.ask("GetToken", &json!({}));
    }
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    // Callers that came after the request have joined the wait, too.
    assert!(callers.iter_mut().all(|caller| !caller.has_answer()), "all callers wait");
    gate.release();
    let answers: Vec<_> = callers.iter_mut().map(Wire::answer).collect();
    let token = token_of(&answers[0]);
    assert!(scene.fake.is_live(token));
    assert!(answers.iter().all(|answer| token_of(answer) == token), "all callers get the same token");
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn three_hundred_programs_at_once_cause_one_request() {
    let scene = expired(Scene::memory(momentary()).signed_in());
    let tokens: Vec<_> = thread::scope(|scope| {
        let call = || scene.bed.client().call(&GetToken::default()).unwrap().token;
        let programs: Vec<_> = (0..300).map(|_| scope.spawn(call)).collect();
        programs.into_iter().map(|program| program.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| token == &tokens[0]));
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_slow_refresh_does_not_delay_callers_with_a_valid_token() {
    let scene = scene();
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    let first = scene.token();
    let gate = scene.fake.hold(Endpoint::Token);
    let mut refreshing = scene.bed.wire();
    refreshing.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, 3);
    assert_eq!(scene.account().state, State::Refreshing);

    let begin = Instant::now();
    assert_eq!(scene.token(), first, "calls for the refreshing account are not delayed");
    assert!(
        scene.ctl(&["token", "second"]).success().line() != first,
        "calls for another account are not delayed"
    );
    scene.ctl(&["status"]).success();
    println!("three commands took {:?} while a refresh was held", begin.elapsed());

    assert!(!refreshing.has_answer());
    gate.release();
    assert_ne!(token_of(&refreshing.answer()), first);
}

#[test]
fn a_slow_refresh_does_not_delay_other_accounts() {
    let scene = expired(Scene::memory(momentary()).signed_in());
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    let gate = scene.fake.hold(Endpoint::Token);
    let mut waiting = scene.bed.wire();
    waiting.ask("GetToken", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, 3);
    scene.ctl(&["token", "second"]).success();
    // Changing and removing an account does not wait either.
    scene.ctl(&["account", "set", "second", "--scope", "more"]).success();
    scene.ctl(&["account", "remove", "second"]).success();
    assert!(!waiting.has_answer());
    gate.release();
    assert!(scene.fake.is_live(token_of(&waiting.answer())));
}

#[test]
fn silent_and_incomplete_callers_do_not_delay_others() {
    let scene = scene();
    let bad: Vec<_> = [
        "",
        "{",
        r#"{"method":"org.imgurd.Keeper1.GetToken""#,
        r#"{"method":"org.imgurd.Keeper1.GetToken"}"#,
    ]
    .iter()
    .map(|words| {
        let mut caller = scene.bed.wire();
        caller.send_bytes(words.as_bytes());
        caller
    })
    .collect();
    let mut good = scene.bed.wire();
    let begin = Instant::now();
    let answer = good.call("GetToken", &json!({}));
    println!("a call took {:?} beside {} bad callers", begin.elapsed(), bad.len());
    assert!(scene.fake.is_live(token_of(&answer)));
    // The incomplete callers are still connected. One completes its message and gets an answer.
    let mut late = bad.into_iter().last().unwrap();
    late.send_bytes(b"\0");
    assert!(scene.fake.is_live(token_of(&late.answer())));
}

#[test]
fn a_caller_that_never_reads_does_not_delay_others() {
    let scene = scene();
    let mut not_reading = scene.bed.wire();
    // These answers exceed the socket's buffer, and imgurd does not wait until the caller reads them.
    not_reading.stream("Watch", &json!({}));
    let mut flood = scene.bed.wire();
    let call = json!({ "method": "org.varlink.service.GetInterfaceDescription",
        "parameters": { "interface": "org.imgurd.Keeper1" } });
    let calls = format!("{call}\0").repeat(400);
    flood.send_bytes(calls.as_bytes());
    assert!(scene.fake.is_live(&scene.token()));
    scene.ctl(&["refresh"]).success();
    assert!(scene.fake.is_live(&scene.token()));
    drop(not_reading);
}

#[test]
fn a_message_above_the_limit_closes_the_connection() {
    let scene = scene();
    let mut caller = scene.bed.wire();
    caller.send_bytes(&vec![b' '; MAX_MESSAGE + 1]);
    caller.expect_hang_up();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_message_at_the_limit_is_answered() {
    let scene = scene();
    let mut caller = scene.bed.wire();
    let mut message = br#"{"method":"org.imgurd.Keeper1.GetToken","ignored":""#.to_vec();
    message.resize(MAX_MESSAGE - 3, b'a');
    message.extend(b"\"}\0");
    assert_eq!(message.len(), MAX_MESSAGE);
    caller.send_bytes(&message);
    assert!(scene.fake.is_live(token_of(&caller.answer())));
}

#[test]
fn a_refresh_goes_on_when_its_waiting_callers_disconnect() {
    let scene = expired(Scene::memory(momentary()).signed_in());
    let gate = scene.fake.hold(Endpoint::Token);
    for _ in 0..50 {
        scene.bed.wire().ask("GetToken", &json!({}));
    }
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    gate.release();
    scene.wait_until(|account| account.state == State::Fresh);
    assert_eq!(scene.refreshes().len(), 1);
}
