//! The callback listener: what it accepts, and from which processes.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};

use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint, PATIENCE};
use imgurd_tests::testbed::{Program, Scene, Testbed, free_port};
use serde_json::{Value, json};
use url::Url;

const TOKENS: &str =
    "access_token=0123&refresh_token=4567&expires_in=3600&account_username=alice&account_id=1";

/// A login in the token flow whose browser has arrived at the callback.
struct Landing {
    scene: Scene,
    login: Program,
    state: String,
    nonce: String,
}

impl Landing {
    fn new() -> Self {
        let scene = Scene::memory(Behaviour::default());
        let (login, url) = scene.login(&["--flow", "token"]);
        let state = state_of(&url);
        let page = get(&scene, &format!("state={state}"), "");
        let nonce = between(&page, "data-nonce=\"", "\"");
        Self { scene, login, state, nonce }
    }

    /// Sends what the page's script sends, with this origin and these further headers.
    fn post(&self, body: &str, origin: &str, headers: &str) -> String {
        let length = body.len();
        let headers = format!("Origin: {origin}\r\nContent-Length: {length}\r\n{headers}");
        request(&self.scene, "POST", "", &headers, body)
    }

    fn origin(&self) -> String {
        Url::parse(&self.scene.callback()).unwrap().origin().ascii_serialization()
    }

    fn body(&self) -> String {
        format!("nonce={}&state={}&{TOKENS}", self.nonce, self.state)
    }
}

fn state_of(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).expect(before);
    rest.split_once(after).expect(after).0.to_owned()
}

fn port(scene: &Scene) -> u16 {
    Url::parse(&scene.callback()).unwrap().port().unwrap()
}

fn get(scene: &Scene, query: &str, headers: &str) -> String {
    request(scene, "GET", &format!("?{query}"), headers, "")
}

