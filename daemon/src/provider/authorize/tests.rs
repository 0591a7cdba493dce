use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use oauth2::PkceCodeVerifier;
use rstest::rstest;

use super::*;

fn request(flow: Flow) -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: "an id".into(),
        auth_url: "https://api.imgur.com/oauth2/authorize".parse().unwrap(),
        flow,
        redirect_uri: None,
        scope: None,
        state_prefix: None,
        resource: Vec::new(),
        params: BTreeMap::new(),
    }
}

fn query(authorization: &Authorization) -> HashMap<String, String> {
    let pairs: Vec<_> = authorization.url.query_pairs().into_owned().collect();
    let query: HashMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(query.len(), pairs.len(), "no parameter is sent twice");
    query
}

#[rstest]
#[case(Flow::Code, "code")]
#[case(Flow::Token, "token")]
#[case(Flow::Pin, "pin")]
fn sends_the_parameters_of_the_flow(#[case] flow: Flow, #[case] response_type: &str) {
    let authorization = request(flow).build();
    let query = query(&authorization);
    assert_eq!(query["response_type"], response_type);
    assert_eq!(query["client_id"], "an id");
    assert_eq!(query["state"], authorization.state.expose());
    assert!(!query.contains_key("redirect_uri"), "Imgur uses the registered redirect URI");
    assert!(!query.contains_key("scope"), "Imgur has no scopes");
}

#[test]
fn sends_a_pkce_challenge_in_the_code_flow() {
    let authorization = request(Flow::Code).build();
    let query = query(&authorization);
    let verifier = authorization.verifier.expect("a verifier");
    let verifier = PkceCodeVerifier::new(verifier.expose().into());
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["code_challenge"], PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str());
}

#[rstest]
#[case(Flow::Token)]
#[case(Flow::Pin)]
fn sends_no_pkce_challenge_in_other_flows(#[case] flow: Flow) {
    let authorization = request(flow).build();
    assert!(authorization.verifier.is_none());
    assert!(!query(&authorization).contains_key("code_challenge"));
}

#[test]
fn each_request_has_a_new_random_state_after_the_prefix() {
    let request = AuthorizationRequest { state_prefix: Some("mine-".into()), ..request(Flow::Code) };
    let (one, other) = (request.build(), request.build());
    assert_ne!(one.state, other.state);
    assert_ne!(one.verifier, other.verifier);
    let random = one.state.expose().strip_prefix("mine-").expect("the state starts with the prefix");
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(random).unwrap().len(), STATE_BYTES as usize);
}

#[test]
fn sends_the_configured_parameters() {
    let request = AuthorizationRequest {
        auth_url: "https://example.org/authorize?tenant=7".parse().unwrap(),
        redirect_uri: RedirectUrl::new("http://127.0.0.1:8917/callback".to_owned()).ok(),
        scope: Some("read  write".into()),
        params: BTreeMap::from([("prompt".into(), "consent & more".into())]),
        ..request(Flow::Code)
    };
    let query = query(&request.build());
    assert_eq!(query["redirect_uri"], "http://127.0.0.1:8917/callback");
    assert_eq!(query["scope"], "read write");
    assert_eq!(query["prompt"], "consent & more");
    assert_eq!(query["tenant"], "7");
}

#[test]
fn sends_a_parameter_once_for_each_value() {
    let values = ["https://b/?q=a+b%20", "\u{e9}", "\u{e9}"].map(str::to_owned);
    let params = BTreeMap::from([("resource".into(), values.to_vec().into())]);
    let authorization = AuthorizationRequest { params, ..request(Flow::Code) }.build();
    let pairs = authorization.url.query_pairs().into_owned();
    let sent: Vec<_> = pairs.filter(|(name, _)| name == "resource").map(|(_, value)| value).collect();
    assert_eq!(sent, values);
}

#[test]
fn configured_parameters_cannot_replace_imgurds_own() {
    let params = OWN_PARAMETERS.map(|name| (name.to_owned(), "weak".into()));
    let request = AuthorizationRequest { params: params.into(), ..request(Flow::Code) };
    assert!(!request.build().url.as_str().contains("weak"));
}

#[test]
fn the_debug_output_has_no_state() {
    let authorization = request(Flow::Code).build();
    assert!(!format!("{authorization:?}").contains(authorization.state.expose()));
}

#[rstest]
#[case("http://LOCALHOST:80/a/../callback")]
#[case("http://localhost:8080")]
#[case("http://127.0.0.1:8917/call back?x={y}")]
#[case("https://b\u{fc}cher.example/%7Ecallback")]
fn sends_the_redirect_uri_exactly_as_written(#[case] written: &str) {
    let redirect_uri = RedirectUrl::new(written.to_owned()).ok();
    let authorization = AuthorizationRequest { redirect_uri, ..request(Flow::Code) }.build();
    assert_eq!(query(&authorization)["redirect_uri"], written);
}

#[rstest]
#[case(Flow::Code)]
#[case(Flow::Token)]
#[case(Flow::Pin)]
fn every_openid_request_has_its_own_nonce(#[case] flow: Flow) {
    let params = BTreeMap::from([("nonce".into(), "weak".into())]);
    let request = AuthorizationRequest { scope: Some("email openid".into()), params, ..request(flow) };
    let (one, other) = (request.build(), request.build());
    let sent = query(&one)["nonce"].clone();
    assert_eq!(Some(sent.as_str()), one.nonce.as_ref().map(Secret::expose));
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(sent).unwrap().len(), STATE_BYTES as usize);
    assert_ne!(one.nonce, other.nonce);
}

#[test]
fn a_request_without_openid_has_no_nonce() {
    let request = AuthorizationRequest { scope: Some("openid2 email".into()), ..request(Flow::Code) };
    assert!(request.build().nonce.is_none() && !query(&request.build()).contains_key("nonce"));
}

#[test]
fn sends_every_resource() {
    let resource = vec!["https://api.example/".to_owned(), "urn:b".to_owned()];
    let authorization = AuthorizationRequest { resource: resource.clone(), ..request(Flow::Code) }.build();
    let pairs = authorization.url.query_pairs().into_owned();
    let sent: Vec<_> = pairs.filter(|(name, _)| name == "resource").map(|(_, value)| value).collect();
    assert_eq!(sent, resource);
}
