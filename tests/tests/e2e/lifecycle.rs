//! Start, reload and stop lose no grant.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed};
use imgurd_tests::wire::token_of;
use rustix::process::Signal;
use serde_json::json;
use url::Url;

fn strict() -> Behaviour {
    Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }
}

/// Appends `more` to the configuration.
fn append(bed: &Testbed, more: &str) {
    let text = fs::read_to_string(bed.config_file()).unwrap();
    bed.configure(&format!("{text}\n{more}"));
}

#[test]
fn a_stopping_daemon_saves_the_answer_to_a_refresh() {
    let mut scene = Scene::file(strict()).signed_in();
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    let mut daemon = scene.take_daemon();
    daemon.signal(Signal::TERM);
    daemon.wait_for("STOPPING=1");
    gate.release();
    assert!(daemon.wait().success());

    scene.start();
    let token = scene.token();
    assert!(scene.fake.is_live(&token), "the new access token was saved");
    assert!(scene.fake.is_live(&scene.refresh()), "the new refresh token was saved");
}

#[test]
fn a_stopping_daemon_saves_the_answer_to_a_code_exchange() {
    let mut scene = Scene::file(strict());
    let (login, url) = scene.login(&[]);
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let browser =
        std::thread::spawn(move || std::panic::catch_unwind(|| imgurd_tests::browser::allow(&url, "alice")));
    scene.fake.wait_for_requests(Endpoint::Token, 1);
    let mut daemon = scene.take_daemon();
    daemon.signal(Signal::TERM);
    daemon.wait_for("STOPPING=1");
    gate.release();
    assert!(daemon.wait().success());
    let _ = (browser.join(), login.finish());
    scene.start();
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn an_idle_daemon_stops_at_once_despite_connected_clients() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut scene = Scene::file(strict()).signed_in();
        let mut silent = scene.bed.wire();
        let mut watch = scene.bed.wire();
        watch.stream("Watch", &json!({}));
        watch.answer();
        let (login, _url) = scene.login(&[]);
        let daemon = scene.take_daemon();
        daemon.signal(signal);
        assert!(daemon.wait().success());
        silent.expect_hang_up();
        login.finish();
        scene.ctl(&["status"]).exits(8);
    }
}

#[test]
fn the_socket_of_a_killed_daemon_does_not_stop_the_next_start() {
    let mut scene = Scene::file(strict()).signed_in();
    let token = scene.token();
    scene.crash();
    assert!(scene.bed.socket().exists());
    scene.ctl(&["token"]).exits(8);
    scene.start();
    assert_eq!(scene.token(), token);
}

