//! Programs in scopes and services of a real service manager: how imgurd identifies them, what they may do, and what
//! imgurd's and the system's journal record.

use imgurd_proto::{JournalEntry, Outcome, Wire};
use imgurd_tests::testbed::{ACCOUNT, Output, Program, in_time};
use serde_json::Value;
use zbus::Connection;

use super::{ALICE, House, MALLORY};
use crate::access::table::{RELAY, bus_call, socket_call};
use crate::notify::{BUTTONS, Server};

/// Flatpak's name for the scope of an application. `#` stands for the number of the instance.
const FLATPAK: &str = "app-flatpak-org.example.App-#.scope";
/// Another application, whose question the user does not answer.
const IGNORED: &str = "app-flatpak-org.example.Ignored-#.scope";
/// snapd's name for a scope.
const SNAP: &str = "snap.viewer.viewer-3f6f7b0c-4d6e-4f0e-9f63-#.scope";

/// A made-up token that programs report as rejected.
const REJECTED: &str = "a-rejected-token";

/// Asks for a token, and waits for the user's answer.
const PATIENT: [&str; 4] = ["imgurctl", "token", "--wait", "20s"];

async fn connection(house: &House) -> Connection {
    let socket = house.machine.file(format!("/run/user/{}/bus", house.machine.user_id(ALICE)));
    let address = format!("unix:path={}", socket.display());
    zbus::connection::Builder::address(address.as_str()).build().await.unwrap()
}

async fn finished(program: Program) -> Output {
    tokio::task::spawn_blocking(move || program.finish()).await.unwrap()
}

fn run_in(house: &House, scope: &str, arguments: &[&str]) -> Output {
    house.machine.start(house.in_scope(scope, arguments)).finish()
}

fn asks(name: &str) -> String {
    format!("{name} asks for the access token of the 127.0.0.1 account {ACCOUNT}")
}

#[test]
fn scopes_name_programs_and_imgurd_asks_about_sandboxed_ones() {
    let Some(house) = House::open("info") else { return };
    let refused = run_in(&house, FLATPAK, &PATIENT).exits(5);
    assert!(refused.stderr.contains("there is no notification server"), "{}", refused.stderr);
    in_time(async {
        let mut server = Server::start_on(connection(&house).await, BUTTONS).await;
        let impatient = ["imgurctl", "token", "--wait", "1500ms"];
        let unanswered = house.machine.start(house.in_scope(IGNORED, &impatient));
        let question = server.notified().await;
        assert!(question.body.contains(&asks("org.example.Ignored")), "{}", question.body);
        assert_eq!(server.closed().await, question.id, "the question is withdrawn when the call's wait ends");
        let refused = finished(unanswered).await.exits(5);
        assert!(refused.stderr.contains("you did not answer"), "{}", refused.stderr);

        for (scope, name, button, code) in
            [(FLATPAK, "org.example.App", "deny", 5), (SNAP, "snap.viewer", "allow-always", 0)]
        {
            let asking = house.machine.start(house.in_scope(scope, &PATIENT));
            let question = server.notified().await;
            assert!(question.body.contains(&asks(name)), "{}", question.body);
            server.press(question.id, button).await;
            finished(asking).await.exits(code);
        }
    });
    run_in(&house, SNAP, &PATIENT).success();
    run_in(&house, FLATPAK, &PATIENT).exits(5);
    run_in(&house, "app-gnome-viewer-#.scope", &PATIENT).success();
    let service = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "--unit=feeds.service"];
    house.machine.run(ALICE, &[&service[..], &["/opt/imgurd/imgurctl", "token"]].concat()).success();

    let known: Vec<_> =
        house.journal().into_iter().map(|entry| (entry.application, entry.sandboxed)).collect();
    for (application, sandboxed) in [
        ("org.example.App", true),
        ("snap.viewer", true),
        ("app-gnome-viewer.scope", false),
        ("feeds.service", false),
    ] {
        assert!(known.contains(&(application.to_owned(), sandboxed)), "{application} in {known:?}");
    }
    house.serves_alice();
}

