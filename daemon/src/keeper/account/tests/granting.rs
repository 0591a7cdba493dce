use super::*;
use crate::provider::{IdToken, Identity};

fn login(bench: &mut Bench, tokens: TokenResponse, replace: bool) -> Result<(), Error> {
    let ticket = bench.ask(Ask::Exchange { request: code(), replace });
    bench.answer(Answer::Granted(tokens));
    bench.save();
    bench.replies.remove(&ticket).expect("the login has a reply")
}

fn of(username: &str, access: &str, refresh: &str) -> TokenResponse {
    TokenResponse { username: Some(username.to_owned()), ..tokens(access, Some(refresh)) }
}

fn displaced(bench: &Bench) -> Vec<&str> {
    let tokens = bench.disk.displaced.iter().map(|it| it.grant.refresh_token.as_ref().unwrap().expose());
    tokens.collect()
}

#[test]
fn a_login_succeeds_once_the_grant_is_saved() {
    let mut bench = Bench::with(Record::default());
    assert_eq!(bench.state(), State::Empty);
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(Answer::Granted(of("alice", "AT", "RT")));
    assert!(!bench.replies.contains_key(&ticket), "the login has no reply before the grant is saved");
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[test]
fn restores_the_grant_that_a_login_replaced() {
    let mut bench = Bench::fresh();
    login(&mut bench, of("alice", "AT2", "RT2"), false).unwrap();
    assert_eq!(displaced(&bench), ["RT"]);
    let ticket = bench.ask(Ask::Restore);
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.refresh_token(), Some("RT"));
    assert_eq!(displaced(&bench), ["RT2"]);
}

#[test]
fn sets_another_users_grant_aside_without_replace() {
    let mut bench = Bench::fresh();
    let error = login(&mut bench, of("bob", "BAT", "BRT"), false).unwrap_err();
    let Error::LoginFailed { reason, set_aside, .. } = error else { panic!("{error:?}") };
    assert!(reason.contains("bob") && reason.contains("alice"), "{reason}");
    assert_eq!(set_aside.as_deref(), Some("bob"));
    assert_eq!(bench.served().as_deref(), Some("AT"));
    assert_eq!(displaced(&bench), ["BRT"]);
    login(&mut bench, of("bob", "BAT2", "BRT2"), true).unwrap();
    assert_eq!(bench.served().as_deref(), Some("BAT2"));
    assert_eq!(displaced(&bench), ["BRT", "RT"]);
}

#[test]
fn keeps_replaced_grants_for_thirty_days() {
    let mut bench = Bench::fresh();
    bench.feed(Event::ServerTime(bench.now.at));
    login(&mut bench, of("alice", "AT2", "RT2"), false).unwrap();
    bench.now.at = bench.now.at + 29 * DAY;
    login(&mut bench, of("alice", "AT3", "RT3"), false).unwrap();
    assert_eq!(displaced(&bench), ["RT", "RT2"]);
    bench.now.at = bench.now.at + 2 * DAY;
    login(&mut bench, of("alice", "AT4", "RT4"), false).unwrap();
    assert_eq!(displaced(&bench), ["RT2", "RT3"]);
}

#[test]
fn a_failed_exchange_changes_nothing() {
    let mut bench = Bench::fresh();
    for (answer, is_named) in
        [(refused(), false), (misconfigured(), true), (transient(Delivery::Answered), false)]
    {
        let ticket = bench.ask(Ask::Exchange { request: code(), replace: true });
        bench.answer(answer);
        let error = bench.replies[&ticket].clone().unwrap_err();
        assert_eq!(matches!(error, Error::Misconfigured { .. }), is_named, "{error}");
        assert_eq!(
            error
                .to_string()
                .contains("--client-secret-stdin`, then run `imgurctl login mine` to sign in again"),
            is_named,
            "{error}"
        );
    }
    assert_eq!(bench.served().as_deref(), Some("AT"));
    assert!(bench.saves.is_empty());
}

