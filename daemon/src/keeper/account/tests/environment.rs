//! Clocks that are wrong or set, machines that suspend, networks that disappear and return.

use rstest::rstest;

use super::*;
use crate::grant::{Displaced, Refusal};

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap()
}

/// Sets the clock forward by this many milliseconds; no time passes.
fn set_clock(bench: &mut Bench, by: i64) {
    bench.now.at = bench.now.at.moved(by);
    bench.feed(Event::ClockSet(by));
    bench.save();
}

/// An account whose token this process has just received.
fn witnessed() -> Bench {
    let mut bench = Bench::fresh();
    let _ = bench.want(Want::New);
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    bench
}

#[rstest]
#[case::a_day_ahead(millis(DAY))]
#[case::a_day_back(-millis(DAY))]
#[case::from_1970(START.as_millis())]
#[case::to_1970(-START.as_millis())]
fn setting_the_clock_does_not_change_a_tokens_lifetime(#[case] by: i64) {
    let mut bench = witnessed();
    bench.pass(20 * MINUTE);
    set_clock(&mut bench, by);
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    assert_eq!(bench.state(), State::Fresh);
    bench.pass(29 * MINUTE);
    assert!(bench.saves.is_empty() && bench.sends.is_empty(), "the refresh is not due yet");
    bench.pass(2 * MINUTE);
    bench.save();
    assert_eq!(bench.presented(), "RT2", "the refresh starts when it is due");
    bench.pass(10 * MINUTE);
    assert_eq!(bench.served(), None, "the token expires when it did before the change");
}

#[test]
fn saves_the_corrected_times_when_the_clock_is_set() {
    let mut bench = witnessed();
    set_clock(&mut bench, millis(DAY));
    assert_eq!(bench.disk, bench.account().record);
}

#[test]
fn judges_tokens_of_an_earlier_run_by_the_current_clock() {
    let mut bench = Bench::fresh();
    set_clock(&mut bench, millis(DAY));
    assert_eq!(bench.served(), None);
    assert_eq!(bench.presented(), "RT", "a refresh is due at once");
}

#[test]
fn setting_the_clock_does_not_confirm_a_refusal() {
    let mut bench = Bench::fresh();
    let _ = bench.want(Want::New);
    bench.save();
    bench.answer(refused());
    bench.save();
    set_clock(&mut bench, millis(DAY));
    let _ = bench.want(Want::New);
    bench.pass(SECOND);
    bench.save();
    bench.answer(refused());
    assert_eq!(bench.state(), State::Waiting, "a second refusal within seconds confirms nothing");
}

#[test]
fn setting_the_clock_back_does_not_prolong_a_pause() {
    let mut bench = witnessed();
    bench.pass(51 * MINUTE);
    bench.save();
    bench.answer(pause_of(600));
    bench.save();
    set_clock(&mut bench, -millis(DAY));
    assert_eq!(bench.retry_in(), Some(10 * MINUTE));
}

