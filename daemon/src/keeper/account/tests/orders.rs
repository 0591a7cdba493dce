//! Changed settings, logouts and rejections while a request is in progress.

use super::*;
use crate::keeper::account::Began;

const OTHER: &str = "https://other.example/oauth2/token";

fn server(token_url: &str) -> Settings {
    Settings { token_url: Some(token_url.to_owned()), ..Settings::default() }
}

fn client(id: &str) -> Settings {
    Settings { client_id: Some(id.to_owned()), ..Settings::default() }
}

fn configure(bench: &mut Bench, settings: Settings) {
    bench.feed(Event::Configured(config(settings)));
    bench.save();
}

fn secret_sent(bench: &Bench) -> Option<&str> {
    bench.client_secret.as_ref().map(Secret::expose)
}

fn with_a_secret() -> Bench {
    let mut bench = Bench::fresh();
    bench.ask(Ask::KeepClientSecret(Secret::from("CS")));
    bench.save();
    bench
}

fn ask_as_of(bench: &mut Bench, ask: Ask, settings: Settings, logouts: u64) -> Ticket {
    bench.last_ticket += 1;
    let began = Some(Began { issuer: config(settings).issuer(), logouts });
    bench.feed(Event::Asked { ticket: bench.last_ticket, ask, began });
    bench.last_ticket
}

#[test]
fn a_client_secret_is_sent_only_to_its_token_url() {
    for url in [OTHER, "https://api.imgur.com/other/token", "https://api.imgur.com/oauth2/token?a=b"] {
        let mut bench = with_a_secret();
        configure(&mut bench, server(url));
        bench.ask(Ask::Exchange { request: code(), replace: false });
        assert_eq!(secret_sent(&bench), None, "{url}");
        bench.answer(refused());
        configure(&mut bench, Settings::default());
        bench.want(Want::New).unwrap();
        bench.save();
        assert_eq!((bench.presented(), secret_sent(&bench)), ("RT", Some("CS")), "{url}");
    }
}

#[test]
fn each_server_keeps_its_own_client_secret() {
    let mut bench = with_a_secret();
    configure(&mut bench, server(OTHER));
    bench.ask(Ask::KeepClientSecret(Secret::from("OTHER")));
    bench.save();
    let disk = bench.disk.clone();
    let mut bench = Bench::with(disk); // with Imgur's settings
    bench.want(Want::New).unwrap();
    bench.save();
    assert_eq!(secret_sent(&bench), Some("CS"));
    bench.answer(refused());
    configure(&mut bench, server(OTHER));
    bench.ask(Ask::Exchange { request: code(), replace: false });
    assert_eq!(secret_sent(&bench), Some("OTHER"));
}

#[test]
fn a_client_secret_belongs_to_the_settings_it_was_given_for() {
    let mut bench = with_a_secret();
    ask_as_of(&mut bench, Ask::KeepClientSecret(Secret::from("OTHER")), server(OTHER), 0);
    bench.want(Want::New).unwrap();
    bench.save();
    assert_eq!(secret_sent(&bench), Some("CS"));
    bench.answer(refused());
    configure(&mut bench, server(OTHER));
    bench.ask(Ask::Exchange { request: code(), replace: false });
    assert_eq!(secret_sent(&bench), Some("OTHER"));
}

#[test]
fn a_corrected_client_id_keeps_the_client_secret() {
    let mut bench = Bench::new(client("wrong"));
    bench.feed(Event::Loaded(Ok(None)));
    bench.ask(Ask::Ready);
    bench.ask(Ask::KeepClientSecret(Secret::from("CS")));
    bench.save();
    configure(&mut bench, Settings::default());
    bench.ask(Ask::Exchange { request: code(), replace: false });
    assert_eq!(secret_sent(&bench), Some("CS"));
}

