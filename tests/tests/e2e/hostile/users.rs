//! Another user of the machine, and root, get no token.

use imgurd_proto::{Outcome, Wire};
use imgurd_tests::testbed::{Output, Program};
use serde_json::{Value, json};

use super::{ALICE, House, MALLORY};
use crate::access::table::{INTROSPECT, bus_call, bus_methods_in, is_let, methods, socket_call};

/// For each line of its input: connects, sends the line as a message if it is not empty, and prints the answer and
/// how much of the message the daemon did not read (`unix(7)`, `SIOCOUTQ`).
const CALLER: &str = "
import array, fcntl, socket, sys, termios
for line in sys.stdin:
    keeper = socket.socket(socket.AF_UNIX)
    keeper.connect(sys.argv[1])
    if line.strip():
        keeper.sendall(line.strip().encode() + b'\\0')
    answer = b''
    while more := keeper.recv(65536):
        answer += more
    unread = array.array('i', [0])
    fcntl.ioctl(keeper, termios.TIOCOUTQ, unread)
    print(unread[0], answer.decode(), flush=True)
";

/// Makes ten thousand connections as fast as it can, and counts the answers.
const CROWD: &str = "
import collections, json, socket, sys
said = collections.Counter()
held = []
for number in range(10_000):
    keeper = socket.socket(socket.AF_UNIX)
    keeper.connect(sys.argv[1])
    if number % 10 == 0:
        # These stay open until the daemon closes them.
        held = held[-200:] + [keeper]
        continue
    answer = b''
    while more := keeper.recv(65536):
        answer += more
    said[json.loads(answer.strip(b'\\0'))['error']] += 1
    if number % 1000 == 1:
        print(number, flush=True)
print(json.dumps(said), flush=True)
";

/// Removes the permissions that stop other users before they reach the daemon.
fn remove_permission_checks(house: &House) {
    let script = r#"chmod 755 "${1%/*/*}" "${1%/*}" && chmod 666 "$1""#;
    house.machine.run("root", &["sh", "-c", script, "sh", &house.socket()]).success();
}

fn caller(house: &House, user: &str, script: &str) -> Program {
    let mut command = house.machine.command(user, "/usr/bin/python3");
    command.args(["-c", script, &house.socket()]);
    house.machine.start(command)
}

/// The answer to this message, and whether the daemon read the message. There has to be exactly one answer.
fn answer(caller: &mut Program, message: &str) -> (Value, bool) {
    caller.write(&format!("{message}\n"));
    let said = caller.line().expect("an answer");
    let (unread, answer) = said.split_once(' ').unwrap();
    let answer = serde_json::from_str(answer.trim_end_matches('\0')).expect("the answer is one message");
    (answer, unread == "0")
}

fn busctl(house: &House, user: &str, method: &str) -> Output {
    let call = bus_call(method);
    let bus = house.bus();
    let call: Vec<_> = ["busctl", &bus, "--"].into_iter().chain(call.iter().map(String::as_str)).collect();
    house.machine.run(user, &call)
}

fn is_refused_on_the_socket(house: &House, user: &str) {
    let mut caller = caller(house, user, CALLER);
    let refusal = "org.imgurd.Keeper1.AccessDenied";
    assert_eq!(
        answer(&mut caller, "").0["error"],
        refusal,
        "the caller is refused before it sends a message"
    );
    let of_the_service = ["GetInfo", "GetInterfaceDescription"]
        .map(|method| json!({ "method": format!("org.varlink.service.{method}"), "parameters": {} }));
    for call in methods().into_iter().map(socket_call).chain(of_the_service) {
        let (answer, was_read) = answer(&mut caller, &call.to_string());
        assert_eq!((&answer["error"], was_read), (&json!(refusal), false), "{user}: {call}");
    }
    house.machine.run(user, &["imgurctl", "--socket", &house.socket(), "token"]).exits(5);
}

fn is_refused_on_the_bus(house: &House, user: &str) {
    let listed = house.machine.run(ALICE, &[&["busctl"][..], &INTROSPECT].concat()).success().stdout;
    for method in bus_methods_in(&listed) {
        let said = busctl(house, user, &method);
        match method.as_str() {
            // The bus library answers these for every caller on the bus. They name the objects, but not their
            // contents.
            "Introspect" | "Ping" => drop(said.success()),
            "GetAll" => assert_eq!(said.stdout, "a{sv} 0\n", "{user} sees no properties"),
            _ => assert!(!is_let(&said), "{user}: {method}: {said:?}"),
        }
    }
}

#[test]
fn every_method_refuses_other_users_and_the_journal_records_them() {
    let Some(house) = House::open("info") else { return };
    // With the usual permissions, Mallory reaches neither the socket nor the bus.
    house.machine.run(MALLORY, &["imgurctl", "--socket", &house.socket(), "token"]).exits(5);
    assert!(busctl(&house, MALLORY, "Ping").stderr.contains("Permission denied"));
    remove_permission_checks(&house);
    for user in [MALLORY, "root"] {
        is_refused_on_the_socket(&house, user);
        is_refused_on_the_bus(&house, user);
    }
    house.serves_alice();
    let entries = house.journal();
    for user in [MALLORY, "root"].map(|name| house.machine.user_id(name)) {
        for wire in [Wire::Socket, Wire::Bus] {
            let entry = entries.iter().find(|entry| (entry.uid, entry.wire) == (user, wire));
            let entry = entry.unwrap_or_else(|| panic!("no entry of {user} by {wire:?} in {entries:?}"));
            assert_eq!(entry.outcome, Outcome::Denied);
            assert!(entry.reason.as_ref().unwrap().contains("another user"), "{entry:?}");
        }
    }
}

#[test]
fn a_flood_of_another_user_delays_no_caller_and_is_logged_briefly() {
    let Some(house) = House::open("info") else { return };
    remove_permission_checks(&house);
    let mut crowd = caller(&house, MALLORY, CROWD);
    crowd.line_where(|line| line == "5001");
    house.serves_alice();
    let said: Value = serde_json::from_str(&crowd.line_where(|line| line.starts_with('{'))).unwrap();
    assert_eq!(said, json!({ "org.imgurd.Keeper1.AccessDenied": 9000 }));
    house.serves_alice();
    let mallory = house.machine.user_id(MALLORY);
    let entries: Vec<_> = house.journal().into_iter().filter(|entry| entry.uid == mallory).collect();
    // The journal loses entries while the disk is busy.
    let noted: u64 = entries.iter().map(|entry| entry.count).sum();
    assert!((5_000..=10_000).contains(&noted), "{entries:?}");
    // An entry at once, and then one a minute.
    assert!(entries.len() < 10, "{entries:?}");
    let lines = house.logged().iter().filter(|line| line.to_string().contains("another user")).count();
    assert!(lines < 10, "the log has {lines} lines");
}
