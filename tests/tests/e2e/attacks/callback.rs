//! Attacks on the callback of a sign-in: by other users, with only some of the secret values, and with answers of
//! another flow.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint, Fake};
use imgurd_tests::testbed::{ACCOUNT, Output, Program, Scene, Testbed, free_port, needs_root};
use serde_json::{Value, json};
use url::Url;

use crate::unit::home::{Home, USER};
use crate::users::daemon_of_nobody;

/// Runs a command as `daemon`, a user that every Debian machine has.
const AS_MALLORY: [&str; 5] = ["setpriv", "--reuid=1", "--regid=1", "--clear-groups", "--"];

pub(super) fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

fn as_mallory(bed: &Testbed, command: &[&str]) -> Command {
    let mut started = bed.command(AS_MALLORY[0]);
    started.args(&AS_MALLORY[1..]).args(command).current_dir("/");
    started
}

fn visit_as_mallory(bed: &Testbed, url: &str) -> Output {
    bed.start(as_mallory(bed, &["curl", "--silent", "--show-error", url])).finish()
}

pub(super) fn state_of(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

fn port(callback: &str) -> u16 {
    Url::parse(callback).unwrap().port().unwrap()
}

/// Parameters with the tokens of a new grant of this user.
pub(super) fn tokens_of(fake: &Fake, user: &str) -> String {
    let (refresh_token, access_token) = fake.issue_grant(user);
    format!(
        "access_token={access_token}&refresh_token={refresh_token}&expires_in=3600&account_username={user}"
    )
}

/// Where the consent page redirects the browser. The browser does not follow.
pub(super) fn landing(fake: &Fake, url: &str, user: &str) -> String {
    let callback = fake.behaviour().callback;
    fake.configure(|behaviour| behaviour.callback = None);
    let address = browser::allow(url, user).url;
    fake.configure(|behaviour| behaviour.callback.clone_from(&callback));
    address
}

/// The query of that redirect: a code for this user and the login's PKCE challenge.
pub(super) fn answer_of(fake: &Fake, url: &str, user: &str) -> String {
    Url::parse(&landing(fake, url, user)).unwrap().query().unwrap().to_owned()
}

/// Sends this request to the callback, and returns the whole answer.
fn say(callback: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port(callback))).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn get(callback: &str, query: &str, headers: &str) -> String {
    let host = format!("127.0.0.1:{}", port(callback));
    say(callback, &format!("GET /callback?{query} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"))
}

fn post(callback: &str, body: &str) -> String {
    let host = format!("127.0.0.1:{}", port(callback));
    let head = format!("Host: {host}\r\nOrigin: http://{host}\r\nContent-Length: {}\r\n", body.len());
    say(callback, &format!("POST /callback HTTP/1.1\r\n{head}\r\n{body}"))
}

#[test]
fn another_user_who_knows_the_state_cannot_sign_in() {
    if !needs_root("another user") {
        return;
    }
    let scene = scene();
    for flow in ["code", "token"] {
        let (login, url) = scene.login(&["--flow", flow]);
        let state = state_of(&url);
        let code = answer_of(&scene.fake, &scene.login(&["--flow", flow]).1, "mallory");
        let tokens = tokens_of(&scene.fake, "mallory");
        for answer in [
            code,
            format!("state={state}&{tokens}"),
            format!("state={state}&error=access_denied"),
            format!("state={state}"),
        ] {
            let said = visit_as_mallory(&scene.bed, &format!("{}?{answer}", scene.callback()));
            assert!(said.code != Some(0) && said.stdout.is_empty(), "{flow}: {answer}: {}", said.stdout);
        }
        assert!(scene.account().login_pending, "{flow}");
        if flow == "code" {
            assert_eq!(browser::allow(&url, "alice").status, 200);
            login.finish().success();
            assert_eq!(scene.account().username.as_deref(), Some("alice"));
        }
    }
}