#[test]
fn data_of_an_older_version_belongs_to_the_current_token_url() {
    let mut old = record(grant(Some(3600)));
    old.client_secret = Some(Secret::from("CS"));
    old.grant.as_mut().unwrap().issuer.token_url = None;
    let mut bench = Bench::with(old.clone());
    bench.save();
    assert_eq!(bench.served().as_deref(), Some("AT"));
    let kept = bench.disk.clone();
    assert_eq!(kept.grant.as_ref().unwrap().issuer, issuer());
    assert_eq!(kept.client_secret_issuer, Some(issuer()));
    configure(&mut bench, server("https://api.imgur.com/other/token"));
    assert_eq!((bench.state(), bench.served()), (State::Empty, None));

    // Found with another server: grant and secret wait for their own server.
    let mut bench = Bench::new(server(OTHER));
    bench.feed(Event::Loaded(Ok(Some(old))));
    bench.save();
    bench.ask(Ask::Exchange { request: code(), replace: false });
    assert_eq!((secret_sent(&bench), bench.state()), (None, State::Empty));
    configure(&mut bench, Settings::default());
    assert_eq!(bench.served().as_deref(), Some("AT"));
}

#[test]
fn a_code_of_one_server_is_never_sent_to_another() {
    let mut bench = Bench::fresh();
    configure(&mut bench, server(OTHER));
    let exchange = Ask::Exchange { request: code(), replace: true };
    let ticket = ask_as_of(&mut bench, exchange, Settings::default(), 0);
    assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })));
    assert!(bench.sends.is_empty(), "nothing was sent");
}

#[test]
fn tokens_of_another_server_return_with_its_settings() {
    let mut bench = Bench::with(Record::default());
    configure(&mut bench, server(OTHER));
    let accept = Ask::Accept { tokens: tokens("AT2", Some("RT2")), replace: false };
    let ticket = ask_as_of(&mut bench, accept, Settings::default(), 0);
    bench.save();
    assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })));
    assert_eq!((bench.served(), bench.state()), (None, State::Empty));
    configure(&mut bench, Settings::default());
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn an_answer_belongs_to_the_server_that_was_asked() {
    let mut bench = Bench::with(Record::default());
    bench.ask(Ask::Exchange { request: code(), replace: false });
    configure(&mut bench, server(OTHER));
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert_eq!(bench.state(), State::Empty);
    configure(&mut bench, Settings::default());
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn a_logout_cancels_earlier_logins() {
    let mut bench = Bench::fresh();
    let exchange = bench.ask(Ask::Exchange { request: code(), replace: true });
    bench.ask(Ask::Logout);
    bench.save();
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    let accept = Ask::Accept { tokens: tokens("AT3", Some("RT3")), replace: true };
    let accept = ask_as_of(&mut bench, accept, Settings::default(), 0);
    bench.save();
    for ticket in [exchange, accept] {
        assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })));
    }
    assert_eq!((bench.state(), bench.disk.holds_a_grant()), (State::Empty, false));
}

#[test]
fn a_logout_cancels_an_unverified_import() {
    let mut bench = Bench::with(Record::default());
    let import = bench.ask(import_of("RT2", None, false));
    bench.save();
    bench.ask(Ask::Logout);
    bench.save();
    assert!(matches!(bench.replies[&import], Err(Error::LoginFailed { .. })));
    bench.answer(Answer::Granted(tokens("AT2", Some("RT3"))));
    bench.save();
    assert_eq!((bench.state(), bench.disk.holds_a_grant()), (State::Empty, false));
}

