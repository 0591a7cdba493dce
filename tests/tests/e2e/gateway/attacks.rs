//! Attacks on the gateway: by websites, by other users, and by one client on another.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use imgurd_tests::http;
use imgurd_tests::testbed::gateway::{Gateway, VERIFIER, json, parameter, question_id, redemption};
use imgurd_tests::testbed::needs_root;
use url::Url;

const CALLBACK: &str = Gateway::CALLBACK;
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Sends these bytes, and returns all that the gateway answers before it closes the connection.
fn exchange(gateway: &Gateway, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(&gateway.listen).unwrap();
    // The gateway may close the connection before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Posts this form unchanged to the token endpoint, as `postman`, and returns the answer.
fn form_of_postman(gateway: &Gateway, query: &str, headers: &str, form: &str) -> String {
    let form = format!("{form}&client_id=postman");
    let head = format!(
        "POST /oauth2/token{query} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: \
         {}\r\n{headers}\r\n",
        gateway.listen,
        form.len()
    );
    exchange(gateway, format!("{head}{form}").as_bytes())
}

#[test]
fn answers_go_to_registered_redirect_uris_only() {
    let gateway = Gateway::signed_in();
    let local = "http://127.0.0.1:9/callback";
    gateway.scene.ctl(&["gateway", "add", "local", "--redirect-uri", local]).success();
    for (client, uri) in [
        ("postman", "https://evil.example/"),
        ("postman", "https://oauth.pstmn.io/v1/callback/"),
        ("postman", "https://oauth.pstmn.io/v1/callback/../evil"),
        ("postman", "https://oauth.pstmn.io/v1/callback?to=evil"),
        ("postman", "https://oauth.pstmn.io/v1/callback#evil"),
        ("postman", "https://oauth.pstmn.io/v1/callbac"),
        ("postman", "https://oauth.pstmn.io/V1/callback"),
        ("postman", "HTTPS://oauth.pstmn.io/v1/callback"),
        ("postman", "https://OAUTH.pstmn.io/v1/callback"),
        ("postman", "https://oauth.pstmn.io:443/v1/callback"),
        ("postman", "https://oauth.pstmn.io@evil.example/v1/callback"),
        ("postman", "https://evil@oauth.pstmn.io/v1/callback"),
        ("postman", "https://oauth.pstmn.io.evil.example/v1/callback"),
        ("postman", "http://oauth.pstmn.io/v1/callback"),
        ("postman", " https://oauth.pstmn.io/v1/callback"),
        ("postman", local),
        ("local", CALLBACK),
        ("local", "http://127.0.0.1:10/callback"),
        ("local", "http://localhost:9/callback"),
        ("local", "http://127.0.0.1:9/callback%00"),
        ("nobody", CALLBACK),
        ("Postman", CALLBACK),
    ] {
        let page =
            gateway.authorize(&[("response_type", "code"), ("client_id", client), ("redirect_uri", uri)]);
        assert!(page.status == 400 && page.header("location").is_none(), "{client} {uri}: {}", page.status);
        assert!(!page.text.contains("evil"), "{}", page.text);
    }
    let twice = [("client_id", "postman"), ("client_id", "local"), ("response_type", "code")];
    assert_eq!(gateway.authorize(&twice).status, 400);
    for uri in ["javascript:alert(1)", "http://evil.example/", "https://a.example/#b", "data:text/html,x"] {
        gateway.scene.ctl(&["gateway", "add", "other", "--redirect-uri", uri]).exits(2);
    }
}

#[test]
fn unsupported_requests_are_refused_at_the_redirect_uri() {
    let gateway = Gateway::signed_in();
    gateway.add_public("spa");
    let code = ("response_type", "code");
    let (hash, s256) = (("code_challenge", VERIFIER), ("code_challenge_method", "S256"));
    for (client, parameters, error) in [
        ("postman", &[("response_type", "token")][..], "unsupported_response_type"),
        ("postman", &[("response_type", "code id_token")], "unsupported_response_type"),
        ("postman", &[], "invalid_request"),
        ("postman", &[code, ("request", "eyJ")], "request_not_supported"),
        ("postman", &[code, ("request_uri", "https://a.example/")], "request_uri_not_supported"),
        ("postman", &[code, ("response_mode", "fragment")], "invalid_request"),
        ("postman", &[code, hash], "invalid_request"),
        ("postman", &[code, hash, ("code_challenge_method", "plain")], "invalid_request"),
        ("postman", &[code, s256], "invalid_request"),
        ("postman", &[code, ("code_challenge", "short"), s256], "invalid_request"),
        ("spa", &[code], "invalid_request"),
    ] {
        let request =
            [&[("client_id", client), ("redirect_uri", CALLBACK), ("state", "s")], parameters].concat();
        let refused = gateway.authorize(&request);
        assert_eq!(parameter(&refused, "error"), error, "{parameters:?}");
        assert_eq!(parameter(&refused, "iss"), gateway.base);
        assert_eq!(parameter(&refused, "state"), "s");
    }
}

#[test]
fn a_code_works_once_and_for_its_client_only() {
    let gateway = Gateway::signed_in();
    let add = ["gateway", "add", "other", "--redirect-uri", CALLBACK, "--json"];
    let other = gateway.scene.ctl(&add).success().json();
    let other = [("client_id", "other"), ("client_secret", other["client_secret"].as_str().unwrap())];
    let code = gateway.code("postman");
    let theft = gateway.token(&[&redemption(&code)[..], &other].concat());
    assert_eq!(json(&theft, 400)["error"], "invalid_grant");
    let granted = json(&gateway.redeem(&code), 200);
    let handle = granted["refresh_token"].as_str().unwrap();
    // Another client cannot use or revoke the refresh token either.
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", handle)];
    assert_eq!(json(&gateway.token(&[&refresh[..], &other].concat()), 400)["error"], "invalid_grant");
    let revoke = [&[("token", handle)], &other[..]].concat();
    json(&http::post(&gateway.url("/oauth2/revoke"), None, &revoke).unwrap(), 400);
    json(&gateway.refresh(handle), 200);
    assert_eq!(json(&gateway.redeem(&code), 400)["error"], "invalid_grant");
    assert_eq!(
        json(&gateway.refresh(handle), 400)["error"],
        "invalid_grant",
        "a code used twice invalidates its refresh token"
    );
}

#[test]
fn a_code_needs_the_verifier_and_redirect_uri_of_its_request() {
    let gateway = Gateway::signed_in();
    let with = |form: &[(&str, &str)]| json(&gateway.token_as_postman(form), 400)["error"].clone();
    let (long, odd) = ("a".repeat(129), VERIFIER.replace('d', "!"));
    for verifier in [&VERIFIER[..42], &long, &odd, &VERIFIER.replace('d', "e"), ""] {
        let code = gateway.code("postman");
        let mut form = redemption(&code);
        form[3].1 = verifier;
        assert_eq!(with(&form), "invalid_grant", "{verifier}");
        assert_eq!(with(&redemption(&code)), "invalid_grant", "a code cannot be tried again");
    }
    for (at, name, value) in [(2, "redirect_uri", "https://evil.example/"), (2, "", ""), (3, "", "")] {
        let code = gateway.code("postman");
        let mut form = redemption(&code);
        form[at] = (name, value);
        assert_eq!(with(&form), "invalid_grant", "{name} {value}");
    }
    // Without a challenge in the request, a verifier is refused (RFC 9700, section 2.1.1).
    let request = [("response_type", "code"), ("client_id", "postman"), ("redirect_uri", CALLBACK)];
    let code = parameter(&gateway.authorize(&request), "code");
    assert_eq!(with(&redemption(&code)), "invalid_grant");
}

#[test]
fn a_refresh_token_is_invalid_once_its_client_is_removed() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["gateway", "remove", "postman"]).success();
    assert_eq!(json(&gateway.refresh(&handle), 401)["error"], "invalid_client");
    let add = ["gateway", "add", "postman", "--redirect-uri", CALLBACK, "--json"];
    let gateway = Gateway {
        secret: gateway.scene.ctl(&add).success().json()["client_secret"].as_str().unwrap().into(),
        ..gateway
    };
    assert_eq!(
        json(&gateway.refresh(&handle), 400)["error"],
        "invalid_grant",
        "a new client cannot use a token of the old one"
    );
    assert_eq!(gateway.question("postman").status, 200, "imgurd asks the user again");
}

