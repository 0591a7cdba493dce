//! The gateway with OAuth 2.0 clients of other projects.

mod crowd;
mod tools;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::http;
use imgurd_tests::stranger::{modules, node, python};
use imgurd_tests::testbed::Scene;
use imgurd_tests::testbed::gateway::{Gateway, parameter};
use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, RedirectUrl,
    RequestTokenError, TokenResponse as _, TokenUrl,
};
use serde_json::Value;

/// A gateway whose tokens expire after a second.
fn momentary() -> Gateway {
    let behaviour = Behaviour { lifetime: Duration::from_secs(1), ..Behaviour::default() };
    let gateway = Gateway::new(Scene::memory(behaviour).signed_in());
    gateway.add_public("spa");
    gateway
}

/// Gives the next tokens of a [`momentary`] gateway a long lifetime.
fn last(gateway: &Gateway) {
    gateway.scene.fake.configure(|behaviour| behaviour.lifetime = Duration::from_hours(1));
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("strangers").join(name)
}

/// Runs a client to its end and compares its steps with these: each step has the current token, or fails with this
/// error.
fn take_steps(gateway: &Gateway, command: Command, expected: &[(&str, Option<&str>)]) {
    let mut client = gateway.scene.bed.start(command);
    let wait = client.line_where(|line| line.contains("\"code\""));
    last(gateway);
    client.write("\n");
    let output = client.finish().success();
    assert!(output.stdout.contains(&wait));
    let steps: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let taken: Vec<_> =
        steps.iter().map(|step| (step["step"].as_str().unwrap(), step["error"].as_str())).collect();
    assert_eq!(taken, expected, "{}\n{}", output.stdout, output.stderr);
    assert!(
        steps.iter().all(|step| step["error"].is_string() || step["token"].is_string()),
        "{}",
        output.stdout
    );
    let tokens: Vec<_> = steps.iter().filter_map(|step| step["token"].as_str()).collect();
    assert_eq!(tokens.last(), Some(&&*gateway.scene.token()));
}

fn javascript(gateway: &Gateway, library: &str) -> Command {
    let mut command = node(&gateway.scene.bed);
    command.arg(script("gateway_clients.mjs")).arg(modules());
    command.args([library, &gateway.base, "postman", &gateway.secret, "spa"]);
    command
}

const DENIED: (&str, Option<&str>) = ("denied", Some("access_denied"));
const REVOKED: (&str, Option<&str>) = ("revoked", Some("invalid_grant"));
const GUESS: (&str, Option<&str>) = ("guess", Some("invalid_client"));

fn granted(step: &str) -> (&str, Option<&str>) {
    (step, None)
}

#[test]
fn openid_client_signs_in_refreshes_and_revokes() {
    let gateway = momentary();
    let first = [DENIED, granted("public"), granted("code"), granted("refreshed"), granted("rotated")];
    let spent = [("spent", Some("invalid_grant")), granted("again"), granted("client_secret_post")];
    let expected = [&first[..], &spent, &[REVOKED, granted("client_credentials"), GUESS]].concat();
    take_steps(&gateway, javascript(&gateway, "openid-client"), &expected);
}

#[test]
fn simple_oauth2_signs_in_refreshes_and_revokes() {
    let gateway = momentary();
    let first =
        [DENIED, granted("code"), granted("refreshed"), granted("again"), granted("client_secret_post")];
    let expected = [&first[..], &[REVOKED, granted("client_credentials"), GUESS]].concat();
    take_steps(&gateway, javascript(&gateway, "simple-oauth2"), &expected);
}

#[test]
fn authlib_and_requests_oauthlib_sign_in_refresh_and_revoke() {
    let gateway = momentary();
    let mut command = python(&gateway.scene.bed);
    command.arg(script("gateway_clients.py")).args([&gateway.base, "postman", &gateway.secret]);
    let authlib =
        [DENIED, granted("code"), granted("refreshed"), REVOKED, granted("client_secret_post"), REVOKED];
    let others = [granted("requests-oauthlib"), granted("refreshed"), granted("client_credentials"), GUESS];
    take_steps(&gateway, command, &[&authlib[..], &others].concat());
}

#[test]
fn the_oauth2_crate_signs_in_and_refreshes() {
    for (id, secret, auth_type) in [
        ("postman", true, AuthType::BasicAuth),
        ("postman", true, AuthType::RequestBody),
        ("spa", false, AuthType::BasicAuth),
    ] {
        let gateway = Gateway::signed_in();
        gateway.add_public("spa");
        let mut client = BasicClient::new(ClientId::new(id.to_owned())).set_auth_type(auth_type);
        if secret {
            client = client.set_client_secret(ClientSecret::new(gateway.secret.clone()));
        }
        let client = client
            .set_auth_uri(AuthUrl::new(gateway.url("/oauth2/authorize")).unwrap())
            .set_token_uri(TokenUrl::new(gateway.url("/oauth2/token")).unwrap())
            .set_redirect_uri(RedirectUrl::new(Gateway::CALLBACK.to_owned()).unwrap());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();
        let answer = gateway.answer(url.as_str());
        assert_eq!(parameter(&answer, "state"), *state.secret());
        let code = AuthorizationCode::new(parameter(&answer, "code"));
        let tokens = client.exchange_code(code).set_pkce_verifier(verifier).request(&http::send).unwrap();
        assert_eq!(*tokens.access_token().secret(), gateway.scene.token());
        let first = tokens.refresh_token().unwrap();
        let tokens = client.exchange_refresh_token(first).request(&http::send).unwrap();
        assert_eq!(*tokens.access_token().secret(), gateway.scene.token());
        assert_eq!(
            tokens.refresh_token().unwrap().secret() == first.secret(),
            secret,
            "only a public client gets a new refresh token"
        );
        assert!(tokens.expires_in().unwrap() <= Duration::from_hours(1));
        let refused = client.exchange_client_credentials().request(&http::send);
        match (secret, refused) {
            (true, granted) => assert_eq!(*granted.unwrap().access_token().secret(), gateway.scene.token()),
            (false, Err(RequestTokenError::ServerResponse(error))) => {
                assert_eq!(*error.error(), BasicErrorResponseType::UnauthorizedClient);
            }
            (false, other) => panic!("{other:?}"),
        }
    }
}
