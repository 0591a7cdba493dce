use rstest::rstest;
use serde_json::json;

use super::*;

const ISSUER: &str = "https://as.example/tenant";

fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token",
    })
}

fn with(changes: &Value) -> Result<Discovery, Unfit> {
    let mut document = document();
    for (key, value) in changes.as_object().unwrap() {
        document[key] = value.clone();
    }
    read(&document.to_string(), ISSUER)
}

#[test]
fn minimal_metadata_give_the_endpoints_and_basic_authentication() {
    let found = with(&json!({})).unwrap();
    let expected = Settings {
        issuer: Some(ISSUER.to_owned()),
        auth_url: Some("https://as.example/authorize".to_owned()),
        token_url: Some("https://as.example/token".to_owned()),
        client_auth: Some(ClientAuth::Basic),
        ..Settings::default()
    };
    assert_eq!(found, Discovery { settings: expected, scopes: Vec::new(), pkce: None });
}

#[test]
fn full_metadata_give_all_supported_settings() {
    let found = with(&json!({
        "revocation_endpoint": "https://as.example/revoke",
        "device_authorization_endpoint": "https://as.example/device",
        "userinfo_endpoint": "https://as.example/me",
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["openid", "profile", "offline_access", "two words", 7],
        "code_challenge_methods_supported": ["plain", "S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
    }))
    .unwrap();
    assert_eq!((found.scopes.join(" ").as_str(), found.pkce), ("openid profile offline_access", Some(true)));
    let settings = found.settings;
    assert_eq!(settings.revoke_url.as_deref(), Some("https://as.example/revoke"));
    assert_eq!(settings.device_auth_url.as_deref(), Some("https://as.example/device"));
    assert_eq!(settings.userinfo_url.as_deref(), Some("https://as.example/me"));
    assert_eq!((settings.require_iss, settings.client_auth), (Some(true), Some(ClientAuth::Body)));
    assert_eq!(settings.scope.as_deref(), Some("openid offline_access"));
    assert_eq!(settings.auth_params.unwrap()["prompt"].values(), ["consent"]);
}

#[rstest]
#[case(json!(["client_secret_basic", "client_secret_post"]), ClientAuth::Basic)]
#[case(json!(["client_secret_post"]), ClientAuth::Body)]
#[case(json!(["none"]), ClientAuth::Body)]
fn chooses_a_supported_client_authentication(#[case] methods: Value, #[case] expected: ClientAuth) {
    let found = with(&json!({ "token_endpoint_auth_methods_supported": methods })).unwrap();
    assert_eq!(found.settings.client_auth, Some(expected));
}

#[rstest]
#[case(json!({ "token_endpoint": null }), "no token_endpoint")]
#[case(json!({ "authorization_endpoint": 7 }), "no authorization_endpoint")]
#[case(json!({ "token_endpoint": "http://as.example/token" }), "token_endpoint (http://as.example/token) is not an https URL")]
#[case(json!({ "token_endpoint": "http://127.0.0.1:1/token" }), "is not an https URL")]
#[case(json!({ "revocation_endpoint": "/revoke" }), "revocation_endpoint (/revoke) is not an https URL")]
#[case(json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }), "only private_key_jwt")]
fn rejects_unsuitable_metadata_with_the_reason(#[case] changes: Value, #[case] said: &str) {
    let Err(Unfit::Wrong(reason)) = with(&changes) else { panic!("{changes} is rejected") };
    assert!(reason.contains(said), "{reason}");
}

#[rstest]
#[case("https://as.example/other")]
#[case("https://as.example/tenant/")]
fn another_issuers_metadata_brings_one_advice(#[case] named: &str) {
    let unfit = with(&json!({ "issuer": named })).unwrap_err();
    let reason = format!("the server calls itself {named}; if you mean that server, use --issuer {named}");
    assert_eq!(unfit.at(&Url::parse(ISSUER).unwrap()), (true, reason));
}

#[test]
fn unsuitable_metadata_brings_advice() {
    for unfit in [Unfit::Wrong("it is wrong".to_owned()), Unfit::NoMetadata("it is none".to_owned())] {
        let (_, said) = unfit.at(&Url::parse(ISSUER).unwrap());
        assert!(said.starts_with("it is ") && said.matches("; ").count() == 1, "{said}");
        assert!(said.ends_with("; check the issuer, or set the endpoints with --auth-url and --token-url"));
    }
}

#[rstest]
#[case("<html>")]
#[case("")]
#[case("[]")]
#[case(r#"{"error":"not_found"}"#)]
fn rejects_documents_that_are_not_metadata(#[case] text: &str) {
    assert!(matches!(read(text, ISSUER), Err(Unfit::NoMetadata(_))), "{text}");
}

#[test]
fn combines_both_kinds_of_metadata() {
    let openid = with(&json!({ "userinfo_endpoint": "https://as.example/me" })).unwrap();
    let changes = json!({
        "revocation_endpoint": "https://as.example/revoke",
        "token_endpoint": "https://as.example/other",
        "scopes_supported": ["read"],
    });
    let both = joined(openid, with(&changes).unwrap());
    assert_eq!(both.settings.token_url.as_deref(), Some("https://as.example/token"));
    assert_eq!(both.settings.userinfo_url.as_deref(), Some("https://as.example/me"));
    assert_eq!(both.settings.revoke_url.as_deref(), Some("https://as.example/revoke"));
    assert_eq!(both.scopes, ["read"]);
}
