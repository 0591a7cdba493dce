//! The tokens that a logout revokes at the server.

use super::*;

const REVOKE_URL: &str = "https://as.example/revoke";

fn revocable() -> Settings {
    Settings {
        token_url: Some("https://as.example/token".to_owned()),
        revoke_url: Some(REVOKE_URL.to_owned()),
        ..Settings::default()
    }
}

/// An account with a grant of that server.
fn bench() -> Bench {
    let issuer = config(revocable()).issuer();
    let record = record(Grant { issuer, ..grant(Some(3600)) });
    let mut bench = Bench::new(revocable());
    bench.feed(Event::Loaded(Ok(Some(record))));
    bench
}

fn tokens_of(bench: &Bench) -> Vec<(TokenKind, String)> {
    let revocation = bench.account().revocation().expect("there is a grant to revoke");
    assert_eq!(revocation.url.as_str(), REVOKE_URL);
    revocation.tokens.into_iter().map(|(kind, token)| (kind, token.expose().to_owned())).collect()
}

#[test]
fn revokes_refresh_tokens_first_and_replaced_grants_too() {
    let mut bench = bench();
    let ticket = bench.ask(Ask::Accept { tokens: tokens("AT2", Some("RT2")), replace: true });
    bench.save();
    assert!(bench.replies[&ticket].is_ok());
    let kinds = [TokenKind::Refresh, TokenKind::Refresh, TokenKind::Access, TokenKind::Access];
    let expected: Vec<_> = kinds.into_iter().zip(["RT2", "RT", "AT2", "AT"].map(str::to_owned)).collect();
    assert_eq!(tokens_of(&bench), expected);
}

#[test]
fn does_not_revoke_a_grant_of_another_server() {
    let mut bench = Bench::with(record(grant(Some(3600))));
    assert!(bench.account().revocation().is_none(), "the server has no revocation endpoint");
    bench.feed(Event::Configured(config(revocable())));
    assert!(bench.account().revocation().is_none(), "the grant belongs to another server");
}

#[test]
fn revokes_tokens_that_arrive_after_a_logout() {
    let mut bench = bench();
    bench.ask(Ask::Want { want: Want::New, until: bench.now.at + MINUTE });
    bench.save();
    bench.ask(Ask::Logout);
    bench.save();
    bench.answer(Answer::Granted(tokens("AT2", Some("RT2"))));
    bench.save();
    assert_eq!(bench.disk.grant, None);
    let late = [(TokenKind::Refresh, Secret::from("RT2")), (TokenKind::Access, Secret::from("AT2"))];
    assert_eq!(bench.revoked, late);
}
