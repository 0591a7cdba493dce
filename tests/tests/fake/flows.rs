//! Consent, and the exchange of its result for tokens.

use std::time::Duration;

use imgurd_tests::browser::{self, Page};
use imgurd_tests::fake::{AccountId, Behaviour, ExpiresIn, Fake, Scope};
use imgurd_tests::http;
use serde_json::json;
use url::Url;

use crate::{ID, SECRET, member, refused, token};

/// Nothing listens at this address: the tests do not follow the redirects.
const CALLBACK: &str = "https://callback.example/done";

/// The verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn fake() -> Fake {
    Fake::start(Behaviour { callback: Some(CALLBACK.into()), ..Behaviour::default() })
}

fn authorize(fake: &Fake, flow: &str, more: &str) -> String {
    format!("{}?client_id={ID}&response_type={flow}{more}", fake.auth_url())
}

fn parameter(page: &Page, name: &str) -> Option<String> {
    let url = Url::parse(&page.url).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Consents and returns the code.
fn code(fake: &Fake, more: &str) -> String {
    parameter(&browser::allow(&authorize(fake, "code", more), "bob"), "code").unwrap()
}

fn redeem(fake: &Fake, code: &str, more: &[(&str, &str)]) -> http::Answer {
    let form = [("grant_type", "authorization_code"), ("code", code)];
    token(fake, &[&form, more].concat())
}

fn unknown_code() -> String {
    refused("Refresh token doesn't exist or is invalid for the client")
}

#[test]
fn a_code_comes_with_the_state_and_works_once() {
    let fake = fake();
    let page = browser::allow(&authorize(&fake, "code", "&state=a%26b"), "bob");
    assert_eq!(page.status, 302);
    assert_eq!(parameter(&page, "state").as_deref(), Some("a&b"));
    let code = parameter(&page, "code").unwrap();
    let answer = redeem(&fake, &code, &[]);
    let (access, refresh) = (member(&answer, "access_token"), member(&answer, "refresh_token"));
    assert_eq!(
        answer.text,
        format!(
            r#"{{"access_token":"{access}","expires_in":3600,"token_type":"bearer","scope":null,"refresh_token":"{refresh}","account_id":88015571,"account_username":"bob"}}"#
        )
    );
    assert_eq!((access.len(), refresh.len()), (40, 40));
    assert!(fake.is_live(&access));
    assert_eq!(redeem(&fake, &code, &[]).text, unknown_code());
}

#[test]
fn a_code_bound_to_a_challenge_needs_its_verifier() {
    let fake = fake();
    let pkce = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let right = redeem(&fake, &code(&fake, &pkce), &[("code_verifier", VERIFIER)]);
    assert_eq!(right.status, 200);
    let wrong = redeem(&fake, &code(&fake, &pkce), &[("code_verifier", "wrong")]);
    assert_eq!(wrong.text, unknown_code());
    let missing = redeem(&fake, &code(&fake, &pkce), &[]);
    assert_eq!(missing.text, unknown_code());
    let needless = redeem(&fake, &code(&fake, ""), &[("code_verifier", VERIFIER)]);
    assert_eq!(needless.text, unknown_code());
}

#[test]
fn a_code_expires() {
    let fake = fake();
    let code = code(&fake, "");
    fake.advance(Duration::from_mins(10));
    assert_eq!(redeem(&fake, &code, &[]).text, unknown_code());
}

#[test]
fn a_sent_redirect_uri_must_be_sent_again() {
    let fake = fake();
    let uri = format!("&redirect_uri={CALLBACK}");
    let missing = redeem(&fake, &code(&fake, &uri), &[]);
    let text = "The redirect URI provided is missing or does not match";
    assert_eq!(missing.text, refused(text));
    let sent = redeem(&fake, &code(&fake, &uri), &[("redirect_uri", CALLBACK)]);
    assert_eq!(sent.status, 200);
}

#[test]
fn the_token_flow_puts_state_in_the_query_and_tokens_in_the_fragment() {
    let fake = fake();
    let page = browser::allow(&authorize(&fake, "token", "&state=S"), "bob");
    let fragment = page.fragment().unwrap();
    let values: Vec<_> = url::form_urlencoded::parse(fragment.as_bytes()).collect();
    let names: Vec<_> = values.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(
        names,
        ["access_token", "expires_in", "token_type", "refresh_token", "account_id", "account_username"]
    );
    assert!(fake.is_live(&values[0].1));
    assert!(page.url.starts_with("https://callback.example/done?state=S#"));
}

#[test]
fn an_application_without_a_callback_lands_at_imgur() {
    let fake = Fake::start(Behaviour::default());
    let page = browser::allow(&authorize(&fake, "token", ""), "bob");
    assert!(page.url.starts_with("https://imgur.com/#access_token="));
}

#[test]
fn the_pin_flow_shows_a_pin_that_works_once() {
    let fake = fake();
    let page = browser::allow(&authorize(&fake, "pin", ""), "bob");
    let form = [("grant_type", "pin"), ("pin", page.pin().unwrap())];
    assert_eq!(token(&fake, &form).status, 200);
    assert_eq!(token(&fake, &form).text, refused("Invalid Pin"));
}

#[test]
fn a_denial_comes_back_in_the_query_or_the_fragment() {
    let fake = fake();
    let page = browser::deny(&authorize(&fake, "code", "&state=S"));
    assert_eq!(page.url, format!("{CALLBACK}?error=access_denied&state=S"));
    let page = browser::deny(&authorize(&fake, "token", "&state=S"));
    assert_eq!(page.url, format!("{CALLBACK}#error=access_denied&state=S"));
}

#[test]
fn the_page_refuses_what_imgur_refuses() {
    let fake = fake();
    let open = |query: &str| {
        let page = browser::open(&format!("{}?{query}", fake.auth_url()));
        (page.status, page.text)
    };
    let refused = |status: u16, text: &str| {
        let body = format!(
            r#"{{"data":{{"error":"{text}","request":"\/oauth2\/authorize","method":"GET"}},"success":false,"status":{status}}}"#
        );
        (status, body)
    };
    let incomplete = refused(400, "client_id and response_type are required");
    assert_eq!(open("response_type=code"), incomplete);
    assert_eq!(open("client_id=fake-client-id"), incomplete);
    assert_eq!(open("client_id=another&response_type=code"), refused(403, "Unauthorized"));
    assert_eq!(
        open("client_id=fake-client-id&response_type=code&redirect_uri=https%3A%2F%2Felsewhere.example"),
        refused(400, "The redirect URI provided is missing or does not match")
    );
}

#[test]
fn the_client_authenticates_in_the_body_or_by_basic() {
    let fake = fake();
    let (refresh_token, _) = fake.issue_grant("alice");
    let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    // "fake-client-id:fake-client-secret"
    let basic = "Basic ZmFrZS1jbGllbnQtaWQ6ZmFrZS1jbGllbnQtc2VjcmV0";
    let answer = http::post(&fake.token_url(), Some(basic), &grant).unwrap();
    assert_eq!(answer.status, 200);
    for client in
        [[("client_id", ID), ("client_secret", "wrong")], [("client_id", "wrong"), ("client_secret", SECRET)]]
    {
        let answer = http::post(&fake.token_url(), None, &[client, grant].concat()).unwrap();
        assert_eq!(answer.text, refused("The client credentials are invalid"));
    }
}

#[test]
fn names_the_missing_parameter() {
    let fake = fake();
    let missing = token(&fake, &[("grant_type", "authorization_code")]);
    assert_eq!(missing.text, refused(r#"Missing parameter. \"code\" is required"#));
    assert_eq!(token(&fake, &[]).text, refused("Invalid grant_type parameter or parameter missing"));
}

#[test]
fn can_answer_in_every_recorded_format() {
    let fake = fake();
    let answer = |change: fn(&mut Behaviour)| {
        fake.configure(change);
        redeem(&fake, &code(&fake, ""), &[]).text
    };
    assert!(answer(|b| b.expires_in = ExpiresIn::Json(json!("3600"))).contains(r#""expires_in":"3600","#));
    assert!(answer(|b| b.expires_in = ExpiresIn::Json(json!(3600.5))).contains(r#""expires_in":3600.5,"#));
    assert!(answer(|b| b.expires_in = ExpiresIn::Json(json!(-1))).contains(r#""expires_in":-1,"#));
    assert!(!answer(|b| b.expires_in = ExpiresIn::Absent).contains("expires_in"));
    assert!(answer(|b| b.token_type = "Bearer".into()).contains(r#""token_type":"Bearer""#));
    assert!(answer(|b| b.scope = Scope::Empty).contains(r#""scope":"","#));
    assert!(!answer(|b| b.scope = Scope::Absent).contains("scope"));
    assert!(answer(|b| b.account_id = AccountId::Text).contains(r#""account_id":"88015571","#));
    assert!(!answer(|b| b.account_id = AccountId::Absent).contains("account_id"));
    let wrapped = answer(|b| b.wrapped = true);
    assert!(wrapped.starts_with(r#"{"data":{"access_token":""#));
    assert!(wrapped.ends_with(r#"},"success":true,"status":200}"#));
}