#[test]
fn a_grant_that_returns_with_its_settings_is_auto_refreshed() {
    // In turn: the settings change and return while nothing is in progress; while a refresh is in progress; and they
    // differ at the start.
    let mut idle = Bench::fresh();
    configure(&mut idle, client("another"));
    configure(&mut idle, Settings::default());

    let mut answered = Bench::fresh();
    answered.want(Want::New).unwrap();
    answered.save();
    configure(&mut answered, client("another"));
    answered.answer(Answer::Granted(tokens("AT", Some("RT2"))));
    answered.save();
    configure(&mut answered, Settings::default());

    let mut found = Bench::new(client("another"));
    found.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    configure(&mut found, Settings::default());

    for mut bench in [idle, answered, found] {
        assert_eq!((bench.state(), bench.served().as_deref()), (State::Fresh, Some("AT")));
        bench.pass(HOUR);
        bench.save();
        assert_eq!(bench.sends.len(), 1, "{}", bench.reason());
    }
}

#[test]
fn a_refresh_of_a_replaced_grant_delays_no_caller() {
    let mut bench = Bench::fresh();
    bench.want(Want::New).unwrap();
    bench.save();
    let (older, _) = bench.sends.pop_front().unwrap();
    bench.ask(Ask::Accept { tokens: tokens("AT2", Some("RT2")), replace: true });
    bench.save();
    bench.now.at = bench.now.at + 2 * SECOND;
    bench.want(Want::New).unwrap();
    bench.save();
    assert_eq!(bench.presented(), "RT2");
    bench.answer(Answer::Granted(tokens("AT3", None)));
    bench.save();
    bench.feed(Event::Answered { op: older, answer: Answer::Granted(tokens("ATX", Some("RTX"))) });
    bench.save();
    assert_eq!(
        (bench.served(), bench.refresh_token()),
        (None, Some("RT2")),
        "the grant of ATX may have invalidated AT3"
    );
    bench.answer(Answer::Granted(tokens("AT4", None)));
    bench.save();
    assert_eq!((bench.served().as_deref(), bench.refresh_token()), (Some("AT4"), Some("RT2")));
    assert_eq!(
        bench.disk.displaced[0].grant.refresh_token,
        Some(Secret::from("RTX")),
        "the new refresh token of the replaced grant is kept"
    );
}

#[test]
fn a_returning_grant_is_not_refreshed_twice() {
    let mut bench = Bench::fresh();
    bench.want(Want::New).unwrap();
    bench.save();
    configure(&mut bench, client("another"));
    configure(&mut bench, Settings::default());
    bench.want(Want::New).unwrap();
    bench.save();
    assert_eq!(bench.sends.len(), 1);
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert_eq!((bench.served().as_deref(), bench.refresh_token()), (Some("AT2"), Some("RT2")));
}

#[test]
fn rejecting_an_old_token_requests_a_token_like_other_calls() {
    let mut bench = Bench::new(Settings { auto_refresh: Some(false), ..Settings::default() });
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.now.at = bench.now.at + 2 * HOUR;
    bench.want(Want::AnotherThan(Secret::from("OLDER"))).unwrap();
    bench.save();
    assert_eq!(bench.presented(), "RT");
}

#[test]
fn saves_a_client_secret_immediately_after_earlier_failures() {
    let mut bench = Bench::fresh();
    for _ in 0..20 {
        bench.ask(Ask::KeepClientSecret(Secret::from("CS")));
        bench.fail_to_save();
    }
    let ticket = bench.ask(Ask::KeepClientSecret(Secret::from("CS2")));
    bench.save();
    assert_eq!(bench.replies[&ticket], Ok(()));
}

#[test]
fn repeated_restores_reach_every_replaced_grant() {
    let mut bench = Bench::fresh();
    for number in 2..=3 {
        let (access, refresh) = (format!("AT{number}"), format!("RT{number}"));
        bench.ask(Ask::Accept { tokens: tokens(&access, Some(&refresh)), replace: true });
        bench.save();
    }
    let mut restored = Vec::new();
    for _ in 0..3 {
        bench.ask(Ask::Restore);
        bench.save();
        restored.push(bench.refresh_token().unwrap().to_owned());
        bench.answer(transient(Delivery::NotSent));
    }
    assert_eq!(restored, ["RT2", "RT", "RT3"]);
}

