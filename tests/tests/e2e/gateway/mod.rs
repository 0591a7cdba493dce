//! The gateway, for programs that only speak OAuth 2.0.

mod attacks;
mod browser;
mod changes;
mod commands;

use std::net::TcpStream;

use imgurd_tests::fake::{Behaviour, Endpoint, Scope};
use imgurd_tests::http;
use imgurd_tests::testbed::gateway::{Gateway, VERIFIER, json, parameter, redemption};
use imgurd_tests::testbed::{Scene, binary};
use serde_json::Value;

const CALLBACK: &str = Gateway::CALLBACK;

#[test]
fn the_user_allows_a_client_once_and_it_gets_the_accounts_token() {
    let gateway = Gateway::signed_in();
    let page = gateway.question("postman");
    assert!(page.text.contains("Allow postman to use mytoken?") && page.text.contains("oauth.pstmn.io"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    let answer = gateway.decide(&page, "allow");
    assert_eq!(parameter(&answer, "state"), "st/1");
    assert_eq!(parameter(&answer, "iss"), gateway.base);
    let granted = json(&gateway.redeem(&parameter(&answer, "code")), 200);
    assert_eq!(granted["access_token"], gateway.scene.token());
    assert_eq!(granted["token_type"], "Bearer");
    assert!((1..=3600).contains(&granted["expires_in"].as_i64().unwrap()), "{granted}");
    let permits = gateway.scene.ctl(&["permit", "list"]).success().stdout;
    assert!(permits.contains("gateway:postman"), "{permits}");
    assert_eq!(gateway.question("postman").status, 303, "imgurd does not ask again");
    let journal = gateway.scene.ctl(&["journal", "--json"]).success().stdout;
    assert!(journal.contains("\"wire\":\"gateway\"") && journal.contains("postman"), "{journal}");
    let all = [journal, permits, gateway.scene.ctl(&["status"]).success().stdout].concat();
    assert!(!all.contains(&gateway.secret));
}

#[test]
fn the_answer_has_the_scope_that_the_server_granted_whatever_the_client_asks_for() {
    let behaviour = Behaviour { scope: Scope::Is("read  email"), ..Behaviour::default() };
    let scene = Scene::memory(behaviour);
    scene.ctl(&["account", "set", "--scope", "read write"]).success();
    let gateway = Gateway::new(scene.signed_in());
    let url = gateway.question_url("postman") + "&scope=read+write";
    let granted = json(&gateway.redeem(&parameter(&gateway.answer(&url), "code")), 200);
    assert_eq!(granted["scope"], "read email");
    let handle = granted["refresh_token"].as_str().unwrap();
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", handle), ("scope", "read")];
    assert_eq!(json(&gateway.token_as_postman(&refresh), 200)["scope"], "read email");
    let credentials = [("grant_type", "client_credentials"), ("scope", "all")];
    assert_eq!(json(&gateway.token_as_postman(&credentials), 200)["scope"], "read email");
}

#[test]
fn a_client_may_ask_for_any_scope_of_an_account_without_one() {
    let gateway = Gateway::signed_in();
    let url = gateway.question_url("postman") + "&scope=read+write";
    let granted = json(&gateway.redeem(&parameter(&gateway.answer(&url), "code")), 200);
    assert_eq!(granted.get("scope"), None, "{granted}");
    let credentials = [("grant_type", "client_credentials"), ("scope", "all")];
    assert_eq!(json(&gateway.token_as_postman(&credentials), 200).get("scope"), None);
}

#[test]
fn a_client_that_refreshes_a_valid_token_gets_a_new_one_twice_a_minute() {
    let gateway = Gateway::signed_in();
    let (first, handle) = gateway.tokens();
    let (_, other) = gateway.tokens();
    let before = gateway.scene.fake.requests(Endpoint::Token).len();
    let renewed = json(&gateway.refresh(&handle), 200);
    assert_ne!(renewed["access_token"], first);
    assert_eq!(renewed["refresh_token"], *handle, "the client keeps its refresh token");
    assert_eq!(gateway.scene.fake.requests(Endpoint::Token).len(), before + 1);
    // The other program has the old token. It gets the new one without a request to the server.
    assert_eq!(json(&gateway.refresh(&other), 200)["access_token"], renewed["access_token"]);
    assert_eq!(gateway.scene.fake.requests(Endpoint::Token).len(), before + 1);
    // A client that refreshes more often gets the valid token, and takes nothing from other clients.
    let last = json(&gateway.refresh(&handle), 200);
    for _ in 0..3 {
        assert_eq!(json(&gateway.refresh(&handle), 200)["access_token"], last["access_token"]);
    }
    assert_eq!(gateway.scene.fake.requests(Endpoint::Token).len(), before + 2);
    gateway.add_public("other");
    let code = gateway.code("other");
    let as_other =
        |form: &[(&str, &str)]| json(&gateway.token(&[form, &[("client_id", "other")]].concat()), 200);
    let mut given = vec![as_other(&redemption(&code))];
    for _ in 0..4 {
        let handle = given.last().unwrap()["refresh_token"].as_str().unwrap();
        given.push(as_other(&[("grant_type", "refresh_token"), ("refresh_token", handle)]));
    }
    assert_ne!(given[1]["access_token"], given[0]["access_token"]);
    assert_eq!(given[4]["access_token"], given[2]["access_token"]);
    assert_ne!(given[4]["refresh_token"], given[3]["refresh_token"], "the refresh token still rotates");
    assert_eq!(gateway.scene.fake.requests(Endpoint::Token).len(), before + 4);
}

#[test]
fn a_public_client_needs_pkce_and_its_refresh_tokens_rotate() {
    let gateway = Gateway::signed_in();
    gateway.add_public("spa");
    let request = [("response_type", "code"), ("client_id", "spa"), ("redirect_uri", CALLBACK)];
    assert_eq!(parameter(&gateway.authorize(&request), "error"), "invalid_request");
    let plain = [("code_challenge", VERIFIER), ("code_challenge_method", "plain")];
    assert_eq!(parameter(&gateway.authorize(&[&request[..], &plain].concat()), "error"), "invalid_request");
    let code = gateway.code("spa");
    let redeem = |code: &str, verifier: &str| {
        let mut form = redemption(code);
        form[3].1 = verifier;
        gateway.token(&[&form[..], &[("client_id", "spa")]].concat())
    };
    assert_eq!(json(&redeem(&code, &VERIFIER.replace('d', "e")), 400)["error"], "invalid_grant");
    let code = gateway.code("spa");
    let granted = json(&redeem(&code, VERIFIER), 200);
    let refresh = |handle: &Value| {
        let handle = handle.as_str().unwrap();
        gateway.token(&[("grant_type", "refresh_token"), ("refresh_token", handle), ("client_id", "spa")])
    };
    // A failed refresh does not use up the refresh token.
    gateway.scene.ctl(&["logout"]).success();
    json(&refresh(&granted["refresh_token"]), 400);
    gateway.scene.bed.sign_in(&gateway.scene.fake, "mytoken");
    let second = json(&refresh(&granted["refresh_token"]), 200);
    assert_ne!(second["refresh_token"], granted["refresh_token"]);
    assert_eq!(json(&refresh(&granted["refresh_token"]), 400)["error"], "invalid_grant");
    assert_eq!(
        json(&refresh(&second["refresh_token"]), 400)["error"],
        "invalid_grant",
        "reuse of the old refresh token invalidates its successor"
    );
    // Postman sends the `Authorization` header even without a secret.
    let grant = ("grant_type", "client_credentials");
    for refused in
        [gateway.token(&[grant, ("client_id", "spa")]), gateway.token_by_basic("spa", "", &[grant])]
    {
        assert_eq!(json(&refused, 400)["error"], "unauthorized_client");
    }
    assert_eq!(json(&gateway.token_by_basic("postman", "", &[grant]), 401)["error"], "invalid_client");
}

#[test]
fn client_credentials_need_a_permit_and_work_in_the_form_or_header() {
    let gateway = Gateway::signed_in();
    let form =
        [("grant_type", "client_credentials"), ("client_id", "postman"), ("client_secret", &gateway.secret)];
    let refused = json(&gateway.token(&form), 400);
    assert_eq!(refused["error"], "unauthorized_client");
    assert!(
        refused["error_description"].as_str().unwrap().contains("imgurctl permit allow gateway:postman"),
        "{refused}"
    );
    gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    let granted = json(&gateway.token(&form), 200);
    assert_eq!(
        (&granted["access_token"], &granted["refresh_token"]),
        (&gateway.scene.token().into(), &Value::Null)
    );
    let basic = |name: &str, secret: &str| {
        gateway.token_by_basic(name, secret, &[("grant_type", "client_credentials")])
    };
    json(&basic("postman", &gateway.secret), 200);
    let wrong = basic("postman", "guess");
    assert_eq!(json(&wrong, 401)["error"], "invalid_client");
    assert!(wrong.header("www-authenticate").unwrap().starts_with("Basic"));
    assert_eq!(json(&basic("nobody", &gateway.secret), 401)["error"], "invalid_client");
    gateway.scene.ctl(&["permit", "deny", "gateway:postman"]).success();
    assert_eq!(json(&basic("postman", &gateway.secret), 400)["error"], "unauthorized_client");
    assert_eq!(parameter(&gateway.question("postman"), "error"), "access_denied");
}

#[test]
fn revoked_access_is_invalid_at_once() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    let revoke = [("token", handle.as_str()), ("client_id", "postman"), ("client_secret", &gateway.secret)];
    json(&http::post(&gateway.url("/oauth2/revoke"), None, &revoke).unwrap(), 200);
    assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["permit", "revoke", "gateway:postman"]).success();
    assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
    gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    assert_eq!(
        json(&gateway.refresh(&handle), 400)["error"],
        "invalid_grant",
        "a new permit does not make an old refresh token valid"
    );
    let code = gateway.code("postman");
    gateway.scene.ctl(&["permit", "revoke", "gateway:postman"]).success();
    gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    assert_eq!(json(&gateway.redeem(&code), 400)["error"], "invalid_grant", "nor an old code");
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["gateway", "remove", "postman"]).success();
    assert_eq!(json(&gateway.refresh(&handle), 401)["error"], "invalid_client");
    assert!(!gateway.scene.ctl(&["permit", "list"]).success().stdout.contains("gateway:"));
}

