//! Access rules, and remembered decisions.

mod questions;
pub(crate) mod table;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use imgurd_proto::{Finding, Health};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, Sandbox, Scene, Testbed};
use imgurd_tests::wire::{Wire, error_of, token_of};
use serde_json::{Value, json};

use crate::commands::fails;

fn remote(scene: &Scene) -> Wire {
    Wire::connect(&scene.bed.remote_socket())
}

fn reason(answer: &Value) -> &str {
    assert_eq!(error_of(answer), "AccessDenied", "{answer}");
    answer["parameters"]["reason"].as_str().unwrap()
}

#[test]
fn a_remote_caller_gets_tokens_only_while_it_has_a_permit() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let mode = fs::metadata(scene.bed.remote_socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = remote(&scene).call("GetToken", &json!({}));
    assert!(reason(&refused).contains("imgurctl permit allow remote`"), "{refused}");

    scene.ctl(&["permit", "allow", "remote", ACCOUNT]).success();
    let mut caller = remote(&scene);
    let token = token_of(&caller.call("GetToken", &json!({}))).to_owned();
    assert!(scene.fake.is_live(&token));
    let other = caller.call("RejectToken", &json!({ "access_token": token }));
    assert_ne!(token_of(&other), token);
    scene.restart();
    token_of(&remote(&scene).call("GetToken", &json!({})));

    scene.ctl(&["permit", "revoke", "remote", ACCOUNT]).success();
    reason(&remote(&scene).call("GetToken", &json!({})));
    fails(|command| scene.ctl(command), &["permit", "revoke", "remote", ACCOUNT], 2, "InvalidArgument");
}

#[test]
fn permit_list_prints_a_table_or_json() {
    let scene = Scene::memory(Behaviour::default());
    let nothing = scene.ctl(&["permit", "list"]).success();
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.lines().count()), ("", 1));
    scene.ctl(&["permit", "allow", "org.example.App"]).success();
    scene.ctl(&["permit", "deny", "org.example.Other", ACCOUNT]).success();
    fails(
        |command| scene.ctl(command),
        &["permit", "allow", "org.example.App", "nobodys"],
        3,
        "NoSuchAccount",
    );
    let table = scene.ctl(&["permit", "list"]).success().stdout;
    assert!(table.lines().any(|line| line.contains("org.example.Other") && line.contains("deny")), "{table}");
    let listed = scene.ctl(&["permit", "list", "--json"]).success().json();
    assert_eq!(listed["permits"][0]["application"], "org.example.App");
    assert_eq!(listed["permits"][0]["account"], ACCOUNT);
    assert_eq!(listed["permits"][0]["allow"], true);
    let file = scene.bed.state_home().join("imgurd/permits");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_damaged_permits_file_denies_callers_and_is_not_overwritten() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    scene.ctl(&["permit", "allow", "remote"]).success();
    scene.stop();
    let file = scene.bed.state_home().join("imgurd/permits");
    let half = &fs::read(&file).unwrap()[..20];
    fs::write(&file, half).unwrap();
    scene.start();
    let refused = remote(&scene).call("GetToken", &json!({}));
    assert!(reason(&refused).contains("`imgurctl doctor`"), "{refused}");
    fails(|command| scene.ctl(command), &["permit", "allow", "remote"], 7, "StoreUnavailable");
    assert_eq!(fs::read(&file).unwrap(), half);
    // Only a program that a rule names does not depend on permits.
    let config = fs::read_to_string(scene.bed.config_file()).unwrap();
    scene.bed.configure(&format!("{config}\n[accounts.{ACCOUNT}.access]\nremote = \"allow\"\n"));
    scene.daemon().reload();
    token_of(&remote(&scene).call("GetToken", &json!({})));
    scene.bed.configure(&config);
    scene.daemon().reload();
    fs::remove_file(&file).unwrap();
    scene.ctl(&["permit", "allow", "remote"]).success();
    token_of(&remote(&scene).call("GetToken", &json!({})));
}

#[test]
fn a_program_that_was_denied_stays_denied_while_the_permits_file_is_damaged() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    scene.token();
    let entries = scene.ctl(&["journal", "--json"]).success().json();
    scene.ctl(&["permit", "deny", entries["application"].as_str().unwrap()]).success();
    fails(|command| scene.ctl(command), &["token"], 5, "AccessDenied");
    let file = scene.bed.state_home().join("imgurd/permits");
    let whole = fs::read(&file).unwrap();
    let damages: [&dyn Fn(); 3] =
        [&|| fs::write(&file, "{\"x\n").unwrap(), &|| fs::write(&file, "").unwrap(), &|| {
            let made = Command::new("mkfifo").arg(&file).status();
            assert!(made.unwrap().success());
        }];
    for damage in damages {
        scene.stop();
        fs::remove_file(&file).unwrap();
        damage();
        scene.start();
        let refused = scene.ctl(&["token"]).exits(5);
        assert!(refused.stderr.contains(file.to_str().unwrap()), "{}", refused.stderr);
        let findings: Vec<Finding> =
            serde_json::from_value(scene.ctl(&["doctor", "--json"]).exits(1).json()).unwrap();
        let is_it = |finding: &&Finding| finding.check == "permits" && finding.result == Health::Fail;
        let found = findings.iter().find(is_it).unwrap_or_else(|| panic!("{findings:?}"));
        assert!(found.detail.contains("repair the file"), "{found:?}");
    }
    // imgurd notices that the file is repaired.
    fs::remove_file(&file).unwrap();
    fs::write(&file, whole).unwrap();
    let refused = scene.ctl(&["token"]).exits(5);
    assert!(refused.stderr.contains("imgurctl permit allow"), "{}", refused.stderr);
}

