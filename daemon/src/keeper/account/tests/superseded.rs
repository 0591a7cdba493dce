//! Tokens that are known to be replaced, rejected or unverified.

use rstest::rstest;

use super::*;

fn revoking(record: Record) -> Bench {
    let mut bench = Bench::new(reuse(RefreshReuse::Revokes));
    bench.disk = record.clone();
    bench.feed(Event::Loaded(Ok(Some(record))));
    bench
}

fn signs_in(bench: &mut Bench, access: &str, refresh: &str) -> Ticket {
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(Answer::Granted(tokens(access, Some(refresh))));
    bench.save();
    ticket
}

fn refreshes(bench: &mut Bench, access: &str, refresh: &str) {
    bench.want(Want::New).unwrap();
    bench.refreshed(tokens(access, Some(refresh)));
    bench.pass(MINUTE);
}

/// The process dies; only the content of the store is left.
fn restarted(bench: &Bench) -> Bench {
    let mut restarted = Bench::new(reuse(RefreshReuse::Revokes));
    (restarted.now, restarted.disk) = (bench.now, bench.disk.clone());
    restarted.feed(Event::Loaded(Ok(Some(bench.disk.clone()))));
    restarted
}

#[test]
fn never_sends_a_replaced_refresh_token_if_reuse_revokes() {
    let mut bench = revoking(record(grant(Some(3600))));
    for (number, refresh) in ["RT1", "RT2", "RT3", "RT4"].into_iter().enumerate() {
        refreshes(&mut bench, &format!("AT{number}"), refresh);
    }
    assert_eq!(
        bench.disk.previous_refresh_token, None,
        "a previous refresh token is not kept if its reuse revokes the grant"
    );
    for _ in 0..2 {
        for replaced in ["RT", "RT1", "RT3"] {
            let ticket = bench.ask(import_of(replaced, None, true));
            bench.save();
            let error = bench.replies[&ticket].clone().unwrap_err();
            assert!(matches!(&error, Error::InvalidArgument { field, .. } if field == "text"), "{error:?}");
            assert!(error.to_string().contains("sent nothing"), "{error}");
            assert!(bench.sends.is_empty());
        }
        assert_eq!(bench.refresh_token(), Some("RT4"));
        bench = restarted(&bench);
    }
    bench.ask(import_of("RT4", None, false));
    bench.save();
    assert_eq!(bench.presented(), "RT4", "the current refresh token is sent");
}

#[test]
fn replaces_an_earlier_versions_previous_token_by_a_fingerprint() {
    let previous_refresh_token = Some(Secret::from("RT0"));
    let mut bench = revoking(Record { previous_refresh_token, ..record(grant(Some(3600))) });
    bench.save();
    assert_eq!(bench.disk.previous_refresh_token, None);
    let ticket = bench.ask(import_of("RT0", None, true));
    assert!(bench.replies[&ticket].is_err() && bench.sends.is_empty());
}

#[rstest]
#[case::of_the_same_server(None)]
#[case::of_another_server(Some("https://as.example/token"))]
fn a_changed_setting_drops_the_previous_refresh_token(#[case] token_url: Option<&str>) {
    let mut bench = Bench::with(record(grant(Some(3600))));
    refreshes(&mut bench, "AT1", "RT1");
    assert_eq!(bench.disk.previous_refresh_token, Some(Secret::from("RT")));
    let settings = Settings { token_url: token_url.map(str::to_owned), ..reuse(RefreshReuse::Revokes) };
    bench.feed(Event::Configured(config(settings)));
    bench.save();
    assert_eq!(bench.disk.previous_refresh_token, None);
    assert!(bench.disk.replaced.contains(&Secret::from("RT")));
}

#[test]
fn an_import_keeps_no_previous_token_if_reuse_revokes() {
    let mut bench = revoking(record(grant(Some(3600))));
    bench.ask(import_of("IRT", Some("alice"), true));
    bench.refreshed(tokens("IAT", Some("IRT2")));
    assert_eq!(bench.refresh_token(), Some("IRT2"));
    assert_eq!(bench.disk.previous_refresh_token, None);
    assert!(bench.disk.replaced.contains(&Secret::from("IRT")));
}

#[test]
fn a_previous_token_can_save_a_refused_grant_if_tolerated() {
    let mut bench = Bench::with(record(grant(Some(3600))));
    refreshes(&mut bench, "AT1", "RT1");
    let ticket = bench.ask(import_of("RT", None, false));
    assert!(bench.replies[&ticket].is_err(), "the import is refused while the grant works");
    let refusal = Refusal { first_at: START, confirmed: true, previous_tried: true, witnessed: false };
    let mut bench = Bench::with(Record { refusal: Some(refusal), ..bench.disk.clone() });
    bench.save();
    bench.sends.clear();
    let ticket = bench.ask(import_of("RT", None, false));
    assert!(bench.replies.get(&ticket).is_none_or(Result::is_ok));
}

