//! Clocks that are set or wrong, machines that sleep, networks that go and come back.

use rstest::rstest;

use super::*;
use crate::grant::{Displaced, Refusal};

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap()
}

/// Somebody sets the clock by that many milliseconds; no time passes.
fn set_clock(bench: &mut Bench, by: i64) {
    bench.now.at = bench.now.at.moved(by);
    bench.feed(Event::ClockSet(by));
    bench.save();
}

/// An account whose token this very process has seen arrive, just now.
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
fn a_token_lasts_as_long_as_it_does_however_the_clock_is_set(#[case] by: i64) {
    let mut bench = witnessed();
    bench.pass(20 * MINUTE);
    set_clock(&mut bench, by);
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    assert_eq!(bench.state(), State::Fresh);
    bench.pass(29 * MINUTE);
    assert!(bench.saves.is_empty() && bench.sends.is_empty(), "not due yet");
    bench.pass(2 * MINUTE);
    bench.save();
    assert_eq!(bench.presented(), "RT2", "due when it is");
    bench.pass(10 * MINUTE);
    assert_eq!(bench.served(), None, "and over when it is");
}

#[test]
fn a_clock_that_is_set_is_written_down() {
    let mut bench = witnessed();
    set_clock(&mut bench, millis(DAY));
    assert_eq!(bench.disk, bench.account().record);
}

#[test]
fn a_token_of_an_earlier_run_is_judged_by_the_clock_as_it_is() {
    let mut bench = Bench::fresh();
    set_clock(&mut bench, millis(DAY));
    assert_eq!(bench.served(), None);
    assert_eq!(bench.presented(), "RT", "due at once");
}

#[test]
fn a_refusal_is_confirmed_after_a_minute_whatever_the_clock_says() {
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
    assert_eq!(bench.state(), State::Waiting, "asked twice within seconds");
}

#[test]
fn what_was_put_off_is_not_put_off_for_longer_when_the_clock_is_set_back() {
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
fn a_machine_that_starts_in_the_past_asks_for_a_new_token_and_keeps_the_old_one_for_want_of_it(
    #[case] year: i64,
) {
    let mut bench = Bench::new(Settings::default());
    bench.now.at = Timestamp::from_millis((year - 1970) * 365 * millis(DAY));
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.save();
    assert_eq!(bench.presented(), "RT");
    assert_eq!(bench.served(), None, "it may have ended long ago");
    bench.answer(transient(Delivery::NotSent));
    assert_eq!(bench.served().as_deref(), Some("AT"), "better than none");
    // Its clock is set right, and the token may be seen to be good.
    let by = START.as_millis() - bench.now.at.as_millis();
    set_clock(&mut bench, by);
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[rstest]
#[case(1970)]
#[case(2039)]
fn a_wrong_clock_asks_no_more_often(#[case] year: i64) {
    let mut bench = Bench::new(Settings::default());
    bench.now.at = Timestamp::from_millis((year - 1970) * 365 * millis(DAY));
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    bench.pass(49 * MINUTE);
    assert!(bench.saves.is_empty() && bench.sends.is_empty());
}

#[test]
fn a_clock_that_no_server_has_confirmed_throws_no_grant_away() {
    let displaced = Displaced { grant: Grant { generation: 0, ..grant(None) }, at: START };
    let held = Record { displaced: vec![displaced], ..record(grant(Some(3600))) };
    let mut bench = Bench::new(Settings::default());
    bench.now.at = START + 400 * DAY;
    bench.feed(Event::Loaded(Ok(Some(held))));
    assert_eq!(bench.account().record.displaced.len(), 1);
    bench.feed(Event::ServerTime(START + DAY));
    bench.ask(Ask::Accept { tokens: tokens("LAT", Some("LRT")), replace: true });
    assert_eq!(bench.account().record.displaced.len(), 2, "the server says that the clock is wrong");
    bench.feed(Event::ServerTime(bench.now.at));
    bench.ask(Ask::Accept { tokens: tokens("LAT2", Some("LRT2")), replace: true });
    let left = &bench.account().record.displaced;
    assert!(left.iter().all(|it| it.grant.generation != 0), "over thirty days old");
    assert_eq!(left.len(), 2);
}

#[rstest]
#[case(30, None)]
#[case(-59, None)]
#[case(90, Some("90 seconds ahead of"))]
#[case(-7200, Some("2 hours behind"))]
#[case(1_700_000_000, Some("19675 days ahead of"))]
fn a_clock_that_differs_from_the_servers_is_told(#[case] ahead: i64, #[case] said: Option<&str>) {
    let mut bench = witnessed();
    bench.feed(Event::ServerTime(bench.now.at.moved(-1000 * ahead)));
    let info = bench.account().snapshot(bench.now.at).info;
    assert_eq!(info.clock_skew_s, said.map(|_| ahead));
    match said {
        Some(said) => assert!(bench.reason().contains(said), "{}", bench.reason()),
        None => assert_eq!(bench.reason(), ""),
    }
    set_clock(&mut bench, -1000 * ahead);
    assert_eq!(bench.reason(), "", "set right");
}

#[test]
fn no_refresh_begins_once_sleep_is_announced_and_it_is_made_up_for() {
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
fn a_mark_on_its_way_when_sleep_is_announced_is_spent_after_it() {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench.feed(Event::Sleep(true));
    assert!(!bench.account().may_sleep(), "the mark is being written");
    bench.save();
    assert!(bench.sends.is_empty() && bench.account().may_sleep());
    bench.feed(Event::Sleep(false));
    assert_eq!(bench.presented(), "RT");
    bench.answer(Answer::Granted(tokens("AT2", None)));
    bench.save();
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn nothing_is_spent_without_a_mark_as_the_machine_falls_asleep() {
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
fn an_answer_on_its_way_keeps_the_machine_awake_until_it_is_stored() {
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
fn an_import_is_verified_when_the_machine_is_awake_again() {
    let mut bench = Bench::fresh();
    bench.feed(Event::Sleep(true));
    bench.ask(import_of("IRT", Some("alice"), false));
    bench.save();
    assert!(bench.sends.is_empty());
    bench.feed(Event::Sleep(false));
    assert_eq!(bench.presented(), "IRT");
}

/// An account that has failed so often that its next try is minutes away.
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
fn a_network_that_is_back_is_tried_within_two_seconds() {
    let mut bench = weary();
    assert!(bench.account().waits_for_better_times(bench.now.at));
    bench.feed(Event::Online);
    assert_eq!(bench.retry_in(), Some(Duration::from_millis(1800)));
    bench.pass(2 * SECOND);
    assert_eq!(bench.sends.len(), 1);
}

#[test]
fn somebody_who_waits_for_the_network_waits_no_longer() {
    let mut bench = weary();
    let _ = bench.want(Want::Valid(MINUTE));
    bench.feed(Event::Online);
    assert_eq!(bench.sends.len(), 1);
}

#[test]
fn a_network_that_keeps_coming_causes_a_try_a_second_at_most() {
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
fn a_server_that_asked_for_a_pause_gets_it_although_the_network_came_back() {
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
fn the_network_concerns_nobody_whose_token_is_good_or_refused() {
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
fn a_clock_that_jumps_forward_costs_one_refresh(#[case] jump: Duration) {
    let mut bench = Bench::fresh();
    bench.now.at = bench.now.at + jump;
    bench.feed(Event::Tick);
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn a_clock_that_jumps_back_harms_nothing() {
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
    assert_eq!(bench.retry_in(), Some(MINUTE), "counted anew from the clock as it is");
}