#[test]
fn requests_of_websites_and_for_other_host_names_are_refused() {
    let gateway = Gateway::signed_in();
    let (metadata, port) = (gateway.url(METADATA), Url::parse(&gateway.base).unwrap().port().unwrap());
    assert_eq!(json(&http::get(&metadata, None).unwrap(), 200)["issuer"], gateway.base);
    // DNS rebinding: a website's host name resolves to the loopback address.
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        "localhost",
        &format!("127.0.0.1.:{port}"),
        "",
    ] {
        assert_eq!(http::get_with(&metadata, &[("Host", host)]).unwrap().status, 421, "{host}");
    }
    assert!(exchange(&gateway, format!("GET {METADATA} HTTP/1.0\r\n\r\n").as_bytes()).contains(" 421 "));
    // A target in absolute form is for its own host, whatever `Host` says.
    let absolute = |target: &str| {
        let head = format!("GET {target}{METADATA} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.listen);
        exchange(&gateway, head.as_bytes())
    };
    assert!(absolute(&gateway.base).contains(" 200 "));
    for target in [
        "http://evil.example",
        &format!("http://evil.example:{port}"),
        &format!("https://{}", gateway.listen),
    ] {
        assert!(absolute(target).contains(" 421 "), "{target}");
    }
    let form =
        [("grant_type", "client_credentials"), ("client_id", "postman"), ("client_secret", &gateway.secret)];
    for site in ["cross-site", "same-site"] {
        let headers = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", site)];
        let answer = http::post_with(&gateway.url("/oauth2/token"), &headers, &form).unwrap();
        assert_eq!(json(&answer, 400)["error"], "invalid_request");
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    // Requests from frames, images and scripts, in which the user does not see the question.
    for destination in ["iframe", "image", "script", "empty"] {
        let embedded = [("Sec-Fetch-Dest", destination), ("Sec-Fetch-Site", "cross-site")];
        assert_eq!(http::get_with(&gateway.question_url("postman"), &embedded).unwrap().status, 403);
    }
    let page = gateway.question("postman");
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
}

#[test]
fn only_the_first_answer_from_the_page_counts() {
    let gateway = Gateway::signed_in();
    let denied = gateway.decide(&gateway.question("postman"), "deny");
    assert_eq!(parameter(&denied, "error"), "access_denied");
    assert_eq!(parameter(&denied, "state"), "st/1");
    assert_eq!(gateway.question("postman").status, 200, "the user can be asked again after a denial");
    let url = gateway.url("/oauth2/authorize");
    assert_eq!(http::post(&url, None, &[("id", "0123"), ("decision", "allow")]).unwrap().status, 400);
    for origin in ["https://evil.example", "null", "http://127.0.0.1", ""] {
        let page = gateway.question("postman");
        let form = [("id", question_id(&page)), ("decision", "allow")];
        assert_eq!(http::post_with(&url, &[("Origin", origin)], &form).unwrap().status, 400, "{origin}");
    }
    let page = gateway.question("postman");
    let first = gateway.decide(&page, "deny");
    let second = gateway.decide(&page, "allow");
    assert_eq!(
        first.header("location"),
        second.header("location"),
        "a second answer gives the result of the first"
    );
    assert!(!gateway.scene.ctl(&["permit", "list"]).success().stdout.contains("gateway:"));
}

#[test]
fn the_gateway_works_under_the_name_localhost() {
    let gateway = Gateway::signed_in();
    let local = gateway.base.replace("127.0.0.1", "localhost");
    let gateway = Gateway { base: local, ..gateway };
    let metadata = json(&http::get(&gateway.url(METADATA), None).unwrap(), 200);
    assert_eq!(
        (&metadata["issuer"], &metadata["token_endpoint"]),
        (&gateway.base.clone().into(), &gateway.url("/oauth2/token").into())
    );
    let answer = gateway.decide(&gateway.question("postman"), "allow");
    assert_eq!(parameter(&answer, "iss"), gateway.base);
    json(&gateway.redeem(&parameter(&answer, "code")), 200);
}

#[test]
fn another_users_requests_are_not_answered() {
    if !needs_root("another user") {
        return;
    }
    let gateway = Gateway::signed_in();
    let ask = |other: bool| {
        let mut command = Command::new(if other { "setpriv" } else { "curl" });
        if other {
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "curl"]);
        }
        command.args(["--silent", "--noproxy", "*", &gateway.url(METADATA)]).output().unwrap().stdout
    };
    assert!(!ask(false).is_empty());
    assert!(ask(true).is_empty());
}

