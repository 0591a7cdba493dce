//! Callers and servers that use too much.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use futures_util::future::join_all;
use imgurd_proto::dbus::{BUS_NAME, KeeperProxy};
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{ACCOUNT, APPLICATION, Program, Sandbox, Scene, Testbed, binary, in_time};
use imgurd_tests::wire::{error_of, token_of};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use zbus::Message;

use crate::dbus::{arrived, keeper};
use crate::{expired, momentary};

/// Opens 1,100 connections, sends the given words on each, and opens another whenever the daemon closes one.
const CROWD: &str = r#"
import resource, select, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
path, words = sys.argv[1], sys.argv[2].encode().replace(b"|", b"\0")
def another():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    try:
        connection.send(words)
    except OSError:
        pass
    held[connection.fileno()] = connection
    poll.register(connection, select.POLLRDHUP)
held, poll = {}, select.poll()
for number in range(1100):
    another()
print("there", flush=True)
while True:
    for number, _ in poll.poll():
        poll.unregister(number)
        held.pop(number).close()
        another()
"#;

fn attacker(scene: &Scene, sandbox: &Sandbox, script: &str, words: &str) -> Program {
    let mut command = sandbox.command(&scene.bed, "/usr/bin/python3");
    command.args(["-c", script]).arg(scene.bed.socket()).arg(words);
    scene.bed.start(command)
}

/// Fails unless imgurd serves the user's own programs, both `imgurctl` and a plain connection.
fn serves_the_user(scene: &Scene, account: &str) {
    for _ in 0..5 {
        scene.ctl(&["token", account]).success();
        scene.ctl(&["status"]).success();
        let mut plain = scene.bed.wire();
        assert!(scene.fake.is_live(token_of(&plain.call("GetToken", &json!({ "account": account })))));
    }
}

fn quiet() -> Testbed {
    let bed = Testbed::memory();
    bed.set_env("RUST_LOG", "error");
    bed
}

#[test]
fn idle_connections_of_a_sandboxed_app_do_not_block_the_user() {
    let Some(sandbox) = Sandbox::new() else { return };
    let scene = Scene::new(quiet(), Behaviour::default()).signed_in();
    for words in ["", "{\"method\":"] {
        let mut crowd = attacker(&scene, &sandbox, CROWD, words);
        assert_eq!(crowd.line().as_deref(), Some("there"));
        serves_the_user(&scene, ACCOUNT);
    }
}

#[test]
fn waiting_calls_of_a_sandboxed_app_do_not_block_the_user() {
    let Some(sandbox) = Sandbox::new() else { return };
    let scene = expired(Scene::new(quiet(), momentary()).signed_in());
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    scene.ctl(&["permit", "allow", APPLICATION, ACCOUNT]).success();
    let gate = scene.fake.hold(Endpoint::Token);
    let call = json!({ "method": "org.imgurd.Keeper1.GetToken",
        "parameters": { "account": ACCOUNT, "wait_ms": i32::MAX } });
    let mut crowd = attacker(&scene, &sandbox, CROWD, &format!("{call}|"));
    assert_eq!(crowd.line().as_deref(), Some("there"));
    serves_the_user(&scene, "second");
    drop(crowd);
    gate.release();
}

#[test]
fn waiting_calls_of_a_sandboxed_app_on_the_bus_do_not_block_the_user() {
    let Some(sandbox) = Sandbox::new() else { return };
    let bed = quiet();
    let _bus = bed.bus();
    let scene = expired(Scene::new(bed, momentary()).signed_in());
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    scene.ctl(&["permit", "allow", APPLICATION, ACCOUNT]).success();
    let gate = scene.fake.hold(Endpoint::Token);
    in_time(async {
        let plain = keeper(&scene.bed).await;
        plain.list_accounts("").await.unwrap();
        sandbox.enter();
        let greedy = join_all((0..5).map(|_| keeper(&scene.bed))).await;
        for connection in &greedy {
            // After this call imgurd has examined the caller.
            connection.list_accounts("").await.unwrap();
        }
        let call =
            |keeper: KeeperProxy<'static>| async move { keeper.get_token(ACCOUNT, -1, i32::MAX).await };
        let calls = greedy.iter().flat_map(|keeper| std::iter::repeat_n(keeper, 250));
        let calls: Vec<_> = calls.cloned().map(|keeper| tokio::spawn(call(keeper))).collect();
        join_all(greedy.iter().map(arrived)).await;
        plain.get_token("second", -1, 0).await.unwrap();
        gate.release();
        let served = join_all(calls).await.into_iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count();
        assert!((1..=64).contains(&served), "{served} calls of one sandboxed program were in progress");
        greedy[0].get_token(ACCOUNT, -1, 0).await.unwrap();
    });
}