#[test]
fn the_gateway_listens_only_while_it_is_on() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let off = scene.ctl(&["gateway", "status"]).success().stdout;
    assert!(off.contains("`imgurctl gateway on`"), "{off}");
    let mut gateway = Gateway::new(scene);
    assert!(TcpStream::connect(&gateway.listen).is_ok());
    let on = gateway.scene.ctl(&["gateway", "status"]).success().stdout;
    assert!(on.contains("/oauth2/token") && on.contains("postman"), "{on}");
    gateway.scene.ctl(&["gateway", "off"]).success();
    assert!(TcpStream::connect(&gateway.listen).is_err());
    // Another program uses the port. imgurd reports it, and sends no token there.
    let taken = std::net::TcpListener::bind(&gateway.listen).unwrap();
    let failed = gateway.scene.ctl(&["gateway", "on", "--listen", &gateway.listen]).exits(2);
    assert!(failed.stderr.contains("cannot listen"), "{}", failed.stderr);
    drop(taken);
    gateway.scene.ctl(&["gateway", "on", "--listen", &gateway.listen]).success();
    gateway.scene.stop();
    let _taken = std::net::TcpListener::bind(&gateway.listen).unwrap();
    gateway.scene.start();
    let doctor = gateway.scene.ctl(&["doctor", "--json"]).stdout;
    assert!(doctor.contains("cannot listen"), "{doctor}");
    for listen in ["0.0.0.0:8918", "192.0.2.1:8918", "127.0.0.1:0"] {
        gateway.scene.ctl(&["gateway", "on", "--listen", listen]).exits(2);
    }
}

