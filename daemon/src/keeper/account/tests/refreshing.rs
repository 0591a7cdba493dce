use rstest::rstest;

use super::*;

#[test]
fn refreshes_before_expiry_without_a_request() {
    let mut bench = Bench::fresh();
    assert_eq!(bench.state(), State::Fresh);
    bench.pass(49 * MINUTE);
    assert!(bench.saves.is_empty(), "the refresh is not due yet");
    bench.pass(MINUTE);
    assert_eq!(bench.state(), State::Refreshing);
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.state(), State::Fresh);
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn saves_the_in_flight_mark_before_sending() {
    let mut bench = due();
    assert!(bench.sends.is_empty(), "no refresh token is sent before the mark is saved");
    bench.save();
    assert!(bench.disk.in_flight.is_some());
    assert_eq!(bench.presented(), "RT");
}

#[test]
fn serves_the_old_token_until_the_refresh_is_answered() {
    let mut bench = due();
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT"));
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    assert_eq!(bench.served(), None, "the old token may be invalid, and the new one is not saved");
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn keeps_the_refresh_token_if_the_server_returns_none() {
    let mut bench = due();
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.refresh_token(), Some("RT"));
    assert_eq!(bench.account().record.previous_refresh_token, None);
}

#[test]
fn keeps_the_previous_refresh_token() {
    let mut bench = due();
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.disk.previous_refresh_token, Some(Secret::from("RT")));
    assert!(bench.disk.in_flight.is_none(), "the answer clears the mark");
}

#[test]
fn never_sends_two_refreshes_at_the_same_time() {
    let mut bench = due();
    bench.save();
    for want in [Want::Valid(HOUR), Want::New, Want::AnotherThan(Secret::from("AT"))] {
        let _ = bench.want(want);
        bench.save();
    }
    bench.pass(HOUR);
    assert_eq!(bench.sends.len(), 1);
}

#[test]
fn rejecting_an_old_token_causes_no_refresh() {
    let mut bench = Bench::fresh();
    bench.want(Want::AnotherThan(Secret::from("older"))).unwrap();
    assert!(bench.saves.is_empty());
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[test]
fn replaces_a_rejected_token_and_stops_serving_it() {
    let mut bench = Bench::fresh();
    bench.want(Want::AnotherThan(Secret::from("AT"))).unwrap();
    assert_eq!(bench.served(), None);
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn calls_before_publication_cause_no_second_refresh() {
    for want in [Want::Valid(MINUTE), Want::New, Want::AnotherThan(Secret::from("AT"))] {
        let mut bench = due();
        bench.save();
        bench.answer(Answer::Granted(tokens("AT2", None)));
        bench.want(want).unwrap();
        bench.save();
        assert!(bench.sends.is_empty() && bench.state() == State::Fresh);
    }
}

#[test]
fn stops_replacing_after_three_rejected_tokens_in_a_row() {
    let mut bench = Bench::fresh();
    bench.pass(2 * MINUTE);
    bench.want(Want::AnotherThan(Secret::from("AT"))).unwrap();
    bench.refreshed(tokens("AT1", None));
    for (rejected, next) in [("AT1", "AT2"), ("AT2", "AT3")] {
        bench.pass(2 * SECOND);
        bench.want(Want::AnotherThan(Secret::from(rejected))).unwrap();
        bench.refreshed(tokens(next, None));
    }
    bench.pass(2 * SECOND);
    let error = bench.want(Want::AnotherThan(Secret::from("AT3"))).unwrap_err();
    assert!(matches!(error, Error::TemporarilyUnavailable { retry_at: Some(_), .. }), "{error}");
    assert_eq!(bench.served().as_deref(), Some("AT3"), "the last token is still served");
}

#[test]
fn allows_six_forced_refreshes_a_minute() {
    let mut bench = Bench::fresh();
    for n in 0..6 {
        bench.want(Want::New).unwrap();
        bench.refreshed(tokens(&format!("AT{n}"), None));
        bench.pass(2 * SECOND);
    }
    assert!(matches!(bench.want(Want::New), Err(Error::TemporarilyUnavailable { .. })));
    assert_eq!(bench.served().as_deref(), Some("AT5"));
    bench.pass(MINUTE);
    bench.want(Want::New).unwrap();
}

#[test]
fn tokens_that_die_early_indicate_another_program() {
    let mut bench = Bench::fresh();
    for n in 0..3 {
        bench.pass(2 * MINUTE);
        let current = bench.served().unwrap();
        bench.want(Want::AnotherThan(Secret::from(current))).unwrap();
        bench.refreshed(tokens(&format!("AT{n}"), None));
    }
    assert_eq!(bench.state(), State::Fresh);
    assert!(bench.reason().contains("another program probably uses the client ID"), "{}", bench.reason());
}

#[test]
fn a_refusal_counts_once_repeated_a_minute_later() {
    let mut bench = due();
    bench.save();
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::Waiting);
    assert_eq!(bench.retry_in(), Some(MINUTE));
    assert_eq!(bench.served().as_deref(), Some("AT"), "a valid token is still served");

    bench.pass(10 * SECOND);
    bench.want(Want::New).unwrap();
    bench.save();
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::Waiting, "a refusal repeated too soon does not count");

    bench.pass(50 * SECOND);
    bench.save();
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::ConsentNeeded);
    assert_eq!(bench.refresh_token(), Some("RT"), "the refresh token is kept");
    assert_eq!(bench.retry_in(), Some(DAY));
}

