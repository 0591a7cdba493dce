use rstest::rstest;

use super::*;

#[test]
fn refreshes_before_expiry_with_no_one_asking() {
    let mut bench = Bench::fresh();
    assert_eq!(bench.state(), State::Fresh);
    bench.pass(49 * MINUTE);
    assert!(bench.saves.is_empty(), "not due yet");
    bench.pass(MINUTE);
    assert_eq!(bench.state(), State::Refreshing);
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.state(), State::Fresh);
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn marks_the_refresh_durably_before_it_is_sent() {
    let mut bench = due();
    assert!(bench.sends.is_empty(), "nothing is spent before the mark is durable");
    bench.save();
    assert!(bench.disk.in_flight.is_some());
    assert_eq!(bench.presented(), "RT");
}

#[test]
fn serves_the_old_token_while_a_refresh_is_on_its_way_and_nobody_after_its_answer() {
    let mut bench = due();
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT"));
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    assert_eq!(bench.served(), None, "the old one may be dead, the new one is not stored");
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn keeps_the_refresh_token_that_the_server_does_not_repeat() {
    let mut bench = due();
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.refresh_token(), Some("RT"));
    assert_eq!(bench.account().record.previous_refresh_token, None);
}

#[test]
fn keeps_the_previous_refresh_token_beside_the_new_one() {
    let mut bench = due();
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.disk.previous_refresh_token, Some(Secret::from("RT")));
    assert!(bench.disk.in_flight.is_none(), "the answer clears the mark");
}

