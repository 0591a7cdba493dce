use super::*;

#[test]
fn sends_nothing_if_the_mark_cannot_be_saved() {
    let mut bench = due();
    bench.fail_to_save();
    assert!(bench.sends.is_empty());
    assert_eq!(bench.state(), State::StoreUnavailable);
    assert!(bench.reason().contains("disk is full"), "{}", bench.reason());
    assert_eq!(bench.served().as_deref(), Some("AT"), "a valid token is still served");
    bench.pass(2 * SECOND);
    bench.save();
    assert_eq!(bench.presented(), "RT", "the refresh is sent once the mark is saved");
}

#[test]
fn waits_for_a_slow_mark_without_sending() {
    let mut bench = due();
    let (revision, _) = bench.saves[0].clone();
    bench.feed(Event::SaveIsSlow { revision });
    assert!(bench.sends.is_empty());
    assert_eq!(bench.state(), State::StoreUnavailable);
    bench.save();
    assert_eq!(bench.presented(), "RT");
    assert_eq!(bench.state(), State::Refreshing);
}

#[test]
fn asks_a_server_that_keeps_refresh_tokens_without_a_mark() {
    let mut bench = Bench::with(record(Grant { kept: 2, ..grant(Some(3600)) }));
    bench.pass(51 * MINUTE);
    bench.fail_to_save();
    assert_eq!(bench.presented(), "RT");
}

#[test]
fn serves_an_unsaved_grant_from_memory_and_retries_saving() {
    let mut bench = due();
    bench.save();
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.fail_to_save();
    let snapshot = bench.account().snapshot(bench.now.at);
    assert!(snapshot.info.unsaved);
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    assert!(!bench.account().is_idle(), "an exit now would lose the only copy");
    bench.pass(2 * SECOND);
    bench.save();
    assert!(!bench.account().snapshot(bench.now.at).info.unsaved);
    assert_eq!(bench.disk.grant.as_ref().unwrap().refresh_token, Some(Secret::from("RT2")));
}

#[test]
fn a_slow_store_does_not_delay_a_new_token() {
    let mut bench = due();
    bench.save();
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    let (revision, _) = bench.saves[0].clone();
    assert_eq!(bench.served(), None);
    bench.feed(Event::SaveIsSlow { revision });
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    assert!(bench.account().snapshot(bench.now.at).info.unsaved);
    bench.save();
    assert!(!bench.account().snapshot(bench.now.at).info.unsaved);
}

#[test]
fn writes_of_one_account_never_overtake_each_other() {
    let mut bench = Bench::fresh();
    bench.ask(Ask::KeepClientSecret(Secret::from("one")));
    bench.ask(Ask::KeepClientSecret(Secret::from("two")));
    assert_eq!(bench.saves.len(), 1);
    bench.save();
    assert_eq!(bench.disk.client_secret, Some(Secret::from("two")));
    assert!(bench.replies.values().all(Result::is_ok) && bench.replies.len() == 2);
}