#[test]
fn does_not_serve_a_superseded_token_after_a_restore() {
    let mut bench = revoking(record(grant(Some(3600))));
    signs_in(&mut bench, "AT2", "RT2");
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    bench.ask(Ask::Restore);
    bench.save();
    bench.answer(transient(Delivery::NotSent));
    assert_eq!(bench.refresh_token(), Some("RT"));
    assert_eq!(bench.served(), None, "AT became invalid when AT2 was issued");
    assert_eq!(restarted(&bench).served(), None);
    // The token that is still valid was kept.
    bench.ask(Ask::Restore);
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn a_login_does_not_supersede_another_users_token() {
    let mut bench = revoking(record(grant(Some(3600))));
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: true });
    bench.answer(Answer::Granted(TokenResponse {
        username: Some("bob".to_owned()),
        ..tokens("BAT", Some("BRT"))
    }));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    bench.ask(Ask::Restore);
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[test]
fn does_not_serve_a_token_that_was_rejected_before_a_restore() {
    let mut bench = revoking(record(grant(Some(3600))));
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: true });
    bench.answer(Answer::Granted(TokenResponse {
        username: Some("bob".to_owned()),
        ..tokens("BAT", Some("BRT"))
    }));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    let want = Want::AnotherThan(Secret::from("AT"));
    let rejecting = bench.ask(Ask::Want { want, until: bench.now.at + 20 * SECOND });
    assert!(
        !bench.replies.contains_key(&rejecting),
        "the call has no reply before the restored grant is saved"
    );
    bench.save();
    assert_eq!(bench.replies[&rejecting], Ok(()));
    bench.ask(Ask::Restore);
    bench.save();
    assert_eq!(bench.served(), None);
}

#[test]
fn a_rejection_does_not_wait_for_a_hanging_store() {
    let mut bench = revoking(record(grant(Some(3600))));
    signs_in(&mut bench, "AT2", "RT2");
    bench.account.as_mut().unwrap().record.displaced[0].grant.access.as_mut().unwrap().dead = false;
    let want = Want::AnotherThan(Secret::from("AT"));
    let rejecting = bench.ask(Ask::Want { want, until: bench.now.at + 20 * SECOND });
    let revision = bench.saves.front().unwrap().0;
    bench.feed(Event::SaveIsSlow { revision });
    assert_eq!(bench.replies[&rejecting], Ok(()));
}

#[test]
fn a_rejected_token_stays_rejected_after_a_restart() {
    let mut bench = revoking(record(grant(Some(3600))));
    bench.want(Want::AnotherThan(Secret::from("AT"))).unwrap();
    bench.save();
    bench.answer(transient(Delivery::NotSent));
    assert_eq!(bench.served(), None);
    let mut bench = restarted(&bench);
    assert_eq!(bench.served(), None);
    bench.refreshed(tokens("AT2", None));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn refreshes_after_a_login_and_a_refresh_have_crossed() {
    for refresh_is_first in [true, false] {
        let mut bench = revoking(record(grant(Some(3600))));
        bench.want(Want::New).unwrap();
        bench.save();
        let (refresh, _) = bench.sends.pop_front().unwrap();
        let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
        let (exchange, _) = bench.sends.pop_front().unwrap();
        let answers = [(refresh, tokens("AT1", Some("RT1"))), (exchange, tokens("NEW", Some("NEWRT")))];
        let order = if refresh_is_first { [0, 1] } else { [1, 0] };
        for index in order {
            let (op, tokens) = answers[index].clone();
            bench.feed(Event::Answered { op, answer: Answer::Granted(tokens) });
            bench.save();
        }
        assert_eq!(bench.served(), None, "either access token may be invalid");
        assert_eq!(bench.presented(), "NEWRT");
        bench.answer(Answer::Granted(tokens("NEW2", Some("NEWRT2"))));
        bench.save();
        assert_eq!(bench.replies[&ticket], Ok(()));
        assert_eq!(bench.served().as_deref(), Some("NEW2"));
        let displaced: Vec<_> =
            bench.disk.displaced.iter().filter_map(|it| it.grant.refresh_token.as_ref()).collect();
        assert_eq!(displaced, [&Secret::from("RT1")], "the other refresh token is kept");
        assert!(bench.sends.is_empty(), "no second refresh starts");
    }
}

/// A login whose answer arrives after the answer to a refresh, and whose access token the API rejects.
fn crosses_and_is_rejected() -> (Bench, Ticket) {
    let mut bench = revoking(record(grant(Some(3600))));
    bench.want(Want::New).unwrap();
    bench.save();
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(Answer::Granted(tokens("AT1", Some("RT1"))));
    bench.save();
    bench.api = Some(TokenOwner::Rejected);
    bench.answer(Answer::Granted(tokens("NEW", Some("NEWRT"))));
    bench.save();
    (bench, ticket)
}

#[test]
fn a_login_invalidated_by_a_refresh_uses_its_refresh_token() {
    let (mut bench, ticket) = crosses_and_is_rejected();
    assert!(!bench.replies.contains_key(&ticket), "the call waits for a refresh of the new grant");
    assert_eq!(bench.presented(), "NEWRT");
    bench.api = Some(TokenOwner::Known("alice".into()));
    bench.answer(Answer::Granted(tokens("NEW2", Some("NEWRT2"))));
    bench.save();
    assert_eq!((bench.replies[&ticket].clone(), bench.served().as_deref()), (Ok(()), Some("NEW2")));
    assert_eq!(displaced(&bench), ["RT1"]);
}

#[test]
fn sets_a_login_aside_if_its_refresh_token_does_not_help() {
    let another = Answer::Granted(tokens("NEW2", Some("NEWRT2")));
    for (answer, kept) in [(refused(), "NEWRT"), (transient(Delivery::NotSent), "NEWRT"), (another, "NEWRT2")]
    {
        let (mut bench, ticket) = crosses_and_is_rejected();
        bench.answer(answer);
        bench.save();
        assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })), "{kept}");
        assert_eq!((bench.refresh_token(), displaced(&bench)), (Some("RT1"), vec![kept]));
    }
}