#[test]
fn ambiguous_and_misplaced_parameters_are_refused() {
    let gateway = Gateway::signed_in();
    gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    let secret = format!("client_secret={}", gateway.secret);
    let grant = "grant_type=client_credentials";
    let says = |query: &str, headers: &str, form: &str, expected: &str| {
        let answer = form_of_postman(&gateway, query, headers, form);
        assert!(answer.contains(expected), "{query} {headers} {form}: {answer}");
        assert!(answer.to_lowercase().contains("cache-control: no-store"), "{answer}");
    };
    let good = format!("{grant}&{secret}");
    says("", "", &good, "access_token");
    says("", "", &format!("{good}&unknown=1&unknown=2&scope="), "access_token");
    says("", "", &format!("{good}&{grant}"), "invalid_request");
    says("", "", &format!("{good}&client_secret="), "invalid_request");
    // Browser histories and proxies record the query, so no parameter is accepted there.
    says(&format!("?{secret}"), "", grant, "invalid_client");
    says(&format!("?{grant}"), "", &secret, "invalid_request");
    let basic = "Authorization: Basic cG9zdG1hbjpndWVzcw==\r\n";
    says("", basic, &good, "invalid_request");
    says("", basic, grant, "invalid_client");
    says("", "Authorization: Bearer abc\r\n", &good, "invalid_client");
    says("", "", &format!("{grant}&{secret}%00"), "invalid_client");
    says("", "", &format!("{grant}&client_secret={}", gateway.secret.to_uppercase()), "invalid_client");
    for (form, error) in [("", "invalid_request"), ("grant_type=password", "unsupported_grant_type")] {
        says("", "", &format!("{form}&{secret}"), error);
    }
}