/// Sends a request to the callback, and returns the whole answer, which is empty if the daemon closes the connection.
fn request(scene: &Scene, method: &str, query: &str, headers: &str, body: &str) -> String {
    let host = format!("127.0.0.1:{}", port(scene));
    let head = format!("{method} /callback{query} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    say(scene, format!("{head}{body}").as_bytes())
}

/// Sends these bytes to the listener.
fn say(scene: &Scene, request: &[u8]) -> String {
    let mut answer = Vec::new();
    let _ = connect_and_say(scene, request).read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn connect_and_say(scene: &Scene, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port(scene))).unwrap();
    // The listener may close the connection before it has read a request that is too long.
    let _ = stream.write_all(request);
    stream
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

fn json_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn is_free(host: &str, port: u16) -> bool {
    TcpListener::bind((host.parse::<IpAddr>().unwrap(), port)).is_ok()
}

#[test]
fn tokens_that_the_pages_script_posts_become_a_grant() {
    let landing = Landing::new();
    let answer = landing.post(&landing.body(), &landing.origin(), "Sec-Fetch-Site: same-origin\r\n");
    assert_eq!(json_of(&answer)["title"], "Signed in as alice");
    landing.login.finish().success();
    assert_eq!(landing.scene.token(), "0123");
}

#[test]
fn forged_posts_of_tokens_are_refused() {
    let landing = Landing::new();
    let Landing { state, nonce, .. } = &landing;
    let (body, origin) = (landing.body(), landing.origin());
    for (what, answer) in [
        ("no nonce", landing.post(&format!("state={state}&{TOKENS}"), &origin, "")),
        ("a wrong nonce", landing.post(&format!("nonce=0123&state={state}&{TOKENS}"), &origin, "")),
        ("an empty nonce", landing.post(&format!("nonce=&state={state}&{TOKENS}"), &origin, "")),
        ("another origin", landing.post(&body, "https://evil.example", "")),
        ("another port", landing.post(&body, "http://127.0.0.1:1", "")),
        ("another name", landing.post(&body, &origin.replace("127.0.0.1", "localhost"), "")),
        ("a hidden origin", landing.post(&body, "null", "")),
        ("another site", landing.post(&body, &origin, "Sec-Fetch-Site: cross-site\r\n")),
        ("a body too long", landing.post(&format!("{body}&x={}", "y".repeat(1 << 20)), &origin, "")),
    ] {
        assert!(matches!(status(&answer), 0 | 400), "{what}: {answer}");
    }
    let no_origin = format!("Content-Length: {}\r\n", body.len());
    assert_eq!(status(&request(&landing.scene, "POST", "", &no_origin, &body)), 400);
    // The nonce is right, but the state is of another sign-in.
    let answer = landing.post(&format!("nonce={nonce}&state=other&{TOKENS}"), &origin, "");
    assert!(json_of(&answer)["title"].as_str().unwrap().contains("another sign-in"));
    assert!(landing.scene.account().login_pending);
}

#[test]
fn a_nonce_works_once_and_only_with_the_state() {
    let landing = Landing::new();
    let (state, nonce) = (landing.state.clone(), landing.nonce.clone());
    let nonce_on = |page: &str| between(page, "data-nonce=\"", "\"");
    // A request without the right state does not use the nonce up.
    let wrong = format!("nonce={nonce}&state=other&{TOKENS}");
    assert!(landing.post(&wrong, &landing.origin(), "").contains("another sign-in"));
    assert_eq!(nonce_on(&get(&landing.scene, &format!("state={state}"), "")), nonce);
    landing.post(&landing.body(), &landing.origin(), "");
    let Landing { scene, login, .. } = landing;
    login.finish().success();
    let (_login, url) = scene.login(&["--flow", "token"]);
    let next = get(&scene, &format!("state={}", state_of(&url)), "");
    assert_ne!(nonce_on(&next), nonce, "the page of the next sign-in has a new nonce");
}

#[test]
fn posted_tokens_are_refused_outside_the_token_flow() {
    let scene = Scene::memory(Behaviour::default());
    let (_login, url) = scene.login(&[]);
    let state = state_of(&url);
    assert_eq!(status(&get(&scene, &format!("state={state}"), "")), 404, "no page with a script is served");
    let body = format!("state={state}&{TOKENS}");
    let headers = format!("Origin: http://127.0.0.1:{}\r\nContent-Length: {}\r\n", port(&scene), body.len());
    assert_eq!(status(&request(&scene, "POST", "", &headers, &body)), 400);
    assert!(scene.account().login_pending);
}

#[test]
fn requests_of_other_websites_are_refused() {
    let scene = Scene::memory(Behaviour::default());
    let (_login, url) = scene.login(&[]);
    let query = format!("state={}&code=0123", state_of(&url));
    for header in [
        "Origin: https://evil.example",
        "Sec-Fetch-Mode: no-cors",
        "Sec-Fetch-Dest: image",
        "Sec-Fetch-Dest: iframe",
    ] {
        assert_eq!(status(&get(&scene, &query, &format!("{header}\r\n"))), 400, "{header}");
    }
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
    assert!(scene.account().login_pending);
}

#[test]
fn the_page_repeats_nothing_of_the_request() {
    let landing = Landing::new();
    let odd = "%3Cscript%3Eodd";
    let host = format!("127.0.0.1:{}", port(&landing.scene));
    for head in [
        format!("GET /callback?state={odd}&code={odd} HTTP/1.1\r\nHost: {host}\r\n"),
        format!("GET /callback?error={odd}&error_description={odd} HTTP/1.1\r\nHost: {host}\r\n"),
        format!("GET /{odd} HTTP/1.1\r\nHost: {host}\r\n"),
        "GET /callback HTTP/1.1\r\nHost: odd.example\r\n".to_owned(),
        format!("ODD /callback HTTP/1.1\r\nHost: {host}\r\n"),
        format!("GET /callback HTTP/1.1\r\nHost: {host}\r\nOrigin: http://odd.example\r\nX-Odd: odd\r\n"),
    ] {
        let answer = say(&landing.scene, format!("{head}Referer: http://odd.example/\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.to_lowercase().contains("odd"), "{head}{answer}");
    }
    let body = format!("nonce={}&state={odd}&access_token={odd}&account_username={odd}", landing.nonce);
    assert!(!landing.post(&body, &landing.origin(), "").contains("odd"));
}

/// The daemon waits ten seconds for a request, which is less than the login lasts.
#[test]
fn an_incomplete_request_is_closed_after_ten_seconds() {
    let landing = Landing::new();
    let (port, origin) = (port(&landing.scene), landing.origin());
    let head = format!("POST /callback HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\n");
    let in_a_header = connect_and_say(&landing.scene, head.as_bytes());
    let in_a_body =
        connect_and_say(&landing.scene, format!("{head}Content-Length: 9\r\n\r\nnonce=").as_bytes());
    for mut stream in [in_a_header, in_a_body] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("imgurd closes the connection before the test gives up");
        assert!(matches!(status(&String::from_utf8(answer).unwrap()), 0 | 400 | 408));
    }
    assert!(landing.scene.account().login_pending);
}

#[test]
fn large_requests_and_port_scanners_do_not_stop_a_sign_in() {
    let scene = Scene::memory(Behaviour::default());
    let (login, url) = scene.login(&[]);
    let query = format!("state={}&code={}", state_of(&url), "0".repeat(1 << 20));
    assert!(matches!(status(&get(&scene, &query, "")), 0 | 400..500));
    let connect = || TcpStream::connect(("127.0.0.1", port(&scene))).unwrap();
    for _ in 0..50 {
        drop(connect());
        let _ = connect().write_all(b"\x16\x03\x01\0\xff\0garbage\r\n\r\n");
    }
    // Silent connections use up places, but not the last one.
    let _silent: Vec<_> = (0..8).map(|_| connect()).collect();
    assert_eq!(browser::allow(&url, "alice").status, 200);
    login.finish().success();
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 1);
}

#[test]
fn every_loopback_address_can_be_the_callback() {
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let callback = Some(format!("http://{host}:{}/callback", free_port()));
        let scene = Scene::new(Testbed::memory(), Behaviour { callback, ..Behaviour::default() });
        let (login, url) = scene.login(&[]);
        let listens = |address| !is_free(address, port(&scene));
        assert_eq!(listens("127.0.0.1"), host != "[::1]", "{host}");
        assert_eq!(listens("::1"), host != "127.0.0.1", "{host}");
        assert!(browser::allow(&url, "alice").text.contains("Signed in as alice"), "{host}");
        login.finish().success();
        let again = scene.login(&[]);
        scene.ctl(&["login", "--cancel"]).success();
        again.0.finish().exits(10);
        assert!(is_free("127.0.0.1", port(&scene)) && is_free("::1", port(&scene)), "{host}");
    }
}