fn refused_for_good(settings: Settings, previous: Option<&str>) -> Bench {
    let mut bench = Bench::new(settings);
    let previous_refresh_token = previous.map(Secret::from);
    bench.feed(Event::Loaded(Ok(Some(Record { previous_refresh_token, ..record(grant(Some(3600))) }))));
    bench.pass(51 * MINUTE);
    for _ in 0..2 {
        bench.save();
        bench.answer(refused());
        bench.save();
        bench.pass(MINUTE);
    }
    bench
}

#[test]
fn a_refused_grant_recovers_if_the_server_accepts_it_again() {
    let mut bench = refused_for_good(Settings::default(), None);
    assert_eq!(bench.state(), State::ConsentNeeded);
    bench.pass(DAY);
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn the_user_can_retry_a_refused_grant_immediately() {
    let mut bench = refused_for_good(Settings::default(), None);
    bench.pass(2 * SECOND);
    bench.want(Want::New).unwrap();
    bench.save();
    assert_eq!(bench.sends.len(), 1);
}

#[test]
fn sends_the_previous_refresh_token_once_if_reuse_is_tolerated() {
    let mut bench = refused_for_good(reuse(RefreshReuse::Tolerated), Some("RT0"));
    bench.save();
    assert_eq!(bench.presented(), "RT0");
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::ConsentNeeded);
    bench.pass(DAY);
    bench.save();
    assert_eq!(bench.presented(), "RT", "after a day, the current refresh token is sent again");
}

#[test]
fn never_sends_the_previous_refresh_token_if_reuse_revokes() {
    let mut bench = refused_for_good(reuse(RefreshReuse::Revokes), Some("RT0"));
    bench.save();
    assert!(bench.sends.is_empty());
    assert_eq!(bench.state(), State::ConsentNeeded);
}

#[test]
fn retries_a_lost_answer_immediately_then_backs_off() {
    let mut bench = due();
    bench.now.dice = 0.5;
    bench.save();
    bench.answer(transient(Delivery::InDoubt));
    assert_eq!(bench.presented(), "RT", "the retry is immediate, since the mark is saved already");
    bench.answer(transient(Delivery::InDoubt));
    assert!(bench.sends.is_empty());
    assert_eq!(bench.retry_in(), Some(SECOND));
}

#[test]
fn retries_immediately_after_a_restart_with_a_mark() {
    let bench = Bench::with(Record { in_flight: Some(START), ..record(grant(Some(3600))) });
    assert_eq!(bench.presented(), "RT");
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[rstest]
#[case::not_sent(Delivery::NotSent)]
#[case::answered(Delivery::Answered)]
fn a_temporary_failure_backs_off_and_keeps_the_grant(#[case] delivery: Delivery) {
    let mut bench = due();
    bench.now.dice = 0.999;
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        bench.save();
        bench.answer(transient(delivery));
        bench.save();
        let pause = bench.retry_in().unwrap();
        longest = longest.max(pause);
        bench.pass(pause);
    }
    assert!(longest > 14 * MINUTE && longest <= 15 * MINUTE, "{longest:?}");
    assert_eq!(bench.refresh_token(), Some("RT"));
}

#[test]
fn retries_within_five_seconds_while_a_caller_waits() {
    let mut bench = due();
    bench.now.dice = 0.999;
    for _ in 0..12 {
        bench.save();
        bench.answer(transient(Delivery::Answered));
        bench.pass(bench.retry_in().unwrap());
    }
    bench.save();
    bench.answer(transient(Delivery::Answered));
    assert!(bench.retry_in().unwrap() > MINUTE);
    bench.pass(10 * MINUTE);
    bench.want(Want::Valid(MINUTE)).unwrap();
    assert!(bench.retry_in().is_none_or(|pause| pause <= 5 * SECOND), "{:?}", bench.retry_in());
}