#[test]
fn a_late_answer_updates_the_replaced_grant_only() {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench.save();
    let (op, _) = bench.sends.pop_front().unwrap();
    login(&mut bench, of("alice", "NEW", "NEWRT"), false).unwrap();
    bench.feed(Event::Answered { op, answer: Answer::Granted(tokens("OLD2", Some("RT2"))) });
    bench.save();
    assert_eq!(bench.refresh_token(), Some("NEWRT"));
    assert_eq!(displaced(&bench), ["RT2"], "the rotated refresh token is kept, not the used one");
    // The two answers crossed, so a refresh shows which access token is valid.
    bench.answer(Answer::Granted(tokens("NEW2", None)));
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("NEW2"));
}

#[test]
fn a_late_answer_restores_no_logged_out_grant() {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench.save();
    let ticket = bench.ask(Ask::Logout);
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.state(), State::Empty);
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert_eq!(bench.state(), State::Empty);
    assert!(!bench.disk.holds_a_grant());
}

#[test]
fn a_logout_deletes_all_grants_and_keeps_the_client_secret() {
    let mut bench =
        Bench::with(Record { client_secret: Some(Secret::from("CS")), ..record(grant(Some(3600))) });
    login(&mut bench, of("alice", "AT2", "RT2"), false).unwrap();
    bench.ask(Ask::Logout);
    bench.save();
    assert_eq!(bench.disk.client_secret, Some(Secret::from("CS")));
    assert!(!bench.disk.holds_a_grant() && bench.disk.previous_refresh_token.is_none());
}

#[test]
fn a_logout_reports_a_failing_store() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(Ask::Logout);
    bench.fail_to_save();
    assert!(matches!(bench.replies[&ticket], Err(Error::StoreUnavailable { .. })));
    let reason = bench.reason();
    assert!(reason.starts_with("You signed out, but the saved grants are not deleted yet"), "{reason}");
    bench.pass(2 * SECOND);
    bench.save();
    assert!(bench.reason().starts_with("Nobody is signed in"), "{}", bench.reason());
    assert!(!bench.disk.holds_a_grant(), "the logout is completed when the store works again");
}

#[test]
fn an_import_into_an_empty_account_is_verified_by_a_refresh() {
    let mut bench = Bench::with(Record::default());
    let ticket = bench.ask(import_of("IRT", None, false));
    bench.save();
    assert_eq!(bench.presented(), "IRT");
    assert!(!bench.replies.contains_key(&ticket));
    bench.answer(Answer::Granted(of("alice", "AT", "IRT2")));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.state(), State::Fresh);
}

#[test]
fn keeps_an_import_that_the_server_cannot_verify_yet() {
    let mut bench = Bench::with(Record::default());
    bench.now.dice = 0.5;
    let ticket = bench.ask(import_of("IRT", None, false));
    bench.save();
    bench.answer(transient(Delivery::Answered));
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.state(), State::Waiting);
    assert_eq!(bench.disk.grant.as_ref().unwrap().refresh_token, Some(Secret::from("IRT")));
}

#[test]
fn an_import_replaces_a_working_grant_of_the_same_user() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("IRT", None, false));
    assert!(bench.sends.is_empty(), "the import is saved before its refresh token is sent");
    bench.save();
    assert_eq!(bench.presented(), "IRT");
    assert_eq!(bench.served().as_deref(), Some("AT"), "the current token is served in the meantime");
    bench.answer(Answer::Granted(of("alice", "IAT", "IRT2")));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!(bench.served().as_deref(), Some("IAT"));
    assert_eq!(displaced(&bench), ["RT"]);
}

#[test]
fn sets_an_import_of_another_users_grant_aside() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("BRT", None, false));
    bench.save();
    bench.answer(Answer::Granted(of("bob", "BAT", "BRT2")));
    bench.save();
    assert!(
        matches!(&bench.replies[&ticket], Err(Error::InvalidArgument { field, .. }) if field == "replace")
    );
    assert_eq!(bench.served().as_deref(), Some("AT"));
    assert_eq!(displaced(&bench), ["BRT2"]);
}

