//! The client secret: in memory only while a grant may need it, always in the store.

use super::*;

fn secret() -> Secret {
    Secret::from("CS")
}

/// A logged-out account, whose client secret is in the store only.
fn signed_out() -> Bench {
    let mut bench = Bench::with(Record { client_secret: Some(secret()), ..record(grant(Some(3600))) });
    let ticket = bench.ask(Ask::Logout);
    assert_eq!(
        in_memory(&bench),
        Some(secret()),
        "the client secret stays in memory until the store has saved it"
    );
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    bench
}

fn in_memory(bench: &Bench) -> Option<Secret> {
    bench.account().record.client_secret.clone()
}

/// The store answers the last read.
fn read(bench: &mut Bench) {
    let disk = bench.disk.clone();
    bench.feed(Event::Loaded(Ok(Some(disk))));
}

fn accept() -> Ask {
    Ask::Accept { tokens: tokens("AT2", Some("RT2")), replace: false }
}

#[test]
fn leaves_the_client_secret_to_the_store_after_a_logout() {
    let bench = signed_out();
    assert_eq!((in_memory(&bench), bench.disk.client_secret.clone()), (None, Some(secret())));
    assert_eq!((bench.state(), bench.loads), (State::Empty, 1));
}

#[test]
fn leaves_the_client_secret_to_the_store_before_the_first_login() {
    let mut bench = Bench::with(Record::default());
    bench.ask(Ask::KeepClientSecret(Secret::from("CS")));
    bench.save();
    assert_eq!((in_memory(&bench), bench.disk.client_secret.clone()), (None, Some(secret())));
    let disk = bench.disk.clone();
    assert_eq!(in_memory(&Bench::with(disk)), None, "the client secret is not read at a restart");
}

#[test]
fn fetches_the_client_secret_for_the_next_login() {
    let mut bench = signed_out();
    let ticket = bench.ask(Ask::Exchange { request: code(), replace: false });
    assert!(bench.sends.is_empty() && !bench.replies.contains_key(&ticket));
    assert_eq!((bench.loads, bench.state()), (2, State::Empty));
    read(&mut bench);
    assert_eq!(bench.client_secret, Some(secret()));
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert_eq!((bench.replies[&ticket].clone(), bench.state()), (Ok(()), State::Fresh));
    assert_eq!((in_memory(&bench), bench.disk.client_secret.clone()), (Some(secret()), Some(secret())));
}

#[test]
fn fetches_the_client_secret_to_verify_an_import() {
    let mut bench = signed_out();
    bench.ask(import_of("RT2", None, false));
    read(&mut bench);
    bench.save();
    assert_eq!((bench.presented(), bench.client_secret.clone()), ("RT2", Some(secret())));
}

#[test]
fn leaves_the_client_secret_to_the_store_after_a_login_that_failed() {
    let mut bench = signed_out();
    bench.ask(Ask::Exchange { request: code(), replace: false });
    read(&mut bench);
    bench.answer(refused());
    assert_eq!((in_memory(&bench), bench.disk.client_secret.clone()), (None, Some(secret())));
}

#[test]
fn keeps_the_client_secret_in_memory_during_a_login() {
    let mut bench = signed_out();
    let ticket = bench.ask(Ask::Ready);
    read(&mut bench);
    assert_eq!(bench.replies[&ticket], Ok(()));
    bench.feed(Event::Login(Some("login".to_owned())));
    bench.feed(Event::Tick);
    // Without the store, which may be locked by then.
    bench.ask(Ask::Exchange { request: code(), replace: false });
    assert_eq!(bench.client_secret, Some(secret()));
    bench.answer(refused());
    bench.feed(Event::Login(None));
    assert_eq!(in_memory(&bench), None);
}

#[test]
fn drops_the_client_secret_if_the_login_does_not_begin() {
    for end in [Event::Login(None), Event::Asked { ticket: 99, ask: Ask::Logout, began: None }] {
        let mut bench = signed_out();
        bench.ask(Ask::Ready);
        read(&mut bench);
        bench.feed(end);
        bench.save();
        assert_eq!(in_memory(&bench), None);
    }
}

#[test]
fn sends_no_code_without_the_client_secret() {
    let mut bench = signed_out();
    for ask in [Ask::Exchange { request: code(), replace: false }, import_of("RT2", None, false), Ask::Ready]
    {
        let ticket = bench.ask(ask.clone());
        bench.feed(Event::Loaded(Err(full())));
        assert!(matches!(bench.replies[&ticket], Err(Error::StoreUnavailable { .. })), "{ask:?}");
    }
    assert!(bench.sends.is_empty() && bench.saves.is_empty());
    assert_eq!(bench.state(), State::Empty);
    bench.ask(Ask::Exchange { request: code(), replace: false });
    read(&mut bench);
    assert_eq!(bench.client_secret, Some(secret()), "the store is read again for the client secret");
}

#[test]
fn a_grant_from_the_browser_keeps_the_client_secret() {
    let mut bench = signed_out();
    bench.ask(accept());
    read(&mut bench);
    bench.save();
    assert_eq!((bench.refresh_token(), bench.disk.client_secret.clone()), (Some("RT2"), Some(secret())));
}

#[test]
fn a_missing_client_secret_loses_no_grant() {
    let mut bench = signed_out();
    let ticket = bench.ask(accept());
    bench.feed(Event::Loaded(Err(full())));
    bench.save();
    assert_eq!((bench.replies[&ticket].clone(), bench.refresh_token()), (Ok(()), Some("RT2")));
}

#[test]
fn loading_the_client_secret_restores_no_logged_out_grant() {
    let mut bench = signed_out();
    bench.ask(Ask::Ready);
    let older = Record { client_secret: Some(secret()), ..record(grant(Some(3600))) };
    bench.feed(Event::Loaded(Ok(Some(older))));
    assert_eq!((bench.state(), in_memory(&bench)), (State::Empty, Some(secret())));
}

#[test]
fn a_new_client_secret_replaces_only_the_same_servers() {
    let mut bench = signed_out();
    let ticket = bench.ask(Ask::KeepClientSecret(Secret::from("another")));
    read(&mut bench);
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
    assert_eq!((in_memory(&bench), bench.disk.client_secret.clone()), (None, Some(Secret::from("another"))));

    // Found by the simulation: the other server's secret was dropped.
    let other = Settings { token_url: Some("https://other.example/token".to_owned()), ..Settings::default() };
    bench.feed(Event::Configured(config(other)));
    bench.ask(Ask::KeepClientSecret(Secret::from("other")));
    read(&mut bench);
    bench.save();
    assert_eq!(bench.disk.client_secret, Some(Secret::from("other")));
    assert_eq!(bench.disk.other_client_secrets[0].secret, Secret::from("another"));

    let ticket = bench.ask(Ask::KeepClientSecret(Secret::from("third")));
    bench.feed(Event::Loaded(Err(full())));
    assert!(matches!(bench.replies[&ticket], Err(Error::StoreUnavailable { .. })));
}

#[test]
fn a_second_logout_succeeds_immediately() {
    let mut bench = signed_out();
    let ticket = bench.ask(Ask::Logout);
    assert_eq!((bench.replies[&ticket].clone(), bench.disk.client_secret.clone()), (Ok(()), Some(secret())));
    assert!(bench.saves.is_empty());
}