#[test]
fn long_requests_and_other_methods_are_refused() {
    let gateway = Gateway::signed_in();
    let token = gateway.url("/oauth2/token");
    assert_eq!(http::get(&token, None).unwrap().status, 405);
    assert_eq!(http::post_json(&token, "{}").unwrap().status, 400);
    assert_eq!(http::get(&gateway.base, None).unwrap().status, 404);
    let long = "x".repeat(20_000);
    assert_eq!(gateway.token(&[("grant_type", "client_credentials"), ("code", &long)]).status, 400);
    let request = [("response_type", "code"), ("client_id", "postman"), ("state", &long)];
    assert_eq!(gateway.authorize(&request).status, 414);
    let head = |method: &str, path: &str, rest: &str| {
        exchange(
            &gateway,
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{rest}\r\n", gateway.listen).as_bytes(),
        )
    };
    let shown = head("HEAD", METADATA, "");
    assert!(shown.starts_with("HTTP/1.1 200 ") && shown.ends_with("\r\n\r\n"), "{shown}");
    for method in ["OPTIONS", "HEAD", "PUT"] {
        let refused =
            head(method, "/oauth2/authorize?client_id=postman&response_type=code", "").to_lowercase();
        assert!(refused.contains(" 405 ") && refused.contains("allow: get, post"), "{refused}");
        assert!(!refused.contains("access-control"), "{refused}");
    }
    // A body without a Content-Length, and headers that are too long.
    let body = format!("1000\r\n{}\r\n", "x".repeat(4096)).repeat(8);
    let chunked = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n";
    let refused = head("POST", "/oauth2/token", &format!("{chunked}\r\n{body}0\r\n"));
    assert!(refused.contains("the body is too long"), "{refused}");
    let huge = format!("X: {}\r\n", "x".repeat(1 << 20));
    assert!(!head("GET", METADATA, &huge).contains(" 200 "));
    // The gateway answers one request a connection and ignores the rest.
    let one = format!("GET {METADATA} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.listen);
    assert_eq!(exchange(&gateway, one.repeat(3).as_bytes()).matches("HTTP/1.1 ").count(), 1);
}

#[test]
fn silent_connections_do_not_block_clients() {
    let gateway = Gateway::signed_in();
    let silent: Vec<_> = (0..400).map(|_| TcpStream::connect(&gateway.listen).unwrap()).collect();
    for mut stream in &silent {
        // The gateway may have closed the first connections already.
        let _ = stream.write_all(b"POST /oauth2/token HTTP/1.1\r\nHost:");
    }
    gateway.tokens();
    assert!(gateway.scene.fake.is_live(&gateway.scene.token()));
}