#[test]
fn sends_no_import_that_names_another_user() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("BRT", Some("bob"), false));
    assert!(matches!(&bench.replies[&ticket], Err(Error::InvalidArgument { .. })));
    assert!(bench.saves.is_empty() && bench.sends.is_empty());
}

#[test]
fn keeps_an_unverified_import_only_with_replace() {
    for (replace, kept) in [(false, &[] as &[&str]), (true, &["IRT"])] {
        let mut bench = Bench::fresh();
        let ticket = bench.ask(import_of("IRT", None, replace));
        bench.save();
        bench.answer(transient(Delivery::NotSent));
        bench.save();
        assert!(matches!(bench.replies[&ticket], Err(Error::TemporarilyUnavailable { .. })));
        assert_eq!(bench.served().as_deref(), Some("AT"));
        assert_eq!(displaced(&bench), kept);
    }
}

#[test]
fn a_rejected_import_keeps_the_current_grant() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("IRT", None, true));
    bench.save();
    bench.answer(refused());
    bench.save();
    assert!(matches!(&bench.replies[&ticket], Err(Error::InvalidArgument { field, .. }) if field == "text"));
    assert_eq!(bench.served().as_deref(), Some("AT"));
    assert!(displaced(&bench).is_empty());
}

#[test]
fn sends_no_import_that_cannot_be_recorded() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("IRT", None, false));
    bench.fail_to_save();
    assert!(matches!(&bench.replies[&ticket], Err(Error::StoreUnavailable { .. })));
    bench.pass(2 * SECOND);
    bench.save();
    assert!(bench.sends.is_empty());
}

#[test]
fn importing_the_current_grant_refreshes_it() {
    let mut bench = Bench::fresh();
    bench.ask(import_of("RT", None, false));
    bench.refreshed(tokens("AT2", Some("RT2")));
    assert!(displaced(&bench).is_empty());
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn a_changed_client_id_sets_the_grant_aside_until_it_returns() {
    let mut bench = Bench::fresh();
    let other = Settings { client_id: Some("other".to_owned()), ..Settings::default() };
    bench.feed(Event::Configured(config(other.clone())));
    assert_eq!((bench.state(), bench.served()), (State::Empty, None));
    assert!(bench.sends.is_empty(), "the grant is not sent with another client_id");
    bench.feed(Event::Configured(config(Settings::default())));
    assert_eq!(bench.served().as_deref(), Some("AT"));

    bench.feed(Event::Configured(config(other)));
    login(&mut bench, of("alice", "OAT", "ORT"), false).unwrap();
    assert_eq!(bench.served().as_deref(), Some("OAT"));
    bench.feed(Event::Configured(config(Settings::default())));
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT"));
    assert_eq!(displaced(&bench), ["ORT"]);
}

#[test]
fn restore_fails_without_an_earlier_grant() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(Ask::Restore);
    assert!(matches!(&bench.replies[&ticket], Err(Error::InvalidArgument { .. })));
}

#[test]
fn limits_the_requests_of_callers_that_leave() {
    let mut bench = Bench::fresh();
    let tickets: Vec<_> =
        (0..20).map(|_| bench.ask(Ask::Exchange { request: code(), replace: false })).collect();
    assert_eq!(bench.sends.len(), 8);
    assert!(matches!(bench.replies[&tickets[8]], Err(Error::TemporarilyUnavailable { .. })));
    let mut bench = Bench::new(Settings::default());
    let tickets: Vec<_> = (0..1100).map(|_| bench.ask(Ask::Ready)).collect();
    assert!(!bench.replies.contains_key(&tickets[1023]));
    assert!(matches!(bench.replies[&tickets[1024]], Err(Error::TemporarilyUnavailable { .. })));
    bench.feed(Event::Loaded(Ok(None)));
    assert_eq!(bench.replies.len(), 1100, "every request has a reply");
}