#[test]
fn refresh_tokens_survive_a_restart_and_no_secret_is_in_a_file() {
    let mut gateway = Gateway::new(Scene::file(Behaviour::default()).signed_in());
    let (_, handle) = gateway.tokens();
    gateway.scene.restart();
    let granted = json(&gateway.refresh(&handle), 200);
    assert_eq!(granted["access_token"], gateway.scene.token());
    gateway.scene.bed.assert_no_secret_in_sight(&[gateway.secret.clone(), handle], &[]);
}

#[test]
fn without_a_grant_the_client_is_told_to_have_the_user_sign_in() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["logout"]).success();
    let refused = json(&gateway.refresh(&handle), 400);
    assert_eq!(refused["error"], "invalid_grant");
    assert!(refused["error_description"].as_str().unwrap().contains("imgurctl login mytoken"), "{refused}");
    gateway.add_public("spa");
    assert!(gateway.question("spa").text.contains("Nobody is signed in to the account"));
}

#[test]
fn a_client_secret_that_nobody_would_see_is_not_made() {
    let gateway = Gateway::new(Scene::memory(Behaviour::default()).signed_in());
    let add = |options: &str| {
        let mut command = gateway.scene.bed.command("sh");
        command.arg("-c").arg(format!("exec \"$0\" gateway add {options}")).arg(binary("imgurctl"));
        gateway.scene.bed.start(command).finish()
    };
    let uri = "--redirect-uri https://a.example/cb";
    for redirection in [">&-", ">/dev/null"] {
        let refused = add(&format!("new {uri} {redirection}")).exits(2);
        assert!(refused.stderr.contains("the client secret would be lost"), "{}", refused.stderr);
    }
    assert!(!gateway.scene.ctl(&["gateway", "list"]).success().stdout.contains("new "));
    add(&format!("new {uri}")).success();
    add(&format!("new {uri} >/dev/null")).success();
    add(&format!("open --public {uri} >/dev/null")).success();
}