/// The daemon's peak memory use, in KiB (`proc_pid_status(5)`).
fn peak(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// More than any real message, in bytes.
const LONG: usize = 30 << 20;

#[test]
fn a_long_bus_message_takes_no_memory_and_is_not_repeated_in_errors() {
    let bed = quiet();
    let _bus = bed.bus();
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    let id = scene.daemon().id();
    in_time(async {
        let keepers = join_all((0..3).map(|_| keeper(&scene.bed))).await;
        keepers[0].get_token("", -1, 0).await.unwrap();
        let before = peak(id);
        let name = "a".repeat(LONG);
        let answers = join_all(keepers.iter().map(|keeper| keeper.get_token(&name, -1, 0))).await;
        // The test expects no answer: the bus may deliver a message with such a long header, or close the connection.
        let connection = scene.bed.connect().await;
        let path = format!("/{}", "a".repeat(LONG));
        let message = Message::method_call(path, "Ping").destination(BUS_NAME);
        let _ = connection.send(&message.build(&()).unwrap()).await;
        keepers[1].get_token("", -1, 0).await.unwrap();
        // An error does not repeat a long name that the bus delivers either.
        let refused = keepers[2].get_token(&"a".repeat(60_000), -1, 0).await.unwrap_err().to_string();
        let grown = peak(id) - before;
        assert!(grown < 20 * 1024, "{grown} KiB");
        for refused in answers {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.len() < 1000, "the error has {} bytes", refused.len());
        }
        assert!(refused.len() < 1000, "the error has {} bytes", refused.len());
    });
    let mut wire = scene.bed.wire();
    let long = "a".repeat(60_000);
    for refused in [
        wire.call("GetToken", &json!({ "account": long })),
        wire.call(&long, &json!({})),
        wire.call("GetToken", &json!({ "account": { long.clone(): 1 } })),
    ] {
        assert!(refused.to_string().len() < 1000, "the error has {} bytes", refused.to_string().len());
    }
}

/// Gets a token and rejects it, ten times, and prints how often it got another token.
const LIAR: &str = r#"
import json, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
answers = connection.makefile("rb")
def call(method, **parameters):
    message = {"method": "org.imgurd.Keeper1." + method, "parameters": parameters}
    connection.sendall(json.dumps(message).encode() + b"\0")
    text = b""
    while not text.endswith(b"\0"):
        text += answers.read(1)
    return json.loads(text[:-1])["parameters"].get("token", {}).get("access_token")
got = 0
for attempt in range(10):
    token = call("GetToken", wait_ms=20000)
    another = call("RejectToken", access_token=token, wait_ms=20000)
    got += another is not None and another != token
print(got, flush=True)
sys.stdin.read()
"#;

#[test]
fn rejections_of_a_sandboxed_app_do_not_use_up_the_users_refreshes() {
    let Some(sandbox) = Sandbox::new() else { return };
    let scene = Scene::new(quiet(), Behaviour::default()).signed_in();
    scene.ctl(&["permit", "allow", APPLICATION, ACCOUNT]).success();
    let mut liar = attacker(&scene, &sandbox, LIAR, "");
    assert_eq!(liar.line().as_deref(), Some("1"), "the attacker causes one refresh only");
    assert_eq!(scene.refreshes().len(), 1);
    let token = scene.token();
    let another = scene.ctl_with(&["reject"], &token).success();
    assert!(another.line() != token && scene.fake.is_live(another.line()));
    for _ in 0..4 {
        scene.refresh();
    }
}

/// Makes every kind of call that imgurd refuses, for more accounts than the journal counts together, and often enough
/// to fill the journal twice.
const VARIED: &str = r#"
import json, socket, sys, threading
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
answered = threading.Semaphore(0)
def drain():
    while part := connection.recv(65536):
        answered.release(part.count(b"\0")) if b"\0" in part else None
threading.Thread(target=drain, daemon=True).start()
calls = 0
for turn in range(100):
    for number in range(150):
        for method in ["GetToken", "RejectToken", "Refresh"]:
            parameters = {"account": f"account-{number}", "access_token": "x", "wait_ms": 0}
            message = {"method": "org.imgurd.Keeper1." + method, "parameters": parameters}
            connection.sendall(json.dumps(message).encode() + b"\0")
            calls += 1
for call in range(calls):
    answered.acquire()
print("done", flush=True)
sys.stdin.read()
"#;

#[test]
fn refusals_of_a_sandboxed_app_do_not_displace_journal_entries() {
    let Some(sandbox) = Sandbox::new() else { return };
    let scene = Scene::new(quiet(), Behaviour::default()).signed_in();
    let mut config = fs::read_to_string(scene.bed.config_file()).unwrap();
    for number in 0..150 {
        config.extend(["\n[accounts.account-", &number.to_string(), "]\nclient_id = \"made-up\"\n"]);
    }
    fs::write(scene.bed.config_file(), config).unwrap();
    scene.bed.wait_until("account-149", |_| true);
    scene.token();
    let mut greedy = attacker(&scene, &sandbox, VARIED, "");
    assert_eq!(greedy.line().as_deref(), Some("done"));
    let journal = scene.ctl(&["journal", "--json"]).success().stdout.clone();
    let entries: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_grant = |entry: &&serde_json::Value| entry["outcome"] == "granted" && entry["account"] == ACCOUNT;
    assert_eq!(
        entries.iter().filter(is_grant).count(),
        1,
        "the entry of the handed-out token is still there"
    );
    let refusals = entries.iter().filter(|entry| entry["application"] == APPLICATION).count();
    assert!((1..100).contains(&refusals), "{refusals} entries of one program");
}

#[test]
fn a_log_reader_that_stops_reading_does_not_stop_the_daemon() {
    let bed = Testbed::memory();
    bed.set_env("RUST_LOG", "trace");
    let mut command = bed.command(binary("imgurd"));
    let mut daemon = command.arg("--no-dbus").stderr(Stdio::piped()).spawn().unwrap();
    while UnixStream::connect(bed.socket()).is_err() {
        assert_eq!(daemon.try_wait().unwrap(), None, "imgurd has ended");
        thread::yield_now();
    }
    // Each connection writes a log line. Together they are many times longer than what a pipe holds.
    for _ in 0..5000 {
        let mut caller = bed.wire();
        caller.send_bytes(b"no JSON\0");
        caller.expect_hang_up();
    }
    assert_eq!(error_of(&bed.wire().call("GetToken", &json!({}))), "NoSuchAccount");
    let id = Pid::from_child(&daemon);
    kill_process(id, Signal::TERM).unwrap();
    assert!(daemon.wait().unwrap().success());
}