/// Calls that imgurd refuses a sandboxed app: the wire and the method in the journal, and a command that makes the
/// call.
fn refusals(socket_path: &str) -> Vec<(Wire, &'static str, Vec<String>)> {
    let bus = |method| {
        let call = ["busctl", "--user", "--"].into_iter().map(str::to_owned).chain(bus_call(method));
        (Wire::Bus, method, call.collect())
    };
    let socket = |method, command: &[&str]| {
        let command = ["imgurctl"].iter().chain(command).map(ToString::to_string).collect();
        (Wire::Socket, method, command)
    };
    vec![
        socket("GetToken", &["token"]),
        socket("RejectToken", &["reject"]),
        socket("Refresh", &["refresh"]),
        socket("ListAccounts", &["status", ACCOUNT]),
        (Wire::Socket, "Watch", ["/usr/bin/python3", "-c", RELAY, socket_path].map(str::to_owned).into()),
        socket("UnlockStore", &["unlock"]),
        socket("ReadJournal", &["journal"]),
        bus("GetToken"),
        bus("GetTokenFd"),
        bus("RejectToken"),
        bus("ListAccounts"),
        bus("Get"),
        bus("Set"),
        bus("SetPermit"),
    ]
}

#[test]
fn every_refusal_is_in_both_journals_with_its_facts_and_no_secret() {
    let Some(house) = House::open("trace") else { return };
    house.ctl(&["permit", "deny", "org.example.App"]).success();
    for (_, method, command) in refusals(&house.socket()) {
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let mut program = house.machine.start(house.in_scope(FLATPAK, &command));
        let input = if method == "Watch" { socket_call(method).to_string() } else { REJECTED.to_owned() };
        program.write(&input);
        program.finish();
    }
    // The journal records no name of an account that does not exist.
    run_in(&house, FLATPAK, &["imgurctl", "status", "thought-of"]).exits(5);
    house.serves_alice();
    let entries = house.journal();
    assert!(!entries.iter().any(|entry| serde_json::to_string(entry).unwrap().contains("thought-of")));
    let (logged, alice) = (house.logged(), house.machine.user_id(ALICE));
    for (wire, method, _) in refusals("") {
        let is_it = |entry: &&JournalEntry| {
            (entry.outcome, entry.wire, entry.method.as_deref()) == (Outcome::Denied, wire, Some(method))
        };
        let entry = entries.iter().find(is_it).unwrap_or_else(|| panic!("{method} by {wire:?}: {entries:?}"));
        assert_eq!((entry.application.as_str(), entry.uid), ("org.example.App", alice));
        assert!(entry.reason.is_some() && entry.program.is_some() && entry.pid.is_some(), "{entry:?}");
        assert!(
            logged.iter().any(|line| is_same(line, entry)),
            "the system's journal has no entry for {entry:?}"
        );
    }
    let of_account = |entry: &&JournalEntry| entry.account.as_deref() == Some(ACCOUNT);
    let named = entries.iter().filter(of_account).filter_map(|entry| entry.method.as_deref());
    for method in ["GetToken", "GetTokenFd", "RejectToken", "ListAccounts", "Watch", "Get"] {
        assert!(named.clone().any(|it| it == method), "no entry of {method} names an account");
    }
    let mut login = house.machine.command(ALICE, "imgurctl");
    login.args(["login", "--no-browser"]);
    let mut login = house.machine.start(login);
    login.line().expect("login prints the URL");
    assert_no_secret_anywhere(&house, &logged);
}

/// Whether the line of the system's journal has the facts of the entry as fields.
fn is_same(line: &Value, entry: &JournalEntry) -> bool {
    let fact = |name: &str, value: Option<&str>| line[name].as_str() == value;
    line["MESSAGE"] == "refused a caller"
        && line["PRIORITY"] == "4"
        && fact("F_METHOD", entry.method.as_deref())
        && fact("F_ACCOUNT", entry.account.as_deref())
        && fact("F_WIRE", Some(entry.wire.as_str()))
        && fact("F_APPLICATION", Some(&entry.application))
        && fact("F_SANDBOXED", Some("true"))
        && fact("F_UID", Some(&entry.uid.to_string()))
        && fact("F_REASON", entry.reason.as_deref())
}

fn assert_no_secret_anywhere(house: &House, logged: &[Value]) {
    let text = serde_json::to_string(logged).unwrap();
    assert!(text.contains("imgurd::keeper") && text.contains("F_EVENT"), "the log has the level TRACE");
    let mut secrets = house.fake.secrets();
    secrets.push(REJECTED.to_owned());
    assert!(
        !secrets.iter().any(|secret| text.contains(secret.as_str())),
        "a secret is in the system's journal"
    );
    house.machine.assert_no_secret_in_processes(&secrets);
    // The other homes are those of the machine that runs the test.
    let homes = [ALICE, MALLORY].map(|user| format!("/home/{user}"));
    let written = ["/run", "/tmp", "/var/log", "/var/lib/systemd"].into_iter();
    let written: Vec<_> = homes.iter().map(String::as_str).chain(written).collect();
    house.machine.assert_no_secret_in_sight(&secrets, &written, &[]);
}