fn id_token(nonce: &str) -> TokenResponse {
    let user = Identity { subject: "u1".to_owned(), username: Some("alice".to_owned()) };
    let id_token = Some(IdToken { user, nonce: Some(Secret::from(nonce)) });
    TokenResponse { id_token, ..tokens("AT", Some("RT")) }
}

#[test]
fn rejects_an_id_token_of_another_login() {
    let with = |nonce: Option<&str>| TokenRequest::Code {
        code: Secret::from("CODE"),
        verifier: None,
        redirect_uri: None,
        nonce: nonce.map(Secret::from),
    };
    for (sent, answer, is_taken) in [
        (Some("ours"), id_token("ours"), true),
        (Some("ours"), id_token("theirs"), false),
        (None, id_token("whatever"), true),
        (Some("ours"), tokens("AT", Some("RT")), true),
    ] {
        let mut bench = Bench::with(Record::default());
        let ticket = bench.ask(Ask::Exchange { request: with(sent), replace: false });
        bench.answer(Answer::Granted(answer));
        bench.save();
        assert_eq!(bench.replies[&ticket].is_ok(), is_taken, "{:?}", bench.replies[&ticket]);
        assert_eq!(bench.disk.grant.is_some(), is_taken);
    }
}

#[test]
fn rejects_a_login_whose_tokens_are_not_bearer() {
    let mut bench = Bench::with(Record::default());
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench
        .answer(Answer::Granted(TokenResponse { token_type: "DPoP".to_owned(), ..tokens("AT", Some("RT")) }));
    bench.save();
    let error = bench.replies[&ticket].clone().unwrap_err().to_string();
    assert!(error.contains("“DPoP”") && error.contains("Bearer tokens"), "{error}");
    assert_eq!(bench.disk.grant, None);
}

#[test]
fn a_refresh_of_another_token_type_keeps_only_the_refresh_token() {
    let mut bench = Bench::fresh();
    bench.ask(Ask::Want { want: Want::New, until: bench.now.at + MINUTE });
    bench.save();
    bench.answer(Answer::Granted(TokenResponse {
        token_type: "mac".to_owned(),
        ..tokens("AT2", Some("RT2"))
    }));
    bench.save();
    let kept = bench.disk.grant.as_ref().unwrap();
    assert_eq!(kept.refresh_token, Some(Secret::from("RT2")));
    let snapshot = bench.account().snapshot(bench.now.at);
    assert_eq!(snapshot.info.state, State::Misconfigured);
    let reason = snapshot.info.reason.as_deref().unwrap();
    assert!(reason.contains("“mac”") && reason.contains("have the server issue Bearer tokens"), "{reason}");
    assert!(!reason.contains("account set"), "no setting changes the type: {reason}");
    assert!(snapshot.served.is_none() && bench.sends.is_empty(), "no second refresh starts at once");
}

#[test]
fn explains_a_login_without_a_refresh_token() {
    let mut bench = Bench::with(Record::default());
    bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(Answer::Granted(tokens("AT", None)));
    bench.save();
    let info = bench.account().snapshot(bench.now.at).info;
    let reason = info.reason.as_deref().unwrap();
    assert_eq!(info.state, State::Fresh);
    for part in ["no refresh token", "60 minutes after", "offline_access", "`imgurctl login mine`"] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn keeps_the_username_if_a_refresh_only_has_the_subject() {
    let mut bench = Bench::with(Record::default());
    login(&mut bench, TokenResponse { username: None, ..id_token("n") }, false).unwrap();
    assert_eq!(bench.disk.grant.as_ref().unwrap().username.as_deref(), Some("alice"));
    bench.ask(Ask::Want { want: Want::New, until: bench.now.at + MINUTE });
    let user = Identity { subject: "u1".to_owned(), username: None };
    let id_token = Some(IdToken { user, nonce: None });
    bench.refreshed(TokenResponse { id_token, username: None, ..tokens("AT2", Some("RT2")) });
    assert_eq!(bench.disk.grant.as_ref().unwrap().username.as_deref(), Some("alice"));
}