#[test]
fn a_login_without_a_crossing_refresh_is_not_refreshed() {
    let mut bench = revoking(record(grant(Some(3600))));
    refreshes(&mut bench, "AT1", "RT1");
    let ticket = signs_in(&mut bench, "AT2", "RT2");
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert!(bench.sends.is_empty());
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn a_lost_login_answer_causes_a_refresh_of_the_current_grant() {
    let mut bench = revoking(record(grant(Some(3600))));
    bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(transient(Delivery::InDoubt));
    bench.save();
    assert_eq!(bench.presented(), "RT");
}

#[test]
fn restores_an_unverified_import_only_after_verification() {
    let mut bench = revoking(record(grant(Some(3600))));
    bench.ask(import_of("IRT", None, false));
    bench.save();
    assert_eq!(bench.presented(), "IRT");
    for answer in [transient(Delivery::NotSent), refused()] {
        let mut bench = restarted(&bench);
        let ticket = bench.ask(Ask::Restore);
        bench.save();
        assert_eq!(bench.refresh_token(), Some("RT"), "the import is verified before it replaces the grant");
        assert_eq!(bench.presented(), "IRT");
        bench.answer(answer);
        bench.save();
        assert!(bench.replies[&ticket].is_err());
        assert_eq!(bench.served().as_deref(), Some("AT"));
    }
    let mut bench = restarted(&bench);
    let ticket = bench.ask(Ask::Restore);
    bench.save();
    bench.answer(Answer::Granted(tokens("IAT", Some("IRT2"))));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.served().as_deref(), Some("IAT"));
}

#[test]
fn restore_prefers_a_replaced_grant_to_an_unverified_import() {
    let mut bench = revoking(record(grant(Some(3600))));
    signs_in(&mut bench, "AT2", "RT2");
    bench.ask(import_of("IRT", None, false));
    bench.save();
    let mut bench = restarted(&bench);
    bench.ask(Ask::Restore);
    bench.save();
    assert_eq!(bench.refresh_token(), Some("RT"));
}

#[test]
fn lasting_refusals_without_an_error_code_count_as_a_refusal() {
    let mut bench = revoking(record(grant(Some(3600))));
    bench.now.dice = 0.9;
    bench.pass(55 * MINUTE);
    let mut tries = 0;
    while bench.state() != State::ConsentNeeded {
        bench.save();
        if bench.sends.is_empty() {
            bench.pass(SECOND);
            continue;
        }
        tries += 1;
        assert!(tries < 60, "the refusals never count");
        bench.answer(transient(Delivery::Wordless));
        if bench.state() == State::Waiting {
            assert!(bench.reason().contains("imgurctl login mine"), "{}", bench.reason());
        }
    }
    let passed = bench.now.at.since(START);
    assert!(tries >= 3 && passed >= HOUR && passed < 2 * HOUR, "{tries} tries in {passed:?}");
    assert!(bench.account().snapshot(bench.now.at).info.refused);
}

#[test]
fn settings_count_as_working_until_they_change() {
    let mut bench = revoking(record(grant(Some(3600))));
    assert!(!bench.account().is_proven());
    refreshes(&mut bench, "AT1", "RT1");
    assert!(bench.account().is_proven());
    assert!(restarted(&bench).account().is_proven());
    let changed = Settings { client_auth: Some(imgurd_proto::ClientAuth::Basic), ..Settings::default() };
    bench.feed(Event::Configured(config(changed)));
    assert!(!bench.account().is_proven());
}

#[test]
fn a_grant_refreshed_by_an_earlier_version_proves_its_settings() {
    assert!(revoking(record(Grant { kept: 1, ..grant(Some(3600)) })).account().is_proven());
}
