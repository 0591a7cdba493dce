//! The gateway: OAuth 2.0 for programs that need it.

use std::net::TcpStream;
use std::process::Command;

use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::http::{self, Answer};
use imgurd_tests::testbed::{Scene, free_port, needs_root};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

const CALLBACK: &str = "https://oauth.pstmn.io/v1/callback";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Gateway {
    scene: Scene,
    base: String,
    listen: String,
    secret: String,
}

impl Gateway {
    /// An open gateway with the client `postman`.
    fn new(scene: Scene) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        scene.ctl(&["gateway", "on", "--listen", &listen]).success();
        let added =
            scene.ctl(&["gateway", "add", "postman", "--redirect-uri", CALLBACK, "--json"]).success().json();
        let secret = added["client_secret"].as_str().unwrap().to_owned();
        Self { scene, base: format!("http://{listen}"), listen, secret }
    }

    fn signed_in() -> Self {
        Self::new(Scene::memory(Behaviour::default()).signed_in())
    }

    fn add_public(&self, name: &str) {
        let added =
            self.scene.ctl(&["gateway", "add", name, "--public", "--redirect-uri", CALLBACK, "--json"]);
        assert_eq!(added.success().json().get("client_secret"), None);
    }

    /// What the browser opens.
    fn authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
        http::get(&format!("{}/oauth2/authorize?{query}", self.base), None).unwrap()
    }

    fn question(&self, client: &str) -> Answer {
        let challenge = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
        let request =
            [("response_type", "code"), ("client_id", client), ("redirect_uri", CALLBACK), ("state", "st/1")];
        self.authorize(&[&request[..], &challenge].concat())
    }

    fn decide(&self, page: &Answer, decision: &str) -> Answer {
        let id =
            page.text.split_once("name=\"id\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let form = [("id", id.as_str()), ("decision", decision)];
        http::post_with(&format!("{}/oauth2/authorize", self.base), &[("Origin", &self.base)], &form).unwrap()
    }

    fn code(&self, client: &str) -> String {
        let page = self.question(client);
        let answer = if page.status == 200 { self.decide(&page, "allow") } else { page };
        parameter(&answer, "code")
    }

    fn token(&self, form: &[(&str, &str)]) -> Answer {
        http::post(&format!("{}/oauth2/token", self.base), None, form).unwrap()
    }

    fn redeem(&self, code: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("client_id", "postman"),
            ("client_secret", &self.secret),
        ])
    }

    fn refresh(&self, handle: &str) -> Answer {
        let grant = [("grant_type", "refresh_token"), ("refresh_token", handle)];
        self.token(&[&grant[..], &[("client_id", "postman"), ("client_secret", &self.secret)]].concat())
    }

    /// An access token and a refresh token.
    fn tokens(&self) -> (String, String) {
        let answer = json(&self.redeem(&self.code("postman")), 200);
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }
}

fn parameter(redirect: &Answer, name: &str) -> String {
    assert_eq!(redirect.status, 303, "{}", redirect.text);
    let to = Url::parse(redirect.header("location").unwrap()).unwrap();
    assert!(to.as_str().starts_with(CALLBACK), "{to}");
    to.query_pairs()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("{name} in {to}"))
        .1
        .into_owned()
}

fn json(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_str(&answer.text).unwrap()
}

#[test]
fn a_program_signs_in_once_and_gets_the_accounts_own_token_from_then_on() {
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
    assert_eq!(gateway.question("postman").status, 303, "it is asked about once");
    let journal = gateway.scene.ctl(&["journal", "--json"]).success().stdout;
    assert!(journal.contains("\"wire\":\"gateway\"") && journal.contains("postman"), "{journal}");
    let all = [journal, permits, gateway.scene.ctl(&["status"]).success().stdout].concat();
    assert!(!all.contains(&gateway.secret));
}

