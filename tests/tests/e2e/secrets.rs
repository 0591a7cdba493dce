//! No secret appears in output, logs or files.

use std::fs;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault, RateLimit, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Program, Scene, Testbed, as_root, in_time};
use imgurd_tests::{browser, http};
use rustix::process::Signal;
use serde_json::json;

use crate::HOUR;
use crate::dbus::{busctl, keeper};

/// An error answer that repeats the secrets of the last request.
fn echo(scene: &Scene) -> Fault {
    let last = scene.fake.requests(Endpoint::Token).pop().unwrap();
    let sent = last.form.get("refresh_token").or(last.form.get("code")).unwrap().clone();
    let secret = scene.fake.behaviour().client_secret;
    let body =
        json!({ "error": "invalid_request", "error_description": format!("{sent} {secret} is not right") });
    Fault::json(400, &body.to_string())
}

fn run_all_commands(scene: &Scene) {
    scene.bed.sign_in(&scene.fake, ACCOUNT);
    for arguments in
        [&["token"][..], &["token", "--json"], &["token", "--header"], &["refresh"], &["refresh", "--json"]]
    {
        scene.ctl(arguments).success();
    }
    scene.fake.kill_access_token();
    scene.ctl_with(&["reject"], &scene.token()).success();
    let (refresh, access) = scene.fake.issue_grant("alice");
    let grant = json!({ "access_token": access, "refresh_token": refresh, "expires_in": 3600 });
    scene.ctl_with(&["import"], &grant.to_string()).success();
    scene.ctl(&["restore"]).success();
    scene.wait_until(|account| account.state == State::Fresh);
    for arguments in [&["status"][..], &["status", "--json"], &["account", "show"], &["account", "list"]] {
        scene.ctl(arguments).success();
    }
}

fn sign_in_in_every_way(scene: &Scene) {
    let callback = scene.callback();
    scene.fake.configure(|behaviour| behaviour.callback = None);
    for flow in ["code", "token", "pin"] {
        let (mut login, url) = scene.login(&["--paste", "--flow", flow]);
        let page = browser::allow(&url, "alice");
        login.write(page.pin().unwrap_or(&page.url));
        login.finish().success();
    }
    scene.fake.configure(|behaviour| behaviour.callback = Some(callback));
    let (login, url) = scene.login(&[]);
    http::get(&format!("{}?state=wrong&code={}", scene.callback(), scene.token()), None).unwrap();
    browser::deny(&url);
    login.finish().exits(10);
    scene.login_as("bob", &[]).exits(10);
}

fn fail_in_every_way(scene: &Scene) {
    for fault in [
        Fault::CaptivePortal,
        Fault::Empty,
        Fault::TruncatedJson,
        Fault::DropMidBody,
        Fault::Html(502),
        Fault::Rfc6749(400, "invalid_grant".into()),
        Fault::invalid_refresh_token(),
        Fault::RateLimited(RateLimit::Uploading, Some("0".into())),
        echo(scene),
    ] {
        scene.fake.fail_always(Endpoint::Token, fault);
        let output = scene.ctl(&["refresh", "--wait", "100ms", "--json"]);
        assert!(matches!(output.code, Some(6 | 9)), "{:?}", output.code);
        scene.ctl(&["status"]).success();
    }
    scene.fake.clear(Endpoint::Token);
    // Errors do not repeat a secret from invalid input.
    let token = scene.token();
    scene.ctl_with(&["import"], &format!("{token} {token}")).exits(2);
    scene.ctl_with(&["import"], &format!("{{\"access_token\":\"{token}\"}}")).exits(2);
    let mut wire = scene.bed.wire();
    wire.call("RejectToken", &json!({ "access_token": [token], "account": token }));
    wire.call("GetToken", &json!({ "account": 5, "token": token }));
    wire.send_bytes(format!("{{\"{token}\":\0").as_bytes());
    wire.expect_hang_up();
}

