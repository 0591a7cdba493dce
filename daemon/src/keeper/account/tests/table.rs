//! Every event in every state: the state that follows, and that no grant is lost.

use super::*;

const STATES: [State; 8] = [
    State::Empty,
    State::Fresh,
    State::Refreshing,
    State::Stale,
    State::Waiting,
    State::ConsentNeeded,
    State::Misconfigured,
    State::StoreUnavailable,
];

/// An account that has reached `state` in an ordinary way.
fn in_state(state: State) -> Bench {
    let mut bench = match state {
        State::Empty => Bench::with(Record::default()),
        State::StoreUnavailable => Bench::new(Settings::default()),
        State::Stale => Bench::new(Settings { auto_refresh: Some(false), ..Settings::default() }),
        _ => Bench::fresh(),
    };
    bench.now.dice = 0.5;
    match state {
        State::Empty | State::Fresh => {}
        State::StoreUnavailable => bench.feed(Event::Loaded(Err(full()))),
        State::Stale => {
            bench.feed(Event::Loaded(Ok(Some(record(grant(Some(3600)))))));
            bench.pass(2 * HOUR);
        }
        _ => {
            bench.pass(51 * MINUTE);
            bench.save();
        }
    }
    match state {
        State::Waiting => bench.answer(transient(Delivery::Answered)),
        State::Misconfigured => bench.answer(misconfigured()),
        State::ConsentNeeded => {
            bench.answer(refused());
            bench.save();
            bench.pass(2 * MINUTE);
            bench.save();
            bench.answer(refused());
        }
        _ => {}
    }
    bench.save();
    assert_eq!(bench.state(), state);
    bench
}

/// Makes an event happen, by its name. An answer belongs to the request in progress, if there is one.
fn happens(bench: &mut Bench, event: &str) {
    let op = bench.sends.front().map_or(99, |(op, _)| *op);
    let other = Settings { client_id: Some("other".to_owned()), ..Settings::default() };
    match event {
        "loaded" => bench.feed(Event::Loaded(Ok(Some(record(grant(Some(36000))))))),
        "loaded nothing" => bench.feed(Event::Loaded(Ok(None))),
        "not loaded" => bench.feed(Event::Loaded(Err(full()))),
        "vanished" => bench.feed(Event::Loaded(Err(StoreError::Vanished("Gone; sign in".to_owned())))),
        "stray save" => bench.feed(Event::Saved { revision: 0, result: Ok(()) }),
        "stray slow save" => bench.feed(Event::SaveIsSlow { revision: 0 }),
        "granted" => bench.feed(Event::Answered { op, answer: Answer::Granted(tokens("AT2", Some("RT2"))) }),
        "refused" => bench.feed(Event::Answered { op, answer: refused() }),
        "misconfigured" => bench.feed(Event::Answered { op, answer: misconfigured() }),
        "transient" => bench.feed(Event::Answered { op, answer: transient(Delivery::Answered) }),
        "in doubt" => bench.feed(Event::Answered { op, answer: transient(Delivery::InDoubt) }),
        "tick" => bench.feed(Event::Tick),
        "wanted" => drop(bench.want(Want::Valid(MINUTE))),
        "wanted anew" => drop(bench.want(Want::New)),
        "rejected" => drop(bench.want(Want::AnotherThan(Secret::from("AT")))),
        "login" => {
            bench.ask(Ask::Accept { tokens: tokens("LAT", Some("LRT")), replace: false });
        }
        "import" => {
            bench.ask(import_of("IRT", None, false));
        }
        "restore" => {
            bench.ask(Ask::Restore);
        }
        "logout" => {
            bench.ask(Ask::Logout);
        }
        "secret" => {
            bench.ask(Ask::KeepClientSecret(Secret::from("CS")));
        }
        "reload" => {
            bench.ask(Ask::Reload);
        }
        "ready" => {
            bench.ask(Ask::Ready);
        }
        "configured" => bench.feed(Event::Configured(config(Settings::default()))),
        "other client" => bench.feed(Event::Configured(config(other))),
        "login begins" => bench.feed(Event::Login(Some("login".to_owned()))),
        "closing" => bench.feed(Event::Closing),
        other => panic!("no such event: {other}"),
    }
    bench.save();
}