#[rstest]
#[case(1970)]
#[case(2000)]
fn a_clock_in_the_past_causes_a_refresh_and_keeps_the_old_token(#[case] year: i64) {
    let mut bench = Bench::new(Settings::default());
    bench.now.at = Timestamp::from_millis((year - 1970) * 365 * millis(DAY));
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.save();
    assert_eq!(bench.presented(), "RT");
    assert_eq!(bench.served(), None, "the token may have expired long ago");
    bench.answer(transient(Delivery::NotSent));
    assert_eq!(bench.served().as_deref(), Some("AT"), "the old token is served if there is no new one");
    // Once the clock is set right, the token may turn out to be valid.
    let by = START.as_millis() - bench.now.at.as_millis();
    set_clock(&mut bench, by);
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[rstest]
#[case(1970)]
#[case(2039)]
fn a_wrong_clock_does_not_cause_more_refreshes(#[case] year: i64) {
    let mut bench = Bench::new(Settings::default());
    bench.now.at = Timestamp::from_millis((year - 1970) * 365 * millis(DAY));
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    bench.pass(49 * MINUTE);
    assert!(bench.saves.is_empty() && bench.sends.is_empty());
}

#[test]
fn deletes_no_old_grant_by_an_unconfirmed_clock() {
    let displaced = Displaced { grant: Grant { generation: 0, ..grant(None) }, at: START };
    let held = Record { displaced: vec![displaced], ..record(grant(Some(3600))) };
    let mut bench = Bench::new(Settings::default());
    bench.now.at = START + 400 * DAY;
    bench.feed(Event::Loaded(Ok(Some(held))));
    assert_eq!(bench.account().record.displaced.len(), 1);
    bench.feed(Event::ServerTime(START + DAY));
    bench.ask(Ask::Accept { tokens: tokens("LAT", Some("LRT")), replace: true });
    assert_eq!(bench.account().record.displaced.len(), 2, "the server's time shows that the clock is wrong");
    bench.feed(Event::ServerTime(bench.now.at));
    bench.ask(Ask::Accept { tokens: tokens("LAT2", Some("LRT2")), replace: true });
    let left = &bench.account().record.displaced;
    assert!(
        left.iter().all(|it| it.grant.generation != 0),
        "a grant replaced more than 30 days ago is deleted"
    );
    assert_eq!(left.len(), 2);
}

#[rstest]
#[case(30, None)]
#[case(-59, None)]
#[case(90, Some("90 seconds ahead of"))]
#[case(-7200, Some("2 hours behind"))]
#[case(1_700_000_000, Some("19675 days ahead of"))]
fn reports_a_clock_that_differs_from_the_servers(#[case] ahead: i64, #[case] said: Option<&str>) {
    let mut bench = witnessed();
    bench.feed(Event::ServerTime(bench.now.at.moved(-1000 * ahead)));
    let info = bench.account().snapshot(bench.now.at).info;
    assert_eq!(info.clock_skew_s, said.map(|_| ahead));
    match said {
        Some(said) => assert!(bench.reason().contains(said), "{}", bench.reason()),
        None => assert_eq!(bench.reason(), ""),
    }
    set_clock(&mut bench, -1000 * ahead);
    assert_eq!(bench.reason(), "", "no reason remains once the clock is correct");
}

#[test]
fn postpones_refreshes_until_after_suspend() {
    let mut bench = Bench::fresh();
    bench.feed(Event::Sleep(true));
    bench.pass(2 * HOUR);
    let _ = bench.want(Want::Valid(MINUTE));
    bench.save();
    assert!(bench.sends.is_empty() && bench.account().may_sleep());
    bench.feed(Event::Sleep(false));
    bench.save();
    assert_eq!(bench.presented(), "RT");
}

#[test]
fn uses_a_mark_from_before_suspend_after_it() {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench.feed(Event::Sleep(true));
    assert!(!bench.account().may_sleep(), "the machine must not sleep while the mark is being written");
    bench.save();
    assert!(bench.sends.is_empty() && bench.account().may_sleep());
    bench.feed(Event::Sleep(false));
    assert_eq!(bench.presented(), "RT");
    bench.answer(Answer::Granted(tokens("AT2", None)));
    bench.save();
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn sends_nothing_without_a_mark_during_suspend() {
    let mut bench = Bench::with(record(Grant { kept: 2, ..grant(Some(3600)) }));
    bench.pass(51 * MINUTE);
    bench.feed(Event::Sleep(true));
    bench.fail_to_save();
    assert!(bench.sends.is_empty());
    bench.feed(Event::Sleep(false));
    bench.pass(2 * SECOND);
    bench.save();
    assert_eq!(bench.presented(), "RT");
}

#[test]
fn delays_suspend_until_the_answer_is_saved() {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench.save();
    bench.feed(Event::Sleep(true));
    assert!(!bench.account().may_sleep());
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    assert!(!bench.account().may_sleep());
    bench.save();
    assert!(bench.account().may_sleep());
}

#[test]
fn verifies_an_import_after_suspend() {
    let mut bench = Bench::fresh();
    bench.feed(Event::Sleep(true));
    bench.ask(import_of("IRT", Some("alice"), false));
    bench.save();
    assert!(bench.sends.is_empty());
    bench.feed(Event::Sleep(false));
    assert_eq!(bench.presented(), "IRT");
}

/// An account that failed so often that its next attempt is minutes away.
fn weary() -> Bench {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench.now.dice = 0.9;
    for failures in 1..=12 {
        bench.save();
        bench.answer(transient(Delivery::NotSent));
        if failures < 12 {
            bench.pass(bench.retry_in().unwrap());
        }
    }
    assert!(bench.retry_in().unwrap() > 10 * MINUTE, "{:?}", bench.retry_in());
    bench.pass(MINUTE);
    bench
}

#[test]
fn retries_within_two_seconds_when_the_network_returns() {
    let mut bench = weary();
    assert!(bench.account().waits_for_better_times(bench.now.at));
    bench.feed(Event::Online);
    assert_eq!(bench.retry_in(), Some(Duration::from_millis(1800)));
    bench.pass(2 * SECOND);
    assert_eq!(bench.sends.len(), 1);
}

#[test]
fn retries_immediately_for_a_waiting_caller_when_the_network_returns() {
    let mut bench = weary();
    let _ = bench.want(Want::Valid(MINUTE));
    bench.feed(Event::Online);
    assert_eq!(bench.sends.len(), 1);
}

#[test]
fn an_unstable_network_causes_at_most_one_attempt_a_second() {
    let mut bench = weary();
    bench.now.dice = 0.05;
    for _ in 0..10 {
        bench.feed(Event::Online);
        bench.pass(Duration::from_millis(100));
        bench.save();
        while !bench.sends.is_empty() {
            bench.answer(transient(Delivery::NotSent));
            bench.feed(Event::Online);
            assert!(bench.sends.is_empty());
        }
    }
    assert!(bench.account().failed <= 14, "{}", bench.account().failed);
}

#[test]
fn a_returning_network_does_not_shorten_a_requested_pause() {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench.save();
    bench.answer(pause_of(600));
    bench.feed(Event::Online);
    bench.feed(Event::Sleep(true));
    bench.feed(Event::Sleep(false));
    assert_eq!(bench.retry_in(), Some(10 * MINUTE));
}

#[test]
fn a_returning_network_causes_no_refresh_without_need() {
    let mut bench = Bench::fresh();
    bench.feed(Event::Online);
    assert!(bench.saves.is_empty() && bench.sends.is_empty());
    let first_at = START;
    let refusal = Refusal { first_at, confirmed: true, previous_tried: true, witnessed: false };
    let mut bench = Bench::with(Record { refusal: Some(refusal), ..record(grant(Some(3600))) });
    bench.save();
    bench.answer(refused());
    let before = bench.retry_in();
    bench.feed(Event::Online);
    assert_eq!(bench.retry_in(), before);
}

#[rstest]
#[case::forward(2 * DAY)]
#[case::far_forward(12 * 365 * DAY)]
fn a_clock_jump_forward_causes_one_refresh(#[case] jump: Duration) {
    let mut bench = Bench::fresh();
    bench.now.at = bench.now.at + jump;
    bench.feed(Event::Tick);
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn a_clock_jump_back_restarts_the_confirmation_period() {
    let mut bench = due();
    bench.save();
    bench.answer(refused());
    bench.save();
    bench.now.at = Timestamp::from_millis(0);
    bench.feed(Event::Tick);
    bench.want(Want::New).unwrap();
    bench.save();
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::Waiting);
    assert_eq!(bench.retry_in(), Some(MINUTE), "the pause restarts from the new time");
}
