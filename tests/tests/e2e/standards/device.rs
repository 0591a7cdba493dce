//! `login --flow device` (RFC 8628).

use std::time::Duration;

use imgurd_proto::State;
use imgurd_proto::dbus::KeeperProxy;
use imgurd_tests::fake::{Behaviour, Endpoint, ErrorStyle, Fault};
use imgurd_tests::testbed::{ACCOUNT, Program, Scene, at_terminal, binary, in_time};

fn scene() -> Scene {
    let scene = Scene::memory(Behaviour { errors: ErrorStyle::Rfc6749, ..Behaviour::default() });
    let endpoint = format!("{}/oauth2/device", scene.fake.origin());
    scene.ctl(&["account", "set", "--device-auth-url", &endpoint]).success();
    scene
}

fn begin(scene: &Scene, arguments: &[&str]) -> (Program, String) {
    let (mut login, page) = scene.login(&[&["--flow", "device"], arguments].concat());
    assert_eq!(page, format!("{}/device", scene.fake.origin()));
    let code = login.line().expect("the code is the second line");
    (login, code)
}

fn polls(scene: &Scene) -> usize {
    let requests = scene.fake.requests(Endpoint::Token);
    requests.iter().filter(|it| it.grant_type().is_some_and(|kind| kind.ends_with("device_code"))).count()
}

#[test]
fn a_device_login_waits_until_the_code_is_entered() {
    let scene = scene();
    let (login, code) = begin(&scene, &[]);
    scene.fake.wait_for_answers(Endpoint::Token, 2);
    assert!(scene.account().login_pending);
    scene.fake.decide_device(&code, Some("alice"));
    let output = login.finish().success();
    assert!(output.stderr.contains("Signed in as alice"), "{}", output.stderr);
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_failing_server_delays_the_login_and_is_reported() {
    let scene = scene();
    scene.fake.fail_times(Endpoint::Token, 2, Fault::Html(503));
    let (login, code) = begin(&scene, &[]);
    scene.fake.decide_device(&code, Some("alice"));
    let output = login.finish().success();
    assert!(output.stderr.contains("The server does not answer"), "{}", output.stderr);
    assert_eq!(polls(&scene), 3);
}

#[test]
fn two_clients_share_one_code() {
    let scene = scene();
    let ((first, code), (second, again)) = (begin(&scene, &[]), begin(&scene, &[]));
    assert_eq!(code, again);
    scene.fake.decide_device(&code, Some("alice"));
    first.finish().success();
    second.finish().success();
    assert_eq!(scene.fake.requests(Endpoint::Device).len(), 1);
}

#[test]
fn a_cancelled_or_expired_login_stops_polling() {
    let scene = scene();
    let (login, _) = begin(&scene, &["--timeout", "1s"]);
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("in time"), "{}", output.stderr);
    let (login, _) = begin(&scene, &[]);
    scene.ctl(&["login", "--cancel"]).success();
    login.finish().exits(10);
    scene.fake.settle();
    let before = polls(&scene);
    let (login, code) = begin(&scene, &[]);
    scene.fake.decide_device(&code, None);
    let output = login.finish().exits(10);
    let said = "Access was denied on the sign-in page (The user said no); run `imgurctl login mytoken`";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert_eq!(polls(&scene), before + 1, "the cancelled and expired logins have stopped polling");
    assert_eq!(scene.account().state, State::Empty);
}

#[test]
fn an_expired_code_ends_the_login() {
    let scene = scene();
    let (login, _) = begin(&scene, &[]);
    scene.fake.advance(Duration::from_mins(11));
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("before its code expired"), "{}", output.stderr);
}

#[test]
fn without_a_device_endpoint_the_error_names_the_setting() {
    let scene = Scene::memory(Behaviour::default());
    let output = scene.ctl(&["login", "--flow", "device"]).exits(9);
    assert!(output.complaint().contains("--device-auth-url URL`"), "{}", output.stderr);
    let output = scene.ctl(&["account", "set", "--flow", "device"]).exits(2);
    assert!(output.complaint().contains("needs device_auth_url"), "{}", output.stderr);
    let nowhere = format!("{}/nowhere", scene.fake.origin());
    scene.ctl(&["account", "set", "--device-auth-url", &nowhere]).success();
    let output = scene.ctl(&["login", "--flow", "device"]).exits(9);
    assert!(output.complaint().contains("device_auth_url does not exist (HTTP 404)"), "{}", output.stderr);
}

#[test]
fn get_login_returns_the_code_on_the_bus() {
    let bed = imgurd_tests::testbed::Testbed::memory();
    let bus = bed.bus();
    let scene = Scene::new(bed, Behaviour { errors: ErrorStyle::Rfc6749, ..Behaviour::default() });
    let endpoint = format!("{}/oauth2/device", scene.fake.origin());
    scene.ctl(&["account", "set", "--device-auth-url", &endpoint, "--flow", "device"]).success();
    in_time(async {
        let connection = scene.bed.connect().await;
        let keeper = KeeperProxy::new(&connection).await.unwrap();
        let (login_id, url) = keeper.login("", [].into()).await.unwrap();
        let (page, code, complete) = keeper.get_login(&login_id).await.unwrap();
        assert_eq!(page, url);
        assert_eq!(complete, format!("{url}?user_code={code}"));
        scene.fake.decide_device(&code, Some("alice"));
    });
    scene.wait_until(|account| account.state == State::Fresh);
    drop(bus);
}

#[test]
fn qr_shows_the_page_as_a_qr_code() {
    let scene = scene();
    for flow in ["device", "pin"] {
        let mut login = scene.bed.command(binary("imgurctl"));
        login.env("TERM", "xterm-256color").args([
            "login",
            ACCOUNT,
            "--flow",
            flow,
            "--qr",
            "--timeout",
            "2s",
        ]);
        let (_, screen) = at_terminal(login, |_| None);
        let drawn: Vec<_> = screen.lines().filter(|line| line.contains('\u{2588}')).collect();
        assert!(drawn.len() > 10, "{screen}");
        // Black and white, regardless of the terminal's colours.
        assert!(drawn.iter().all(|line| line.starts_with("\u{1b}[38;5;231;48;5;16m")), "{drawn:?}");
    }
}