/// One letter a state: Empty, Fresh, Refreshing, staLe, Waiting, ConsentNeeded, Misconfigured, StoreUnavailable.
fn letter(state: State) -> char {
    match state {
        State::Empty => 'E',
        State::Fresh => 'F',
        State::Refreshing => 'R',
        State::Stale => 'L',
        State::Waiting => 'W',
        State::ConsentNeeded => 'C',
        State::Misconfigured => 'M',
        State::StoreUnavailable => 'S',
    }
}

/// Each row is an event, each column a state in the order of `STATES`. After each event the store saves everything.
#[rustfmt::skip]
const TABLE: &[(&str, &str)] = &[
    //                    EFRLWCMS
    ("loaded",           "EFRLWCMF"),
    ("loaded nothing",   "EFRLWCME"),
    ("not loaded",       "EFRLWCMS"),
    ("vanished",         "EFRLWCMS"),
    ("stray save",       "EFRLWCMS"),
    ("stray slow save",  "EFRLWCMS"),
    ("granted",          "EFFLWCMS"),
    ("refused",          "EFWLWCMS"),
    ("misconfigured",    "EFMLWCMS"),
    ("transient",        "EFWLWCMS"),
    ("in doubt",         "EFRLWCMS"),
    ("tick",             "EFRLWCMS"),
    ("wanted",           "EFRRWCMS"),
    ("wanted anew",      "ERRRRCMS"),
    ("rejected",         "ERRRRCMS"),
    ("login",            "FFFFFFFS"),
    ("import",           "RFRLWRMS"),
    ("restore",          "EFRLWCMS"),
    ("logout",           "EEEEEEES"),
    ("secret",           "EFRLWCRS"),
    ("reload",           "EFRLWCMS"),
    ("ready",            "EFRLWCMS"),
    ("configured",       "EFRRWCRS"),
    ("other client",     "EEEEEEES"),
    ("login begins",     "EFRLWCMS"),
    // There are no more attempts, and the token stays valid for nine minutes.
    ("closing",          "EFRLFCMS"),
];

#[test]
fn every_state_and_event_give_the_state_in_the_table() {
    let mut found = String::new();
    let mut differs = false;
    for (event, expected) in TABLE {
        let row: String = STATES
            .into_iter()
            .map(|state| {
                let mut bench = in_state(state);
                happens(&mut bench, event);
                check(&bench, state, event);
                letter(bench.state())
            })
            .collect();
        differs |= row != *expected;
        let event = format!("\"{event}\",");
        found += &["    (", &format!("{event:20}"), "\"", &row, "\"),\n"].concat();
    }
    assert!(!differs, "the machine differs from the table; it gives:\n{found}");
}

/// Checks what holds after every event.
fn check(bench: &Bench, before: State, event: &str) {
    let what = format!("{event} in the state {before}");
    let account = bench.account();
    let known: Vec<_> = [bench.refresh_token()]
        .into_iter()
        .flatten()
        .chain(
            account
                .record
                .displaced
                .iter()
                .filter_map(|it| it.grant.refresh_token.as_ref().map(Secret::expose)),
        )
        .chain(account.record.previous_refresh_token.as_ref().map(Secret::expose))
        .collect();
    if event != "logout" && !matches!(before, State::Empty | State::StoreUnavailable) {
        assert!(known.contains(&"RT"), "{what}: the refresh token was dropped");
    }
    let refreshes =
        bench.sends.iter().filter(|(_, request)| matches!(request, TokenRequest::Refresh(_))).count();
    // An answer that was fed by hand leaves its request in the list. An import may be verified during a refresh.
    assert!(refreshes <= 2 || event == "in doubt", "{what}: {refreshes} refreshes in progress");
    let snapshot = account.snapshot(bench.now.at);
    let reason = snapshot.info.reason.clone().unwrap_or_default();
    assert_eq!(reason.is_empty(), snapshot.info.state == State::Fresh, "{what}: {reason:?}");
    let says_what_to_do = ["run `", "wait", "sign in", "make room", "try again"];
    assert!(
        reason.is_empty() || says_what_to_do.iter().any(|words| reason.contains(words)),
        "{what}: {reason:?}"
    );
    let wake = account.wake_at(bench.now.at);
    assert!(wake.is_none_or(|at| at > bench.now.at), "{what}: the machine would wake in a loop");
}