#[test]
fn a_refresh_gets_the_current_token_and_one_that_is_of_no_use_is_replaced_once() {
    let gateway = Gateway::signed_in();
    let (first, handle) = gateway.tokens();
    let (_, other) = gateway.tokens();
    let before = gateway.scene.fake.requests(Endpoint::Token).len();
    let renewed = json(&gateway.refresh(&handle), 200);
    assert_ne!(renewed["access_token"], first);
    assert_eq!(renewed["refresh_token"], Value::Null, "it keeps the one that it has");
    assert_eq!(gateway.scene.fake.requests(Endpoint::Token).len(), before + 1);
    // The other program has the old token: it gets the new one, and the server is asked nothing.
    assert_eq!(json(&gateway.refresh(&other), 200)["access_token"], renewed["access_token"]);
    assert_eq!(gateway.scene.fake.requests(Endpoint::Token).len(), before + 1);
    // Without end: as often as anybody may, and no more.
    let mut last = gateway.refresh(&handle);
    for _ in 0..20 {
        last = gateway.refresh(&handle);
    }
    let refused = json(&last, 503);
    assert_eq!(refused["error"], "temporarily_unavailable");
    assert!(last.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert!(gateway.scene.fake.requests(Endpoint::Token).len() <= before + 7);
    assert!(!gateway.scene.token().is_empty(), "others are served");
}

#[test]
fn a_public_client_uses_pkce_and_gets_another_refresh_token_each_time() {
    let gateway = Gateway::signed_in();
    gateway.add_public("spa");
    let request = [("response_type", "code"), ("client_id", "spa"), ("redirect_uri", CALLBACK)];
    assert_eq!(parameter(&gateway.authorize(&request), "error"), "invalid_request");
    let plain = [("code_challenge", VERIFIER), ("code_challenge_method", "plain")];
    assert_eq!(parameter(&gateway.authorize(&[&request[..], &plain].concat()), "error"), "invalid_request");
    let code = gateway.code("spa");
    let redeem = |code: &str, verifier: &str| {
        gateway.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
            ("client_id", "spa"),
        ])
    };
    assert_eq!(json(&redeem(&code, &VERIFIER.replace('d', "e")), 400)["error"], "invalid_grant");
    let code = gateway.code("spa");
    let granted = json(&redeem(&code, VERIFIER), 200);
    let refresh = |handle: &Value| {
        let handle = handle.as_str().unwrap();
        gateway.token(&[("grant_type", "refresh_token"), ("refresh_token", handle), ("client_id", "spa")])
    };
    // A refresh that fails spends nothing.
    gateway.scene.ctl(&["logout"]).success();
    json(&refresh(&granted["refresh_token"]), 400);
    gateway.scene.bed.sign_in(&gateway.scene.fake, "mytoken");
    let second = json(&refresh(&granted["refresh_token"]), 200);
    assert_ne!(second["refresh_token"], granted["refresh_token"]);
    assert_eq!(json(&refresh(&granted["refresh_token"]), 400)["error"], "invalid_grant");
    assert_eq!(
        json(&refresh(&second["refresh_token"]), 400)["error"],
        "invalid_grant",
        "a thief may have it"
    );
    assert_eq!(
        json(&gateway.token(&[("grant_type", "client_credentials"), ("client_id", "spa")]), 400)["error"],
        "unauthorized_client"
    );
}

#[test]
fn client_credentials_take_a_permit_and_either_way_of_authentication() {
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
    let url = format!("{}/oauth2/token", gateway.base);
    let basic = |name: &str, secret: &str| {
        use base64::Engine as _;
        let text = format!("{name}:{secret}");
        let header = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(text));
        http::post(&url, Some(&header), &[("grant_type", "client_credentials")]).unwrap()
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
fn what_the_user_takes_back_is_void_at_once() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    let revoke = [("token", handle.as_str()), ("client_id", "postman"), ("client_secret", &gateway.secret)];
    assert_eq!(http::post(&format!("{}/oauth2/revoke", gateway.base), None, &revoke).unwrap().status, 200);
    assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["permit", "revoke", "gateway:postman"]).success();
    assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
    gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    assert_eq!(
        json(&gateway.refresh(&handle), 400)["error"],
        "invalid_grant",
        "a new permit revives nothing"
    );
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["gateway", "remove", "postman"]).success();
    assert_eq!(json(&gateway.refresh(&handle), 401)["error"], "invalid_client");
    assert!(!gateway.scene.ctl(&["permit", "list"]).success().stdout.contains("gateway:"));
}

#[test]
fn an_answer_goes_to_a_registered_address_alone_and_denial_is_told() {
    let gateway = Gateway::signed_in();
    for (client, uri) in [
        ("postman", "https://evil.example/"),
        ("postman", "https://oauth.pstmn.io/v1/callback/"),
        ("nobody", CALLBACK),
    ] {
        let request = [("response_type", "code"), ("client_id", client), ("redirect_uri", uri)];
        let page = gateway.authorize(&request);
        assert!(
            page.status == 400 && page.header("location").is_none() && !page.text.contains("evil"),
            "{uri}"
        );
    }
    let twice = [("client_id", "postman"), ("client_id", "postman"), ("response_type", "code")];
    assert_eq!(gateway.authorize(&twice).status, 400);
    let token = [("response_type", "token"), ("client_id", "postman"), ("state", "s")];
    assert_eq!(parameter(&gateway.authorize(&token), "error"), "unsupported_response_type");
    let denied = gateway.decide(&gateway.question("postman"), "deny");
    assert_eq!(parameter(&denied, "error"), "access_denied");
    assert_eq!(parameter(&denied, "state"), "st/1");
    assert_eq!(gateway.question("postman").status, 200, "the user may think again");
    // An answer from elsewhere, and a second one.
    let page = gateway.question("postman");
    let form = [("id", "0123"), ("decision", "allow")];
    let url = format!("{}/oauth2/authorize", gateway.base);
    assert_eq!(http::post(&url, None, &form).unwrap().status, 400);
    let id = page.text.split_once("name=\"id\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let form = [("id", id.as_str()), ("decision", "allow")];
    assert_eq!(http::post_with(&url, &[("Origin", "https://evil.example")], &form).unwrap().status, 400);
    assert!(!gateway.scene.ctl(&["permit", "list"]).success().stdout.contains("gateway:"));
}

#[test]
fn a_code_is_good_once_and_for_its_client_alone() {
    let gateway = Gateway::signed_in();
    let other = gateway
        .scene
        .ctl(&["gateway", "add", "other", "--redirect-uri", CALLBACK, "--json"])
        .success()
        .json();
    let code = gateway.code("postman");
    let theft = gateway.token(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "other"),
        ("client_secret", other["client_secret"].as_str().unwrap()),
    ]);
    assert_eq!(json(&theft, 400)["error"], "invalid_grant");
    let granted = json(&gateway.redeem(&code), 200);
    assert_eq!(json(&gateway.redeem(&code), 400)["error"], "invalid_grant");
    let handle = granted["refresh_token"].as_str().unwrap();
    assert_eq!(
        json(&gateway.refresh(handle), 400)["error"],
        "invalid_grant",
        "what the code brought is void"
    );
}