fn claiming(name: &str) -> Ask {
    let tokens = TokenResponse { username: Some(name.to_owned()), ..tokens("AT2", Some("RT2")) };
    Ask::Accept { tokens, replace: false }
}

#[test]
fn replaces_a_working_grant_only_if_the_api_confirms_the_user() {
    let others = [
        TokenOwner::Known("mallory".into()),
        TokenOwner::Rejected,
        TokenOwner::Unsupported,
        TokenOwner::Unknown("the server is over capacity".to_owned()),
    ];
    for owner in others {
        let mut bench = Bench::fresh();
        bench.api = Some(owner.clone());
        let ticket = bench.ask(claiming("alice"));
        bench.save();
        assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })), "{owner:?}");
        assert_eq!(bench.served().as_deref(), Some("AT"), "{owner:?}");
        let kept = &bench.disk.displaced[0].grant;
        assert_eq!(kept.refresh_token, Some(Secret::from("RT2")), "the new grant is kept as a replaced one");
    }
    let mut bench = Bench::fresh();
    let ticket = bench.ask(claiming("alice"));
    bench.save();
    assert_eq!((bench.replies[&ticket].clone(), bench.served().as_deref()), (Ok(()), Some("AT2")));
}

#[test]
fn saves_a_new_grant_while_the_api_is_asked_for_its_user() {
    let mut bench = Bench::fresh();
    bench.api = None;
    let ticket = bench.ask(claiming("alice"));
    bench.save();
    assert!(!bench.replies.contains_key(&ticket));
    assert_eq!(bench.disk.displaced[0].grant.refresh_token, Some(Secret::from("RT2")));
    bench.ask(Ask::Logout);
    bench.api = Some(TokenOwner::Known("alice".into()));
    bench.save();
    assert!(matches!(bench.replies[&ticket], Err(Error::LoginFailed { .. })));
    assert_eq!((bench.state(), bench.disk.holds_a_grant()), (State::Empty, false));
}

#[test]
fn an_unverified_import_replaces_no_grant_even_with_replace() {
    let mut bench = Bench::fresh();
    let ticket = bench.ask(import_of("RT2", None, true));
    bench.save();
    bench.answer(transient(Delivery::Answered));
    bench.save();
    assert!(matches!(bench.replies[&ticket], Err(Error::TemporarilyUnavailable { .. })));
    assert_eq!(bench.served().as_deref(), Some("AT"));
    assert_eq!(
        bench.disk.displaced[0].grant.refresh_token,
        Some(Secret::from("RT2")),
        "the import is kept as a replaced grant"
    );
}

#[test]
fn a_waiting_logout_keeps_a_later_login() {
    let mut bench = Bench::new(Settings::default());
    let earlier = bench.ask(Ask::Exchange { request: code(), replace: false });
    let logout = bench.ask(Ask::Logout);
    let later = bench.ask(Ask::Accept { tokens: tokens("AT2", Some("RT2")), replace: false });
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.save();
    assert!(bench.sends.is_empty(), "the code is not sent");
    assert!(matches!(bench.replies[&earlier], Err(Error::LoginFailed { .. })));
    assert_eq!((bench.replies[&logout].clone(), bench.replies[&later].clone()), (Ok(()), Ok(())));
    assert_eq!(bench.served().as_deref(), Some("AT2"));
}

#[test]
fn a_waiting_logout_survives_removal_of_the_account() {
    let mut bench = Bench::new(Settings::default());
    let logout = bench.ask(Ask::Logout);
    let login = bench.ask(Ask::Ready);
    bench.feed(Event::Closing);
    assert!(matches!(bench.replies[&login], Err(Error::TemporarilyUnavailable { .. })));
    assert!(!bench.replies.contains_key(&logout) && !bench.account().is_idle());
    bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
    bench.save();
    assert_eq!((&bench.replies[&logout], bench.disk.holds_a_grant()), (&Ok(()), false));
    assert!(bench.account().is_idle());
}