#[test]
fn an_unreadable_store_is_not_a_logout_and_is_read_again() {
    let mut bench = Bench::new(Settings::default());
    bench.feed(Event::Loaded(Err(full())));
    assert_eq!(bench.state(), State::StoreUnavailable);
    assert_eq!(bench.loads, 1);
    bench.pass(6 * SECOND);
    assert_eq!(bench.loads, 2);
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[test]
fn never_overwrites_an_unreadable_record() {
    let mut bench = Bench::new(Settings::default());
    bench.feed(Event::Loaded(Err(full())));
    let asks = [
        Ask::Exchange { request: code(), replace: true },
        Ask::Accept { tokens: tokens("X", None), replace: true },
        import_of("X", None, true),
        Ask::Restore,
        Ask::Logout,
        Ask::KeepClientSecret(Secret::from("X")),
        Ask::Ready,
    ];
    for ask in asks {
        let ticket = bench.ask(ask.clone());
        assert!(matches!(bench.replies[&ticket], Err(Error::StoreUnavailable { .. })), "{ask:?}");
    }
    assert!(bench.saves.is_empty() && bench.sends.is_empty());
}

#[test]
fn a_vanished_grant_is_not_a_logout_but_allows_a_login() {
    let mut bench = Bench::new(Settings::default());
    bench.feed(Event::Loaded(Err(StoreError::Vanished("It is gone; sign in".to_owned()))));
    assert_eq!(bench.state(), State::StoreUnavailable);
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn requests_wait_while_the_store_is_read() {
    let mut bench = Bench::new(Settings::default());
    let ticket = bench.ask(Ask::KeepClientSecret(Secret::from("S")));
    assert!(!bench.replies.contains_key(&ticket));
    bench.feed(Event::Loaded(Ok(None)));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.disk.client_secret, Some(Secret::from("S")));
}

#[test]
fn a_call_reads_an_unreadable_store_again() {
    let mut bench = Bench::new(Settings::default());
    bench.feed(Event::Loaded(Err(full())));
    bench.want(Want::Valid(MINUTE)).unwrap();
    assert_eq!(bench.loads, 1, "the call starts another load");
    bench.pass(2 * SECOND);
    bench.want(Want::Valid(MINUTE)).unwrap();
    assert_eq!(bench.loads, 2);
}

#[test]
fn a_client_secret_does_not_overwrite_a_vanished_grant() {
    let mut bench = Bench::new(Settings::default());
    bench.feed(Event::Loaded(Err(StoreError::Vanished("It is gone; sign in".to_owned()))));
    let ticket = bench.ask(Ask::KeepClientSecret(Secret::from("S")));
    assert!(matches!(bench.replies[&ticket], Err(Error::StoreUnavailable { .. })));
    assert!(bench.saves.is_empty());
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    assert_eq!(bench.served().as_deref(), Some("AT"), "the grant is served once the store has it again");

    bench.feed(Event::Loaded(Err(full())));
    bench.ask(Ask::Logout);
    let ticket = bench.ask(Ask::KeepClientSecret(Secret::from("S")));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
}

fn issued_at(issued_at: Timestamp) -> Record {
    let mut grant = grant(Some(3600));
    grant.access.as_mut().unwrap().issued_at = issued_at;
    grant.granted_at = issued_at;
    record(grant)
}

#[test]
fn a_clock_set_back_by_seconds_causes_no_refresh() {
    let bench = Bench::with(issued_at(START + 30 * SECOND));
    assert!(bench.saves.is_empty() && bench.sends.is_empty());
}

#[test]
fn deletes_a_replaced_grant_only_by_a_confirmed_clock() {
    let displaced = Displaced { grant: grant(None), at: Timestamp::from_millis(0) };
    let mut bench = Bench::with(Record { displaced: vec![displaced], ..record(grant(Some(3600))) });
    bench.ask(Ask::KeepClientSecret(Secret::from("another")));
    bench.save();
    assert_eq!(bench.disk.displaced.len(), 1);
    bench.pass(51 * MINUTE);
    bench.feed(Event::ServerTime(bench.now.at));
    bench.refreshed(tokens("AT2", None));
    assert!(bench.disk.displaced.is_empty());
}

#[test]
fn only_a_grant_from_the_user_is_saved_if_the_item_is_missing() {
    let mut bench = Bench::fresh();
    bench.ask(Ask::Want { want: Want::New, until: bench.now.at + 20 * SECOND });
    assert_eq!(bench.if_missing, Some(IfMissing::Fail), "the mark of a refresh does not create the item");
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert_eq!(bench.if_missing, Some(IfMissing::Fail), "the answer to a refresh does not create the item");
    sign_in(&mut bench, "AT3", "RT3").unwrap();
    assert_eq!(bench.if_missing, Some(IfMissing::Create), "a login creates the item");
    bench.feed(Event::StoreReplaced);
    assert_eq!(
        bench.if_missing,
        Some(IfMissing::Fail),
        "a replaced store gets the record only if it has the item"
    );
}

#[test]
fn saves_the_grants_in_memory_to_a_new_store() {
    let mut bench = Bench::fresh();
    bench.feed(Event::StoreReplaced);
    assert_eq!(bench.saves.len(), 1);
    assert_eq!(bench.saves[0].1.grant.as_ref().unwrap().refresh_token, Some(Secret::from("RT")));
    bench.save();

    let mut bench = Bench::new(Settings::default());
    bench.feed(Event::Loaded(Ok(None)));
    bench.feed(Event::StoreReplaced);
    assert!(bench.saves.is_empty(), "without a grant, nothing is saved");
}

#[test]
fn an_outdated_grant_is_not_used_unless_the_user_decides() {
    let outdated = || {
        let mut bench = Bench::new(Settings::default());
        let record =
            Record { is_outdated: true, client_secret: Some(Secret::from("S")), ..record(grant(Some(0))) };
        bench.feed(Event::Loaded(Ok(Some(record))));
        assert_eq!(bench.state(), State::StoreUnavailable);
        assert!(bench.reason().contains("imgurctl restore mine"), "{}", bench.reason());
        bench.pass(DAY);
        bench.feed(Event::ClockSet(3_600_000));
        assert!(bench.sends.is_empty() && bench.saves.is_empty());
        bench
    };
    let mut bench = outdated();
    let newer = Grant { generation: 7, refresh_token: Some(Secret::from("RT7")), ..grant(Some(86_400 * 7)) };
    bench.feed(Event::Loaded(Ok(Some(record(newer)))));
    assert_eq!(bench.refresh_token(), Some("RT7"));

    let mut bench = outdated();
    let ticket = bench.ask(Ask::Restore);
    bench.save();
    assert_eq!((&bench.replies[&ticket], bench.refresh_token()), (&Ok(()), Some("RT")));

    let mut bench = outdated();
    sign_in(&mut bench, "AT2", "RT2").unwrap();
    assert_eq!((bench.if_missing, bench.refresh_token()), (Some(IfMissing::Create), Some("RT2")));
    assert_eq!(displaced(&bench), ["RT"], "the outdated grant is kept as a replaced one");
    assert_eq!(bench.disk.client_secret, Some(Secret::from("S")));
}

#[test]
fn a_mark_that_cannot_be_saved_does_not_delay_a_stop() {
    let mut bench = due();
    bench.feed(Event::Closing);
    assert!(!bench.account().may_end(), "the store may still save it");
    bench.fail_to_save();
    assert!(bench.account().may_end() && bench.sends.is_empty());
}

#[test]
fn a_stop_waits_for_what_is_only_in_memory() {
    let mut bench = Bench::fresh();
    bench.ask(Ask::KeepClientSecret(Secret::from("new")));
    bench.fail_to_save();
    bench.feed(Event::Closing);
    assert!(!bench.account().may_end());
}