#[test]
fn no_secret_is_in_any_output_or_file() {
    let mut scene = Scene::file(Behaviour { rotation: Rotation::Grace(HOUR), ..Behaviour::default() });
    let check = |scene: &mut Scene| {
        let secrets = scene.fake.secrets();
        scene.daemon().assert_no_secret_in_process(&secrets);
    };
    run_all_commands(&scene);
    check(&mut scene);
    scene.restart();
    sign_in_in_every_way(&scene);
    check(&mut scene);
    scene.crash();
    scene.start();
    scene.wait_until(|account| account.state != State::StoreUnavailable);
    fail_in_every_way(&scene);
    check(&mut scene);

    // A damaged store, and the same store once it is repaired.
    scene.stop();
    let keyring = scene.bed.state_home().join("imgurd/grants.keyring");
    let bytes = fs::read(&keyring).unwrap();
    fs::write(&keyring, &bytes[..bytes.len() - 7]).unwrap();
    scene.start();
    scene.ctl(&["token", "--wait", "100ms"]).exits(7);
    check(&mut scene);
    fs::write(&keyring, &bytes).unwrap();
    scene.ctl(&["unlock"]).success();
    scene.wait_until(|account| account.state != State::StoreUnavailable);
    scene.ctl(&["logout"]).success();
    assert!(scene.stop().success());

    let mut secrets = scene.fake.secrets();
    let key = scene.bed.config_home().join("imgurd/key");
    assert!(secrets.len() > 20, "the search has more than 20 secrets to look for");
    scene.bed.assert_no_secret_in_sight(&secrets, &[]);
    secrets = vec![fs::read_to_string(&key).unwrap().trim().to_owned()];
    scene.bed.assert_no_secret_in_sight(&secrets, &[&key]);
}

#[test]
fn the_searched_log_has_the_level_trace() {
    let mut scene = Scene::memory(Behaviour::default()).signed_in();
    assert!(scene.daemon().log().contains("TRACE"), "the searched log has the level TRACE");
}

/// Makes every kind of call while `busctl monitor` watches the bus.
fn run_everything_under_a_monitor(bed: Testbed) -> Scene {
    let bus = bed.bus();
    let monitor = watch_the_bus(&bed);
    let mut scene = Scene::new(bed, Behaviour { rotation: Rotation::Grace(HOUR), ..Behaviour::default() });
    run_all_commands(&scene);
    sign_in_in_every_way(&scene);
    call_on_the_bus(&scene);
    check_running_clients(&scene);
    fail_in_every_way(&scene);
    scene.ctl(&["logout"]).success();
    assert!(scene.stop().success());
    monitor.signal(Signal::INT);
    let seen = monitor.finish().stdout;
    for word in ["GetTokenFd", "ListAccounts", "PropertiesChanged", "TokenChanged", "LoginFinished"] {
        assert!(seen.contains(word), "the monitor did not see {word}");
    }
    drop(bus);
    scene
}

/// Starts `busctl monitor`. The test searches its output as it does any other program's.
fn watch_the_bus(bed: &Testbed) -> Program {
    let mut command = bed.command("sh");
    // `busctl` announces on its standard error that it has begun.
    command.args(["-c", "exec busctl --user monitor --json=short 2>&1"]);
    let mut monitor = bed.start(command);
    monitor.line_where(|line| line.contains("Monitoring"));
    monitor
}

/// Makes all calls on the bus except those that carry a secret, which a monitor is expected to see.
fn call_on_the_bus(scene: &Scene) {
    in_time(async {
        let keeper = keeper(&scene.bed).await;
        keeper.get_token_fd("", -1, -1).await.unwrap();
        keeper.list_accounts("").await.unwrap();
        keeper.get_token("nobody", -1, -1).await.unwrap_err();
        let (login_id, _) = keeper.login("", std::collections::HashMap::new()).await.unwrap();
        keeper.cancel_login(&login_id).await.unwrap();
        keeper.unlock_store().await.unwrap();
        keeper.restore_grant("").await.unwrap();
    });
    scene.wait_until(|account| account.state == State::Fresh);
    let answer = busctl(&scene.bed, "GetTokenFd", &["sii", "", "-1", "-1"]);
    assert!(answer.status.success(), "{answer:?}");
}

/// Looks for secrets in clients that run for long: a login that waits for the user, and a watch.
fn check_running_clients(scene: &Scene) {
    let (login, _) = scene.login(&[]);
    let mut watch = scene.bed.ctl_spawn(&["status", "--watch", "--json"]);
    watch.line().expect("status prints the current state");
    let secrets = scene.fake.secrets();
    for client in [&login, &watch] {
        scene.bed.assert_no_secret_in_process(client.id(), &secrets);
        client.signal(Signal::INT);
    }
    login.finish();
    watch.finish();
}

#[test]
fn no_secret_is_on_the_bus_unasked_or_in_the_json_log() {
    let bed = Testbed::file();
    bed.launch_by(["sh", "-c", "exec \"$@\" --log-format json", "sh"]);
    let scene = run_everything_under_a_monitor(bed);
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

#[test]
fn no_secret_is_in_a_field_of_the_journal() {
    as_root("secrets::no_secret_is_in_a_field_of_the_journal", || {
        let bed = Testbed::file();
        let journal = bed.journal();
        let scene = run_everything_under_a_monitor(bed);
        let entries = journal.end();
        // imgurd logs these fields at the level TRACE only.
        for part in ["PRIORITY", "imgurd::keeper", "F_EVENT"] {
            assert!(entries.contains(part), "{part} is missing, so the searched journal is not imgurd's");
        }
        scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
    });
}