#[test]
fn access_rules_in_the_configuration_override_permits() {
    let mut scene = Scene::memory(Behaviour::default()).signed_in();
    scene.ctl(&["permit", "allow", "remote"]).success();
    let before = fs::read_to_string(scene.bed.config_file()).unwrap();
    let configure = |scene: &mut Scene, text: &str| {
        scene.bed.configure(&format!("{before}\n{text}"));
        scene.daemon().reload();
    };
    configure(&mut scene, "[accounts.mytoken.access]\nremote = \"deny\"\n");
    let refused = remote(&scene).call("GetToken", &json!({}));
    assert!(reason(&refused).contains("config.toml"), "{refused}");
    scene.ctl(&["auto-refresh", "off"]).success();
    reason(&remote(&scene).call("GetToken", &json!({})));
    configure(&mut scene, "[access]\nunsandboxed = \"deny\"\nremote = \"deny\"\n");
    token_of(&remote(&scene).call("GetToken", &json!({})));
    // A program that is denied tokens can still manage accounts, because it is not sandboxed.
    for command in [&["token"][..], &["refresh"]] {
        fails(|command| scene.ctl(command), command, 5, "AccessDenied");
    }
    scene.ctl(&["status"]).success();
    let refused = scene.ctl(&["token", "--json"]);
    let refused: Value = serde_json::from_str(refused.complaint()).unwrap();
    let name = refused["reason"].as_str().unwrap().split(' ').next().unwrap();
    scene.ctl(&["permit", "allow", name]).success();
    scene.token();
}

#[test]
fn remote_connections_do_not_use_up_the_places_of_local_programs() {
    let bed = Testbed::memory();
    bed.launch_by(["prlimit", "--nofile=160:160"]);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    // More than the limit on remote connections.
    let mut held: Vec<_> = (0..50).map(|_| remote(&scene)).collect();
    let newest = held.last_mut().expect("there are connections");
    assert!(newest.call("org.varlink.service.GetInfo", &json!({}))["error"].is_null());
    held[0].expect_hang_up();
    scene.token();
}

/// Listens on two sockets, and becomes a program that gets both by socket activation.
const PASS: &str = "
import fcntl, os, socket, sys
sockets = [socket.socket(socket.AF_UNIX) for _ in range(2)]
for listener, path in zip(sockets, sys.argv[1:3]):
    listener.bind(path)
    listener.listen()
high = [fcntl.fcntl(listener, fcntl.F_DUPFD, 10) for listener in sockets]
for number, descriptor in enumerate(high, 3):
    os.dup2(descriptor, number)
os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='remote:imgurd.socket')
os.execv(sys.argv[3], sys.argv[3:])
";

#[test]
fn a_passed_socket_is_recognised_by_its_name_not_its_position() {
    let bed = Testbed::memory();
    let places = ["first", "second"].map(|name| bed.root().join(name).to_str().unwrap().to_owned());
    bed.launch_by(["/usr/bin/python3", "-c", PASS].map(ToOwned::to_owned).into_iter().chain(places.clone()));
    let _daemon = bed.daemon();
    let [first, second] = places.map(|place| Wire::connect(place.as_ref()).call("Refresh", &json!({})));
    assert!(reason(&first).contains("Other machines"), "{first}");
    assert_eq!(error_of(&second), "NoSuchAccount");
    assert!(
        !bed.socket().exists() && !bed.remote_socket().exists(),
        "imgurd makes no sockets besides those that were passed"
    );
}

#[test]
fn a_process_that_enters_a_sandbox_is_sandboxed_from_its_next_connection() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let Some(sandbox) = Sandbox::new() else { return };
    for _ in 0..2 {
        token_of(&scene.bed.wire().call("GetToken", &json!({})));
    }
    sandbox.enter();
    // imgurd examines the same process again, although it examined it a moment ago.
    let refused = scene.bed.wire().call("GetToken", &json!({}));
    assert!(reason(&refused).contains("org.example.App"), "{refused}");
}
