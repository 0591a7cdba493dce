//! Answers with a refresh token, but without an access token that can be read.

use rstest::rstest;

use super::*;

/// An answer with a new refresh token, and an access token that cannot be read.
fn unreadable(refresh: &str) -> Answer {
    Answer::Granted(TokenResponse { access_token: None, username: None, ..tokens("", Some(refresh)) })
}

#[rstest]
fn keeps_a_new_refresh_token_whose_access_token_cannot_be_read(
    #[values(RefreshReuse::Revokes, RefreshReuse::Tolerated)] refresh_reuse: RefreshReuse,
) {
    let mut bench = Bench::new(reuse(refresh_reuse));
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.pass(51 * MINUTE);
    bench.save();
    bench.answer(unreadable("RT2"));
    assert_eq!(bench.served().as_deref(), Some("AT"), "the old access token may still be valid");
    bench.pass(SECOND);
    assert!(bench.sends.is_empty(), "no refresh token is sent before it is saved");
    bench.save();
    assert_eq!(bench.disk.grant.as_ref().unwrap().refresh_token, Some(Secret::from("RT2")));
    assert_eq!(bench.presented(), "RT2");
    bench.now.dice = 1.0;
    bench.answer(unreadable("RT3"));
    bench.save();
    assert_eq!(bench.state(), State::Waiting);
    assert!(bench.reason().contains("no access token") && bench.sends.is_empty(), "{}", bench.reason());
    bench.pass(MINUTE);
    bench.save();
    assert_eq!(bench.presented(), "RT3");
    bench.refreshed(tokens("AT4", Some("RT4")));
    assert_eq!((bench.served().as_deref(), bench.refresh_token()), (Some("AT4"), Some("RT4")));
}

#[test]
fn retries_with_the_new_refresh_token_after_a_restart() {
    let mut bench = due();
    bench.save();
    bench.answer(unreadable("RT2"));
    bench.fail_to_save();
    assert!(bench.account().snapshot(bench.now.at).info.unsaved && !bench.account().is_idle());
    bench.pass(2 * SECOND);
    bench.save();
    let mut bench = Bench::with(bench.disk.clone());
    bench.save();
    assert_eq!(bench.presented(), "RT2");
}

#[test]
fn a_login_whose_access_token_cannot_be_read_gets_one_by_a_refresh() {
    let mut bench = Bench::with(Record::default());
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(unreadable("RT"));
    bench.save();
    assert_eq!(bench.presented(), "RT");
    assert!(!bench.replies.contains_key(&ticket), "the login waits for the token");
    bench.refreshed(tokens("AT", Some("RT2")));
    bench.replies.remove(&ticket).unwrap().unwrap();
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[rstest]
fn a_login_whose_access_token_cannot_be_read_replaces_no_working_grant(#[values(false, true)] replace: bool) {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(Ask::Exchange { request: code(), replace });
    bench.answer(unreadable("NEW"));
    bench.save();
    let error = bench.replies.remove(&ticket).unwrap().unwrap_err().to_string();
    assert!(error.contains("`imgurctl restore mine`"), "{error}");
    assert_eq!((bench.refresh_token(), displaced(&bench)), (Some("RT"), vec!["NEW"]));
    bench.ask(Ask::Restore);
    bench.save();
    assert_eq!(bench.presented(), "NEW", "a refresh verifies it before it is used");
}

#[rstest]
fn an_import_keeps_the_refresh_token_that_its_verification_brings(#[values(false, true)] replace: bool) {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("IRT", None, replace));
    bench.save();
    bench.answer(unreadable("IRT2"));
    bench.save();
    let error = bench.replies.remove(&ticket).unwrap().unwrap_err().to_string();
    assert!(error.contains("`imgurctl restore mine`"), "{error}");
    assert_eq!(displaced(&bench), ["IRT2"]);
}
