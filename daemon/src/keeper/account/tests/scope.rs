//! The scope of a token.

use super::*;

fn served(bench: &Bench) -> Option<String> {
    bench.account().snapshot(bench.now.at).served.expect("there is a token").scope.clone()
}

fn granted(scope: Option<&str>) -> Answer {
    Answer::Granted(TokenResponse { scope: scope.map(ToOwned::to_owned), ..tokens("AT2", Some("RT2")) })
}

#[test]
fn a_token_has_the_scope_that_the_server_granted_or_else_the_requested_one() {
    let mut bench = Bench::new(Settings { scope: Some("read write".to_owned()), ..Settings::default() });
    bench.feed(Event::Loaded(Ok(None)));
    bench.ask(Ask::Exchange { request: code(), replace: false });
    bench.answer(granted(None));
    bench.save();
    assert_eq!(served(&bench).as_deref(), Some("read write"));
    for (answered, expected) in [(Some("read"), "read"), (None, "read")] {
        bench.pass(2 * SECOND);
        bench.want(Want::New).expect("a refresh begins");
        bench.save();
        bench.answer(granted(answered));
        bench.save();
        assert_eq!(served(&bench).as_deref(), Some(expected));
    }
    assert_eq!(bench.disk.grant.as_ref().and_then(|grant| grant.scope.as_deref()), Some("read"));
}

#[test]
fn a_token_of_a_server_without_scopes_has_none() {
    assert_eq!(served(&Bench::fresh()), None);
}