#[test]
fn websites_and_other_names_are_turned_away() {
    let gateway = Gateway::signed_in();
    let metadata = format!("{}/.well-known/oauth-authorization-server", gateway.base);
    assert_eq!(json(&http::get(&metadata, None).unwrap(), 200)["issuer"], gateway.base);
    assert_eq!(http::get_with(&metadata, &[("Host", "evil.example")]).unwrap().status, 421);
    let token = format!("{}/oauth2/token", gateway.base);
    let form =
        [("grant_type", "client_credentials"), ("client_id", "postman"), ("client_secret", &gateway.secret)];
    let answer = http::post_with(
        &token,
        &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")],
        &form,
    )
    .unwrap();
    assert!(answer.status == 400 && answer.header("access-control-allow-origin").is_none());
    assert_eq!(http::get(&token, None).unwrap().status, 405);
    assert_eq!(http::post_json(&token, "{}").unwrap().status, 400);
    assert_eq!(http::get(&gateway.base, None).unwrap().status, 404);
    let long = "x".repeat(20_000);
    assert_eq!(gateway.token(&[("grant_type", "client_credentials"), ("code", &long)]).status, 400);
}

#[test]
fn another_users_requests_are_not_answered() {
    if !needs_root("another user") {
        return;
    }
    let gateway = Gateway::signed_in();
    let url = format!("{}/.well-known/oauth-authorization-server", gateway.base);
    let ask = |other: bool| {
        let mut command = Command::new(if other { "setpriv" } else { "curl" });
        if other {
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "curl"]);
        }
        command.args(["--silent", "--noproxy", "*", &url]).output().unwrap().stdout
    };
    assert!(!ask(false).is_empty());
    assert!(ask(true).is_empty());
}

#[test]
fn it_listens_only_while_it_is_on() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let off = scene.ctl(&["gateway", "status"]).success().stdout;
    assert!(off.contains("`imgurctl gateway on`"), "{off}");
    let gateway = Gateway::new(scene);
    assert!(TcpStream::connect(&gateway.listen).is_ok());
    let on = gateway.scene.ctl(&["gateway", "status"]).success().stdout;
    assert!(on.contains("/oauth2/token") && on.contains("postman"), "{on}");
    gateway.scene.ctl(&["gateway", "off"]).success();
    assert!(TcpStream::connect(&gateway.listen).is_err());
    // The port is another program's: this is said, and no token goes there.
    let taken = std::net::TcpListener::bind(&gateway.listen).unwrap();
    let failed = gateway.scene.ctl(&["gateway", "on", "--listen", &gateway.listen]).exits(1);
    assert!(failed.stderr.contains("cannot listen"), "{}", failed.stderr);
    let doctor = gateway.scene.ctl(&["doctor", "--json"]).stdout;
    assert!(doctor.contains("cannot listen"), "{doctor}");
    drop(taken);
    for listen in ["0.0.0.0:8918", "192.0.2.1:8918", "127.0.0.1:0"] {
        gateway.scene.ctl(&["gateway", "on", "--listen", listen]).exits(2);
    }
}

#[test]
fn what_clients_were_given_outlives_the_daemon_and_no_secret_is_in_a_file() {
    let mut gateway = Gateway::new(Scene::file(Behaviour::default()).signed_in());
    let (_, handle) = gateway.tokens();
    gateway.scene.restart();
    let granted = json(&gateway.refresh(&handle), 200);
    assert_eq!(granted["access_token"], gateway.scene.token());
    gateway.scene.bed.assert_no_secret_in_sight(&[gateway.secret.clone(), handle], &[]);
}

#[test]
fn an_account_without_a_grant_sends_the_program_back_to_the_user() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["logout"]).success();
    let refused = json(&gateway.refresh(&handle), 400);
    assert_eq!(refused["error"], "invalid_grant");
    assert!(refused["error_description"].as_str().unwrap().contains("imgurctl login mytoken"), "{refused}");
    gateway.add_public("spa");
    assert!(gateway.question("spa").text.contains("Nobody has signed in to the account yet"));
}