#[test]
fn a_cancelled_login_frees_the_port_at_once() {
    let scene = Scene::memory(Behaviour::default());
    let mut login = scene.bed.ctl_spawn(&["login", "--no-browser", "--json"]);
    let begun: Value = serde_json::from_str(&login.line().unwrap()).unwrap();
    assert!(!is_free("127.0.0.1", port(&scene)));
    scene.bed.wire().call("CancelLogin", &json!({ "login_id": begun["login_id"] }));
    assert!(is_free("127.0.0.1", port(&scene)));
    login.finish().exits(10);
}

#[test]
fn a_browser_that_arrives_as_the_login_ends_learns_how_it_ended() {
    let scene = Scene::memory(Behaviour::default());
    let (login, url) = scene.login(&["--timeout", "1s"]);
    let mut late = TcpStream::connect(("127.0.0.1", port(&scene))).unwrap();
    // The daemon accepts that connection before it answers this one.
    get(&scene, "", "");
    login.finish().exits(10);
    let query = format!("state={}&code=0123", state_of(&url));
    let head = format!("GET /callback?{query} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", port(&scene));
    late.write_all(head.as_bytes()).unwrap();
    let mut page = String::new();
    late.read_to_string(&mut page).unwrap();
    assert_eq!(status(&page), 410, "{page}");
    assert!(page.contains("This sign-in has expired") && page.contains("imgurctl login mytoken"), "{page}");
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
}

#[test]
fn a_sign_in_by_another_user_keeps_the_grant_and_explains_restore() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let (login, url) = scene.login(&[]);
    let page = browser::allow(&url, "bob");
    for part in ["You signed in as bob", "the grant of alice", "imgurctl restore mytoken"] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("imgurctl restore mytoken"), "{}", output.stderr);
    assert_eq!(scene.account().username.as_deref(), Some("alice"));
    scene.ctl(&["restore"]).success();
    assert_eq!(scene.account().username.as_deref(), Some("bob"));
}

/// A browser that prefetches the callback must not complete the sign-in.
#[test]
fn prefetches_and_form_posts_do_not_complete_a_sign_in() {
    let scene = Scene::memory(Behaviour::default());
    let (_login, url) = scene.login(&[]);
    let query = format!("state={}&code=0123", state_of(&url));
    for header in ["Sec-Purpose: prefetch;prerender", "Purpose: prefetch", "X-Moz: prefetch"] {
        let page = get(&scene, &query, &format!("Accept: text/html\r\n{header}\r\n"));
        assert!(page.starts_with("HTTP/1.1 400"), "{page}");
    }
    let headers = format!(
        "Accept: text/html\r\nContent-Type: application/x-www-form-urlencoded\r\nOrigin: https://as.example\r\nSec-Fetch-Mode: \
         navigate\r\nContent-Length: {}\r\n",
        query.len()
    );
    let page = request(&scene, "POST", "", &headers, &query);
    assert!(page.contains("text/html") && page.contains("response_mode"), "{page}");
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
}
