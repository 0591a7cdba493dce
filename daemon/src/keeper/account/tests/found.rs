//! Bugs that the simulation of the whole keeper found or led to, as tests of the state machine.

use super::*;
use crate::grant::Refusal;

fn another_client() -> Event {
    Event::Configured(config(Settings { client_id: Some("other".to_owned()), ..Settings::default() }))
}

#[test]
fn serves_an_imported_access_token_once_it_is_saved() {
    let mut bench = Bench::with(Record::default());
    let ticket = bench.ask(Ask::Import {
        refresh_token: Secret::from("IRT"),
        access_token: Some(Secret::from("IAT")),
        username: None,
        replace: false,
    });
    assert_eq!(bench.served(), None);
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("IAT"));
    assert!(!bench.replies.contains_key(&ticket), "the import waits for its verification");
    bench.answer(transient(Delivery::NotSent));
    assert_eq!(bench.replies[&ticket], Ok(()));
}

#[test]
fn a_logout_ends_a_waiting_import() {
    let mut bench = Bench::with(Record::default());
    let importing = bench.ask(import_of("IRT", None, false));
    bench.save();
    bench.ask(Ask::Logout);
    bench.save();
    assert!(matches!(bench.replies[&importing], Err(Error::LoginFailed { .. })));
    assert_eq!(bench.state(), State::Empty);
}

#[test]
fn a_grant_belongs_to_the_client_that_exchanged_the_code() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.feed(another_client());
    bench.answer(Answer::Granted(tokens("NEW", Some("NRT"))));
    bench.save();
    assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { set_aside: Some(_), .. })));
    assert_eq!(bench.state(), State::Empty);
    assert_eq!(displaced(&bench), ["NRT"]);
    assert_eq!(bench.disk.displaced[0].grant.issuer, issuer());
    bench.feed(Event::Configured(config(Settings::default())));
    assert_eq!(bench.served().as_deref(), Some("AT"), "the account's own grant is unchanged");
}

#[test]
fn sends_no_import_for_a_client_configured_meanwhile() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("IRT", None, false));
    bench.feed(another_client());
    bench.save();
    assert!(bench.sends.is_empty());
    assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })));
}

#[test]
fn an_import_for_a_former_client_replaces_no_grant() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("IRT", None, false));
    bench.save();
    assert_eq!(bench.presented(), "IRT");
    bench.feed(another_client());
    bench.answer(Answer::Granted(tokens("IAT", Some("IRT2"))));
    bench.save();
    assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })));
    assert_eq!(displaced(&bench), ["IRT2"]);
    assert_eq!(bench.refresh_token(), Some("RT"));
}

#[test]
fn an_accepted_previous_refresh_token_becomes_the_current_one() {
    let mut bench = Bench::new(reuse(RefreshReuse::Tolerated));
    let previous_refresh_token = Some(Secret::from("RT0"));
    bench.feed(Event::Loaded(Ok(Some(Record { previous_refresh_token, ..record(grant(Some(3600))) }))));
    bench.pass(51 * MINUTE);
    for _ in 0..2 {
        bench.save();
        bench.answer(refused());
        bench.save();
        bench.pass(MINUTE);
    }
    assert_eq!(bench.presented(), "RT0");
    bench.answer(Answer::Granted(tokens("AT2", None)));
    bench.save();
    assert_eq!(bench.refresh_token(), Some("RT0"));
    assert_eq!(
        bench.disk.previous_refresh_token,
        Some(Secret::from("RT")),
        "the former refresh token is kept as the previous one"
    );
}

#[test]
fn remembers_a_rejection_while_the_store_is_unreadable() {
    let mut bench = Bench::new(Settings::default());
    bench.disk = record(grant(Some(3600)));
    bench.feed(Event::Loaded(Err(full())));
    bench.want(Want::AnotherThan(Secret::from("AT"))).unwrap();
    bench.feed(Event::Loaded(Ok(Some(bench.disk.clone()))));
    assert_eq!(bench.served(), None);
    bench.save();
    assert_eq!(bench.presented(), "RT", "the caller that rejected the token waits for a refresh");
}

#[test]
fn does_not_serve_a_rejected_token_after_a_restore() {
    let mut bench = Bench::fresh();
    bench.pass(2 * MINUTE);
    bench.want(Want::AnotherThan(Secret::from("AT"))).unwrap();
    bench.save();
    bench.answer(transient(Delivery::NotSent));
    bench.save();
    sign_in(&mut bench, "AT2", "RT2").unwrap();
    bench.ask(Ask::Restore);
    bench.save();
    assert_eq!(bench.refresh_token(), Some("RT"));
    assert_eq!(bench.served(), None);
}

#[test]
fn keeps_grants_replaced_under_a_wrong_clock_for_30_days() {
    let mut bench = Bench::fresh();
    let right = bench.now.at;
    bench.now.at = Timestamp::from_millis(0);
    sign_in(&mut bench, "AT2", "RT2").unwrap();
    bench.now.at = right;
    bench.feed(Event::ClockSet(right.as_millis()));
    bench.feed(Event::ServerTime(right));
    sign_in(&mut bench, "AT3", "RT3").unwrap();
    assert_eq!(displaced(&bench), ["RT", "RT2"]);
    bench.now.at = right + 31 * DAY;
    sign_in(&mut bench, "AT4", "RT4").unwrap();
    assert_eq!(displaced(&bench), ["RT3"], "grants are kept for 30 days of the correct clock");
}