#[test]
fn never_has_two_refreshes_on_their_way() {
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
fn a_token_that_is_not_the_current_one_causes_no_refresh_when_rejected() {
    let mut bench = Bench::fresh();
    bench.want(Want::AnotherThan(Secret::from("older"))).unwrap();
    assert!(bench.saves.is_empty());
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[test]
fn a_rejected_token_is_replaced_at_once_and_not_served_meanwhile() {
    let mut bench = Bench::fresh();
    bench.want(Want::AnotherThan(Secret::from("AT"))).unwrap();
    assert_eq!(bench.served(), None);
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn what_is_asked_between_answer_and_publication_causes_no_further_refresh() {
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
fn three_new_tokens_rejected_in_a_row_are_the_last_to_be_replaced() {
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
    assert_eq!(bench.served().as_deref(), Some("AT3"), "handing out goes on");
}

#[test]
fn six_forced_refreshes_a_minute_are_enough() {
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
fn tokens_that_keep_dying_early_point_to_another_keeper() {
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
fn a_refusal_is_believed_only_when_it_is_repeated_a_minute_later() {
    let mut bench = due();
    bench.save();
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::Waiting);
    assert_eq!(bench.retry_in(), Some(MINUTE));
    assert_eq!(bench.served().as_deref(), Some("AT"), "a valid token goes on being served");

    bench.pass(10 * SECOND);
    bench.want(Want::New).unwrap();
    bench.save();
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::Waiting, "asked again too soon to believe it");

    bench.pass(50 * SECOND);
    bench.save();
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::ConsentNeeded);
    assert_eq!(bench.refresh_token(), Some("RT"), "it is kept all the same");
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
fn a_refused_grant_heals_by_itself_when_the_server_changes_its_mind() {
    let mut bench = refused_for_good(Settings::default(), None);
    assert_eq!(bench.state(), State::ConsentNeeded);
    bench.pass(DAY);
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn the_person_can_ask_at_once_about_a_refused_grant() {
    let mut bench = refused_for_good(Settings::default(), None);
    bench.pass(2 * SECOND);
    bench.want(Want::New).unwrap();
    bench.save();
    assert_eq!(bench.sends.len(), 1);
}

#[test]
fn the_previous_token_is_presented_once_where_that_is_tolerated() {
    let mut bench = refused_for_good(reuse(RefreshReuse::Tolerated), Some("RT0"));
    bench.save();
    assert_eq!(bench.presented(), "RT0");
    bench.answer(refused());
    bench.save();
    assert_eq!(bench.state(), State::ConsentNeeded);
    bench.pass(DAY);
    bench.save();
    assert_eq!(bench.presented(), "RT", "from then on it is the current one again");
}

#[test]
fn the_previous_token_is_never_presented_where_it_would_revoke_the_grant() {
    let mut bench = refused_for_good(reuse(RefreshReuse::Revokes), Some("RT0"));
    bench.save();
    assert!(bench.sends.is_empty());
    assert_eq!(bench.state(), State::ConsentNeeded);
}

#[test]
fn after_a_lost_answer_the_current_token_is_tried_again_at_once_and_then_with_back_off() {
    let mut bench = due();
    bench.now.dice = 0.5;
    bench.save();
    bench.answer(transient(Delivery::InDoubt));
    assert_eq!(bench.presented(), "RT", "at once, and the mark is there already");
    bench.answer(transient(Delivery::InDoubt));
    assert!(bench.sends.is_empty());
    assert_eq!(bench.retry_in(), Some(SECOND));
}

#[test]
fn a_restart_that_finds_the_mark_tries_the_current_token_at_once() {
    let bench = Bench::with(Record { in_flight: Some(START), ..record(grant(Some(3600))) });
    assert_eq!(bench.presented(), "RT");
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[rstest]
#[case::not_sent(Delivery::NotSent)]
#[case::answered(Delivery::Answered)]
fn a_passing_fault_backs_off_and_keeps_everything(#[case] delivery: Delivery) {
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
fn while_somebody_waits_the_next_try_is_at_most_five_seconds_away() {
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
fn retry_after_wins_over_demand() {
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
fn a_refused_client_is_a_state_of_its_own_and_heals_with_the_setting() {
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
fn with_auto_refresh_off_nothing_happens_until_somebody_asks() {
    let mut bench = Bench::new(Settings { auto_refresh: Some(false), ..Settings::default() });
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.pass(2 * HOUR);
    assert!(bench.saves.is_empty());
    assert_eq!(bench.state(), State::Stale);
    assert!(bench.account().wake_at(bench.now.at).is_none(), "an idle account does not wake");
    bench.want(Want::Valid(MINUTE)).unwrap();
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn the_end_of_a_refresh_token_is_known_ahead_where_nothing_refreshes_it() {
    let mut bench = Bench::new(Settings { auto_refresh: Some(false), ..Settings::default() });
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    let ages_at = |bench: &Bench| bench.account().snapshot(bench.now.at).ages_at;
    assert_eq!(ages_at(&bench), Some(START + 25 * DAY), "the greatest age is 28 days");
    bench.want(Want::New).unwrap();
    let refresh_expires_in = Some(20 * 24 * 3600);
    bench.refreshed(TokenResponse { refresh_expires_in, ..tokens("AT2", Some("RT2")) });
    let ends_soon_at = bench.now.at + 17 * DAY;
    assert_eq!(ages_at(&bench), Some(ends_soon_at));
    // The same refresh token ends when it did, and a new one when the server says.
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
fn a_token_of_unknown_lifetime_is_served_until_it_is_rejected() {
    let mut bench = Bench::with(record(grant(None)));
    bench.pass(27 * DAY);
    assert_eq!(bench.served().as_deref(), Some("AT"));
    bench.pass(DAY);
    assert_eq!(bench.state(), State::Refreshing, "refreshed at max_age");
}

#[test]
fn min_valid_counts_as_at_most_half_of_the_lifetime() {
    let mut bench = Bench::with(record(grant(Some(60))));
    bench.pass(29 * SECOND);
    assert!(bench.account().serves(HOUR, bench.now.at));
    bench.pass(2 * SECOND);
    assert!(!bench.account().serves(HOUR, bench.now.at));
}

#[test]
fn without_a_refresh_token_the_token_lasts_and_then_consent_is_needed() {
    let mut bench = Bench::with(record(Grant { refresh_token: None, ..grant(Some(3600)) }));
    assert_eq!(bench.state(), State::Fresh);
    assert!(matches!(bench.want(Want::New), Err(Error::ConsentNeeded { .. })));
    bench.pass(HOUR);
    assert_eq!(bench.state(), State::ConsentNeeded);
    assert!(bench.sends.is_empty() && bench.saves.is_empty());
}

#[test]
fn closing_starts_nothing_and_still_takes_the_answer_in() {
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