#[test]
fn a_reload_adds_accounts_without_affecting_others() {
    let mut scene = Scene::memory(strict()).signed_in();
    let token = scene.token();
    append(&scene.bed, "[accounts.second]\nclient_id = \"x\"\n");
    scene.daemon().reload();
    scene.ctl(&["account", "show", "second"]).success();
    scene.ctl(&["token", "second"]).exits(4);
    assert_eq!(scene.token(), token);
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn an_edited_configuration_is_reloaded() {
    let scene = Scene::memory(strict()).signed_in();
    let mut watch = scene.bed.wire();
    watch.stream("Watch", &json!({}));
    watch.answer();
    append(&scene.bed, "[accounts.second]\nclient_id = \"x\"\n");
    assert_eq!(watch.answer()["parameters"]["account"]["name"], "second");
}

#[test]
fn a_reload_does_not_disturb_a_refresh() {
    let mut scene = Scene::memory(strict()).signed_in();
    let gate = scene.fake.hold_answer(Endpoint::Token);
    let mut caller = scene.bed.wire();
    caller.ask("Refresh", &json!({}));
    scene.fake.wait_for_requests(Endpoint::Token, 2);
    append(&scene.bed, "[accounts.second]\nclient_id = \"x\"\n");
    scene.daemon().reload();
    gate.release();
    assert!(scene.fake.is_live(token_of(&caller.answer())));
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_bad_configuration_is_reported_with_its_line_and_not_applied() {
    let mut scene = Scene::memory(strict()).signed_in();
    let token = scene.token();
    let good = fs::read_to_string(scene.bed.config_file()).unwrap();
    let line = good.lines().count() + 3;
    append(&scene.bed, "[accounts.second]\nclient_idd = \"x\"\n");
    scene.daemon().reload();
    let log = scene.daemon().log();
    assert!(log.contains(&format!("line {line}")), "line {line}");
    scene.ctl(&["account", "show", "second"]).exits(3);
    assert_eq!(scene.token(), token);

    scene.bed.configure(&good);
    scene.daemon().reload();
    assert_eq!(scene.token(), token);
}

#[test]
fn an_account_that_is_removed_and_added_in_the_file_keeps_its_grant() {
    let mut scene = Scene::file(strict()).signed_in();
    let token = scene.token();
    let good = fs::read_to_string(scene.bed.config_file()).unwrap();
    scene.bed.configure("store = \"file\"\n");
    scene.daemon().reload();
    scene.ctl(&["token", ACCOUNT]).exits(3);
    scene.bed.configure(&good);
    scene.daemon().reload();
    scene.wait_until(|account| account.state == State::Fresh);
    assert_eq!(scene.token(), token);
}

#[test]
fn check_checks_a_configuration_without_starting_a_daemon() {
    let bed = Testbed::memory();
    assert_eq!(bed.spawn_daemon(&["--check"]).log_when_ended(0), "");
    bed.configure("store = \"file\"\n\n[accounts.a]\nclient_id = 5\n");
    let log = bed.spawn_daemon(&["--check"]).log_when_ended(1);
    assert!(log.contains("line 4"), "{log}");
    assert!(!bed.socket().exists());
    let elsewhere = bed.root().join("elsewhere.toml");
    fs::write(&elsewhere, "").unwrap();
    bed.spawn_daemon(&["--check", "--config", elsewhere.to_str().unwrap()]).log_when_ended(0);
}

#[test]
fn check_reports_each_mistake_with_its_line() {
    let bed = Testbed::memory();
    for (text, said) in [
        ("store = \"memory\"\nkey_fiel = \"k\"\n", "line 2"),
        ("store = \"memory\"\n\n[refersh]\nmargin = \"1m\"\n", "line 3"),
        ("[refresh]\nmargin = 5\n", "line 2"),
        ("[refresh]\nmax_age = \"soon\"\n", "max_age"),
        ("store = \"cloud\"\n", "line 1"),
        ("store = \"file\"\nkey_file = 7\n", "line 2"),
        ("default_account = \"b\"\n[accounts.a]\nclient_id = \"x\"\n", "default_account"),
        ("[accounts.a]\nclient_id = \"x\"\nauto_refresh = \"yes\"\n", "line 3"),
        ("[accounts.a]\nclient_id = \"x\"\ntoken_url = \"http://as.example/\"\n", "line 3"),
        ("[accounts.a]\nclient_id = \"x\"\nflow = \"magic\"\n", "line 3"),
        ("[accounts.\"a b\"]\nclient_id = \"x\"\n", "line 1"),
    ] {
        bed.configure(text);
        let log = bed.spawn_daemon(&["--check"]).log_when_ended(1);
        assert!(log.contains(said), "{text}{log}");
    }
}

#[test]
fn check_reports_an_unusable_key_of_the_file_store() {
    let bed = Testbed::file();
    assert_eq!(bed.spawn_daemon(&["--check"]).log_when_ended(0), "");
    let key = bed.config_home().join("imgurd/key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let log = bed.spawn_daemon(&["--check"]).log_when_ended(1);
    assert!(log.contains("chmod 600"), "{log}");
    fs::write(&key, "short").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let log = bed.spawn_daemon(&["--check"]).log_when_ended(1);
    assert!(log.contains("fewer than"), "{log}");
    bed.configure("store = \"file\"\nkey_file = \"elsewhere\"\n");
    let log = bed.spawn_daemon(&["--check"]).log_when_ended(1);
    assert!(log.contains("imgurd/elsewhere"), "{log}");
    // The memory store needs no key.
    bed.spawn_daemon(&["--check", "--store", "memory"]).log_when_ended(0);
}

#[test]
fn a_second_daemon_with_other_directories_does_not_take_the_socket() {
    let mut scene = Scene::file(strict()).signed_in();
    let token = scene.token();
    let other = scene.bed.root().join("other");
    fs::create_dir(&other).unwrap();
    scene.bed.launch_by(["env", &format!("XDG_STATE_HOME={}", other.display())]);
    let log = scene.bed.spawn_daemon(&["--no-dbus", "--store", "memory"]).log_when_ended(1);
    assert!(log.contains("a program already answers at") && log.contains("use that one"), "{log}");
    assert_eq!(scene.token(), token);
    // The socket of a daemon that was killed is no hindrance.
    scene.crash();
    let mut second = scene.bed.spawn_daemon(&["--no-dbus", "--store", "memory"]);
    second.wait_for("READY=1");
    second.kill();
}

#[test]
fn the_error_of_a_second_daemon_names_the_first() {
    let mut scene = Scene::memory(strict());
    let first = scene.daemon().id();
    let log = scene.bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
    assert!(log.contains(&format!("or `kill {first}`")), "{log}");
}

#[test]
fn a_second_daemon_in_a_container_cannot_use_the_same_grants() {
    let mut scene = Scene::file(strict()).signed_in();
    let token = scene.token();
    let inside = scene.bed.root().join("container");
    fs::create_dir(&inside).unwrap();
    // The container has its own processes, mounts, users and network, and cannot see the first daemon's socket.
    let runtime = format!("XDG_RUNTIME_DIR={}", inside.display());
    let unshare = "unshare --user --map-root-user --pid --mount --net --ipc --fork --kill-child";
    scene.bed.launch_by(["env", &runtime].into_iter().chain(unshare.split(' ')));
    let log = scene.bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
    assert!(log.contains("another imgurd already uses the grants") && log.contains("use that one"), "{log}");
    assert!(!inside.join("imgurd/socket").exists());
    assert_eq!(scene.token(), token);
    // Once the first daemon has ended, the second one may start.
    assert!(scene.stop().success());
    let mut second = scene.bed.spawn_daemon(&["--no-dbus"]);
    second.wait_for("READY=1");
    scene.bed.launch_by([""; 0]);
    let log = scene.bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
    assert!(log.contains("another imgurd already uses the grants"), "only one of the daemons may run: {log}");
    second.kill();
}

#[test]
fn an_expired_sign_in_frees_its_port_and_the_next_has_a_new_state() {
    let scene = Scene::memory(strict());
    let (login, abandoned) = scene.login(&["--timeout", "1s"]);
    login.finish().exits(10);
    assert!(!scene.account().login_pending);
    let port = Url::parse(&scene.callback()).unwrap().port().unwrap();
    drop(TcpListener::bind(("127.0.0.1", port)).expect("the port is released"));
    let (login, url) = scene.login(&[]);
    let state = |url: &str| {
        Url::parse(url).unwrap().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
    };
    assert_ne!(state(&url), state(&abandoned));
    // An answer to the expired sign-in does not end the new one.
    let landed = imgurd_tests::browser::allow(&abandoned, "alice");
    assert!(landed.text.contains("imgurctl login"), "{}", landed.text);
    assert!(scene.account().login_pending);
    imgurd_tests::browser::allow(&url, "alice");
    login.finish().success();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn the_daemon_reports_its_status_and_watchdog_pings_to_systemd() {
    let bed = Testbed::memory();
    bed.set_env("WATCHDOG_USEC", "20000");
    let mut scene = Scene::new(bed, strict());
    scene.daemon().wait_for(&format!("STATUS=1 account: 1 {}; see `imgurctl status`", State::Empty));
    let scene = &mut scene.signed_in();
    scene.daemon().wait_for("STATUS=1 account: 1 fresh");
    for _ in 0..3 {
        scene.daemon().wait_for("WATCHDOG=1");
    }
}

#[test]
fn a_daemon_with_a_bad_configuration_does_not_start() {
    let bed = Testbed::memory();
    bed.configure("stoer = \"file\"\n");
    let log = bed.spawn_daemon(&["--no-dbus"]).log_when_ended(1);
    assert!(log.contains("line 1"), "{log}");
}

#[test]
fn a_daemon_without_a_configuration_starts_and_explains_account_add() {
    let bed = Testbed::new();
    let _daemon = bed.daemon_with(&["--no-dbus", "--store", "memory"]);
    let output = bed.ctl(&["token"]).exits(3);
    assert!(output.complaint().contains("imgurctl account add"), "{}", output.stderr);
    bed.ctl(&["status"]).success();
}