#[test]
fn honours_retry_after_in_spite_of_calls() {
    let mut bench = due();
    bench.save();
    bench.answer(pause_of(600));
    assert_eq!(bench.retry_in(), Some(10 * MINUTE));
    bench.want(Want::New).unwrap();
    bench.want(Want::Valid(HOUR)).unwrap();
    assert_eq!(bench.retry_in(), Some(10 * MINUTE));
    assert!(bench.sends.is_empty());
}

#[test]
fn a_corrected_client_secret_ends_the_misconfigured_state() {
    let mut bench = due();
    bench.save();
    bench.answer(misconfigured());
    bench.save();
    assert_eq!(bench.state(), State::Misconfigured);
    assert_eq!(bench.served().as_deref(), Some("AT"));
    let reason = bench.reason();
    assert!(reason.contains("client_auth") && reason.contains("--client-secret-stdin`"), "{reason}");
    let ticket = bench.ask(Ask::KeepClientSecret(Secret::from("right")));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn without_auto_refresh_refreshes_only_on_a_call() {
    let mut bench = Bench::new(Settings { auto_refresh: Some(false), ..Settings::default() });
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.pass(2 * HOUR);
    assert!(bench.saves.is_empty());
    assert_eq!(bench.state(), State::Stale);
    assert!(bench.account().wake_at(bench.now.at).is_none(), "the account sets no timer");
    bench.want(Want::Valid(MINUTE)).unwrap();
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn predicts_the_end_of_a_refresh_token_without_auto_refresh() {
    let mut bench = Bench::new(Settings { auto_refresh: Some(false), ..Settings::default() });
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    let ages_at = |bench: &Bench| bench.account().snapshot(bench.now.at).ages_at;
    assert_eq!(
        ages_at(&bench),
        Some(START + 25 * DAY),
        "the maximum age is 28 days; the warning comes 3 days earlier"
    );
    bench.want(Want::New).unwrap();
    let refresh_expires_in = Some(20 * 24 * 3600);
    bench.refreshed(TokenResponse { refresh_expires_in, ..tokens("AT2", Some("RT2")) });
    let ends_soon_at = bench.now.at + 17 * DAY;
    assert_eq!(ages_at(&bench), Some(ends_soon_at));
    // The same refresh token keeps its expiry, and a new one has the server's value.
    bench.pass(MINUTE);
    bench.want(Want::New).unwrap();
    bench.refreshed(tokens("AT3", None));
    assert_eq!(ages_at(&bench), Some(ends_soon_at));
    bench.pass(MINUTE);
    bench.want(Want::New).unwrap();
    bench.refreshed(tokens("AT4", Some("RT4")));
    assert_eq!(ages_at(&bench), Some(bench.now.at + 25 * DAY));
}

#[test]
fn serves_a_token_of_unknown_lifetime_until_max_age() {
    let mut bench = Bench::with(record(grant(None)));
    bench.pass(27 * DAY);
    assert_eq!(bench.served().as_deref(), Some("AT"));
    bench.pass(DAY);
    assert_eq!(bench.state(), State::Refreshing, "the token is refreshed at max_age");
}

#[test]
fn min_valid_counts_as_at_most_half_the_lifetime() {
    let mut bench = Bench::with(record(grant(Some(60))));
    bench.pass(29 * SECOND);
    assert!(bench.account().serves(HOUR, bench.now.at));
    bench.pass(2 * SECOND);
    assert!(!bench.account().serves(HOUR, bench.now.at));
}

#[test]
fn without_a_refresh_token_consent_is_needed_after_expiry() {
    let mut bench = Bench::with(record(Grant { refresh_token: None, ..grant(Some(3600)) }));
    assert_eq!(bench.state(), State::Fresh);
    assert!(matches!(bench.want(Want::New), Err(Error::ConsentNeeded { .. })));
    bench.pass(HOUR);
    assert_eq!(bench.state(), State::ConsentNeeded);
    assert!(bench.sends.is_empty() && bench.saves.is_empty());
}

#[test]
fn stopping_starts_no_refresh_but_saves_a_late_answer() {
    let mut bench = due();
    bench.save();
    bench.feed(Event::Closing);
    assert!(!bench.account().is_idle());
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert!(bench.account().is_idle());
    assert_eq!(bench.disk.grant.as_ref().unwrap().refresh_token, Some(Secret::from("RT2")));
    bench.pass(2 * HOUR);
    assert!(bench.saves.is_empty());
}