/// The port may have a new owner by the time imgurd looks. imgurd must not take the request for the new owner's.
#[test]
fn another_user_who_disconnects_at_once_cannot_answer() {
    const HANG_UP: &str = r"
import socket, struct, sys
for reset in [False, True]:
    visitor = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    visitor.sendall(sys.argv[2].encode().decode('unicode_escape').encode())
    if reset:
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    visitor.close()
";
    if !needs_root("another user") {
        return;
    }
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let port = port(&scene.callback()).to_string();
    let query = format!("state={}&error=access_denied", state_of(&url));
    let request = format!(r"GET /callback?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    for _ in 0..20 {
        let command = ["/usr/bin/python3", "-c", HANG_UP, &port, &request];
        scene.bed.start(as_mallory(&scene.bed, &command)).finish().success();
    }
    assert_eq!(browser::allow(&url, "alice").status, 200);
    login.finish().success();
}

#[test]
fn root_cannot_sign_in_another_user() {
    if !needs_root("another user") {
        return;
    }
    let fake = Fake::start(Behaviour::default());
    let bed = Testbed::memory();
    let _daemon = daemon_of_nobody(&bed);
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let callback = format!("http://127.0.0.1:{}/callback", free_port());
    fake.configure(|behaviour| behaviour.callback = Some(callback.clone()));
    let call = json!({ "account": ACCOUNT, "settings": {
        "client_id": fake.behaviour().client_id, "auth_url": fake.auth_url(), "token_url": fake.token_url(),
        "redirect_uri": callback,
    }});
    let script = "
import json, socket, sys
keeper = socket.socket(socket.AF_UNIX)
keeper.connect(sys.argv[1])
for call in sys.argv[2:]:
    keeper.sendall(call.encode() + b'\\0')
    answer = b''
    while not answer.endswith(b'\\0'):
        answer += keeper.recv(65536)
    print(answer[:-1].decode(), flush=True)
sys.stdin.read()
";
    let calls = [
        json!({ "method": "org.imgurd.Keeper1.AddAccount", "parameters": call }),
        json!({ "method": "org.imgurd.Keeper1.Login", "parameters": { "account": ACCOUNT }, "more": true }),
    ];
    let socket = bed.socket().display().to_string();
    let mut command = bed.command(nobody[0]);
    command.args(&nobody[1..]).args(["/usr/bin/python3", "-c", script, &socket]);
    let mut login = bed.start({
        command.args(calls.map(|call| call.to_string())).current_dir("/");
        command
    });
    login.line().expect("the account is added");
    let begun: Value = serde_json::from_str(&login.line().expect("the login begins")).unwrap();
    let url = begun["parameters"]["url"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    assert_eq!(get(&callback, &format!("state={}&error=access_denied", state_of(&url)), ""), "");
    let mut visit = bed.command(nobody[0]);
    let denied = format!("{callback}?state={}&error=access_denied", state_of(&url));
    visit.args(&nobody[1..]).args(["curl", "--silent", &denied]).current_dir("/");
    assert!(
        bed.start(visit).finish().success().stdout.contains("Access was denied"),
        "the user who began the sign-in gets an answer"
    );
}

/// The service has its own user namespace, in which other users have no IDs.
#[test]
fn another_user_cannot_sign_in_at_the_confined_service() {
    let Some(home) = Home::installed() else { return };
    home.ctl(&["init", "--store", "file"]).success();
    home.systemctl(&["restart", "imgurd.service"]).success();
    let fake = home.account(Behaviour::default());
    let callback = fake.behaviour().callback.unwrap();
    home.machine.add_user("mallory");
    let mut login = home.start(&["imgurctl", "login", "--no-browser"]);
    let url = login.line().expect("the URL is the first line");
    let denied = format!("{callback}?state={}&error=access_denied", state_of(&url));
    for user in ["mallory", "root"] {
        let said = home.machine.run(user, &["curl", "--silent", &denied]);
        assert!(said.code != Some(0) && said.stdout.is_empty(), "{user}: {}", said.stdout);
    }
    // This test's connections are root's. Only the consent page may see them; Alice's browser must visit the
    // callback.
    let query = home.machine.inside(|| answer_of(&fake, &url, USER));
    let page = home.machine.run(USER, &["curl", "--silent", &format!("{callback}?{query}")]).success();
    assert!(page.stdout.contains(&format!("Signed in as {USER}")), "{}", page.stdout);
    login.finish().success();
}

/// Nothing binds such tokens to this login, as PKCE binds a code.
#[test]
fn tokens_in_the_query_are_refused_in_every_flow() {
    let scene = scene();
    for flow in ["code", "token"] {
        let (login, url) = scene.login(&["--flow", flow]);
        let state = state_of(&url);
        let tokens = tokens_of(&scene.fake, "mallory");
        let page = get(&scene.callback(), &format!("state={state}&{tokens}"), "");
        assert!(!page.contains("Signed in") && !page.contains("mallory"), "{flow}: {page}");
        assert!(scene.account().login_pending, "{flow}");
        assert_eq!(browser::allow(&url, "alice").status, 200, "{flow}");
        if flow == "code" {
            login.finish().success();
            assert_eq!(scene.account().username.as_deref(), Some("alice"));
        }
    }
}

#[test]
fn a_code_is_refused_in_the_token_flow() {
    let scene = scene();
    let (_login, url) = scene.login(&["--flow", "token"]);
    let state = state_of(&url);
    let said = get(&scene.callback(), &format!("state={state}&code=0123"), "");
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    let page = get(&scene.callback(), &format!("state={state}"), "");
    let (_, after) = page.split_once("data-nonce=\"").expect("the page that sends the fragment has a nonce");
    let nonce = after.split_once('"').unwrap().0;
    let said = post(&scene.callback(), &format!("nonce={nonce}&state={state}&code=0123"));
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
    assert!(scene.account().login_pending);
}

#[test]
fn a_wrong_state_does_not_use_up_the_nonce() {
    let scene = scene();
    let (login, url) = scene.login(&["--flow", "token"]);
    let state = state_of(&url);
    let page = get(&scene.callback(), "", "");
    let nonce = page.split_once("data-nonce=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let tokens = tokens_of(&scene.fake, "alice");
    for wrong in ["&state=wrong", "", "&state=", "&state=wrong&state=wrong"] {
        let said = post(&scene.callback(), &format!("nonce={nonce}{wrong}&{tokens}"));
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    }
    let said = post(&scene.callback(), &format!("nonce={nonce}&state={state}&{tokens}"));
    assert!(said.contains("Signed in as alice"), "{said}");
    login.finish().success();
}

/// RFC 6749, section 3.1.
#[test]
fn an_answer_with_a_repeated_parameter_is_refused() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let (state, query) = (state_of(&url), answer_of(&scene.fake, &url, "alice"));
    for doubled in [
        format!("{query}&code=0123"),
        format!("code=0123&{query}"),
        format!("{query}&state=other"),
        format!("{query}&state={state}"),
        format!("{query}&iss=http://a.example&iss=http://b.example"),
    ] {
        assert!(get(&scene.callback(), &doubled, "").starts_with("HTTP/1.1 400"), "{doubled}");
    }
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
    assert!(get(&scene.callback(), &query, "").contains("Signed in as alice"));
    login.finish().success();
}

/// Another user's program that listens at these addresses until it is dropped.
fn listener_of_mallory(scene: &Scene, addresses: &[&str], port: u16) -> Program {
    const LISTEN: &str = "
import socket, sys
listening = []
for host in sys.argv[2:]:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((host, int(sys.argv[1])))
    listener.listen()
    listening.append(listener)
print('listening', flush=True)
sys.stdin.read()
";
    let port = port.to_string();
    let command = [&["/usr/bin/python3", "-c", LISTEN, &port], addresses].concat();
    let mut listener = scene.bed.start(as_mallory(&scene.bed, &command));
    assert_eq!(listener.line().as_deref(), Some("listening"));
    listener
}

#[test]
fn no_sign_in_begins_while_another_user_listens_at_the_callback() {
    if !needs_root("another user") {
        return;
    }
    for (host, taken) in
        [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("127.0.0.1", "::"), ("localhost", "::1")]
    {
        let callback = format!("http://{host}:{}/callback", free_port());
        let behaviour = Behaviour { callback: Some(callback.clone()), ..Behaviour::default() };
        let scene = Scene::new(Testbed::memory(), behaviour);
        let mallory = listener_of_mallory(&scene, &[taken], port(&callback));
        for arguments in [&["login", "--no-browser"][..], &["login", "--no-browser", "--paste"]] {
            let output = scene.ctl(arguments).exits(10);
            let said = output.complaint();
            assert!(said.contains("user daemon") && said.contains("do not sign in"), "{taken}: {said}");
            assert!(!said.contains("--paste"), "{taken}: {said}");
        }
        let found = scene.ctl(&["doctor"]).stdout;
        assert!(found.contains("do not sign in"), "{found}");
        assert!(!scene.account().login_pending);
        drop(mallory);
        scene.login_as("alice", &[]).success();
    }
}

/// Otherwise the browser would give the answer to that program.
#[test]
fn no_program_can_listen_at_the_callback_during_a_paste() {
    for host in ["127.0.0.1", "localhost"] {
        let callback = format!("http://{host}:{}/callback", free_port());
        let behaviour = Behaviour { callback: Some(callback.clone()), ..Behaviour::default() };
        let scene = Scene::new(Testbed::memory(), behaviour);
        let (mut login, url) = scene.login(&["--paste"]);
        let addresses = if host == "localhost" { &["127.0.0.1", "::1"][..] } else { &["127.0.0.1"] };
        for address in addresses {
            assert!(TcpListener::bind((*address, port(&callback))).is_err(), "{address}");
        }
        login.write(&format!("{}\n", landing(&scene.fake, &url, "alice")));
        login.finish().success();
        // The callback works in a browser too.
        let (_login, url) = scene.login(&["--paste"]);
        assert!(browser::allow(&url, "alice").text.contains("Signed in as alice"));
    }
}

#[test]
fn many_cookies_do_not_stop_a_sign_in() {
    let scene = scene();
    for kibibytes in [16, 600] {
        let (login, url) = scene.login(&[]);
        let query = answer_of(&scene.fake, &url, "alice");
        let cookies = format!("Cookie: a={}\r\n", "0".repeat(kibibytes * 1024));
        let page = get(&scene.callback(), &query, &cookies);
        assert!(page.contains("Signed in as alice"), "{kibibytes} KiB: {page}");
        login.finish().success();
    }
}

#[test]
fn an_error_description_is_shown_shortened_and_as_plain_text() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let long = "x".repeat(1000);
    let error =
        format!("error=invalid_scope&error_description=%1b%5Bmno+%60rm%60%0d%0a%E2%80%AE%3Cb%3E+{long}");
    let page = get(&scene.callback(), &format!("state={}&{error}", state_of(&url)), "");
    assert!(page.contains("invalid_scope ([mno &#39;rm&#39; &lt;b&gt;)"), "{page}");
    let said = login.finish().exits(10).stderr;
    assert!(said.contains("invalid_scope ([mno 'rm' <b>)"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}') && said.len() < 500, "{said}");

    let (login, url) = scene.login(&[]);
    get(&scene.callback(), &format!("state={}&error=temporarily_unavailable", state_of(&url)), "");
    let said = login.finish().exits(10).stderr;
    assert!(said.contains("wait a while") && !said.contains("settings"), "{said}");
}