#[test]
fn a_token_served_from_memory_counts_as_unsaved() {
    let mut bench = Bench::fresh();
    bench.ask(Ask::KeepClientSecret(Secret::from("secret")));
    let (revision, _) = bench.saves[0].clone();
    bench.feed(Event::SaveIsSlow { revision });
    bench.ask(Ask::Accept { tokens: tokens("AT2", Some("RT2")), replace: false });
    assert_eq!(bench.served().as_deref(), Some("AT2"));
    bench.saves.pop_front();
    bench.feed(Event::Saved { revision, result: Ok(()) });
    let unsaved = |bench: &Bench| bench.account().snapshot(bench.now.at).info.unsaved;
    assert!(unsaved(&bench), "the save that ended has an older grant");
    assert!(!bench.reason().contains("()"), "{}", bench.reason());
    bench.save();
    assert!(!unsaved(&bench));
}

#[test]
fn sends_no_previous_refresh_token_without_recording_it() {
    let mut bench = Bench::new(reuse(RefreshReuse::Tolerated));
    let kept = Grant { kept: 5, ..grant(Some(3600)) };
    let previous_refresh_token = Some(Secret::from("RT0"));
    let refusal = Refusal { first_at: START, confirmed: true, previous_tried: false, witnessed: false };
    let refusal = Some(refusal);
    bench.feed(Event::Loaded(Ok(Some(Record { previous_refresh_token, refusal, ..record(kept) }))));
    bench.fail_to_save();
    assert!(bench.sends.is_empty());
}

#[test]
fn keeps_an_import_for_its_answer_during_a_long_suspend() {
    let mut bench = Bench::fresh();
    bench.feed(Event::ServerTime(bench.now.at));
    let ticket = bench.ask(import_of("IRT", None, false));
    bench.save();
    bench.now.at = bench.now.at + 31 * DAY;
    sign_in(&mut bench, "AT2", "RT2").unwrap();
    bench.answer(Answer::Granted(tokens("IAT", Some("IRT2"))));
    bench.save();
    // The two answers crossed, so a refresh shows which access token is valid.
    bench.answer(Answer::Granted(tokens("IAT2", None)));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.refresh_token(), Some("IRT2"));
}

#[test]
fn accepts_a_login_after_a_vanished_grant_although_the_store_fails() {
    let mut bench = Bench::new(Settings::default());
    let vanished = || StoreError::Vanished("The grant is not there; unlock the keyring".to_owned());
    bench.feed(Event::Loaded(Err(vanished())));
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.feed(Event::Loaded(Err(full())));
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn overwrites_no_vanished_grant_while_the_store_is_unreadable() {
    let mut bench = Bench::new(Settings::default());
    let vanished = StoreError::Vanished("The grant is not there; unlock the keyring".to_owned());
    bench.feed(Event::Loaded(Err(vanished)));
    bench.feed(Event::Loaded(Err(full())));
    assert!(matches!(sign_in(&mut bench, "AT2", "RT2"), Err(Error::StoreUnavailable { .. })));
    assert!(bench.saves.is_empty());
}

#[test]
fn early_requests_belong_to_the_client_configured_at_that_time() {
    let mut bench = Bench::new(Settings::default());
    let accepting = bench.ask(Ask::Accept { tokens: tokens("AT2", Some("RT2")), replace: false });
    let importing = bench.ask(import_of("IRT", None, true));
    bench.feed(another_client());
    bench.feed(Event::Loaded(Ok(None)));
    bench.save();
    assert!(matches!(bench.replies[&accepting], Err(Error::LoginFailed { set_aside: Some(_), .. })));
    assert!(matches!(bench.replies[&importing], Err(Error::LoginFailed { set_aside: None, .. })));
    assert_eq!(displaced(&bench), ["RT2"]);
    assert_eq!(bench.disk.displaced[0].grant.issuer, issuer());
}

#[test]
fn keeps_a_set_aside_grant_when_a_vanished_one_returns() {
    let mut bench = Bench::new(Settings::default());
    let vanished = StoreError::Vanished("The grant is not there; unlock the keyring".to_owned());
    bench.feed(Event::Loaded(Err(vanished)));
    bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.feed(another_client());
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.save();
    assert_eq!(displaced(&bench), ["RT2"]);
}

#[test]
fn records_a_repeated_import_immediately() {
    let mut bench = Bench::fresh();
    sign_in(&mut bench, "AT2", "RT2").unwrap();
    let keeping = bench.ask(Ask::KeepClientSecret(Secret::from("SECRET")));
    bench.fail_to_save();
    assert!(
        bench.replies[&keeping].is_err() && bench.saves.is_empty(),
        "the save is retried only after a pause"
    );
    bench.ask(import_of("RT", None, false));
    assert!(!bench.saves.is_empty(), "an import saves at once");
}
