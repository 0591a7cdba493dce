//! Every method, called by every kind of caller over each wire.

use imgurd_proto::dbus::{BUS_NAME, PATH, account_path};
use imgurd_proto::{INTERFACE, INTERFACE_TEXT};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, APPLICATION, Output, Program, Sandbox, Scene, Testbed};
use imgurd_tests::wire::Wire;
use serde_json::{Value, json};

use super::remote;

/// SECURITY.md, whose table says who may call which method.
const TABLE: &str = include_str!("../../../../SECURITY.md");

/// Sends each line of its input as a message, and writes the answer as a line.
pub(crate) const RELAY: &str = "
import socket, sys
keeper = socket.socket(socket.AF_UNIX)
keeper.connect(sys.argv[1])
said = b''
for line in sys.stdin:
    keeper.sendall(line.strip().encode() + b'\\0')
    while b'\\0' not in said:
        more = keeper.recv(65536)
        if not more:
            sys.exit('hung up')
        said += more
    answer, said = said.split(b'\\0', 1)
    print(answer.decode(), flush=True)
";

/// What the table says of a method and a kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Yes,
    WithPermit,
    No,
}

/// The cell for `method` in this column.
fn cell(method: &str, column: usize) -> Cell {
    let (_, below) = TABLE.split_once("## Who may call what").expect("SECURITY.md has the table");
    let rows = below.lines().filter(|line| line.starts_with('|'));
    let rows = rows.map(|line| line.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row[0].contains(&format!("`{method}`")));
    match row.unwrap_or_else(|| panic!("the table has no row for {method}"))[column] {
        "yes" | "as `unsandboxed` says" => Cell::Yes,
        "with a permit" | "what it has a permit for" => Cell::WithPermit,
        "no" => Cell::No,
        other => panic!("{other} is not a value of the table"),
    }
}

const OWN: usize = 1;
const SANDBOXED: usize = 2;
const REMOTE: usize = 3;

/// The names of the methods, from the interface's text.
pub(crate) fn methods() -> Vec<&'static str> {
    let lines = INTERFACE_TEXT.lines().filter_map(|line| line.strip_prefix("method "));
    lines.filter_map(|line| line.split_once('(')).map(|(name, _)| name).collect()
}

/// Arguments with which a call changes nothing if it is allowed.
fn arguments(method: &str) -> Value {
    match method {
        "GetToken" | "Refresh" | "ListAccounts" | "Watch" => json!({ "account": ACCOUNT }),
        "RejectToken" => json!({ "account": ACCOUNT, "access_token": "another" }),
        "AddAccount" => json!({ "account": "a/b", "settings": {} }),
        "ImportGrant" => json!({ "account": "nobodys", "text": "x" }),
        "CompleteLogin" => json!({ "login_id": "none", "response": "x" }),
        "CancelLogin" => json!({ "login_id": "none" }),
        "SetPermit" => json!({ "application": "a", "account": "nobodys", "allow": true }),
        "RemovePermit" => json!({ "application": "a", "account": "nobodys" }),
        _ => json!({ "account": "nobodys" }),
    }
}

/// A call of the method with those arguments.
pub(crate) fn socket_call(method: &str) -> Value {
    let more = ["Watch", "Login", "ReadJournal"].contains(&method);
    let name = format!("{INTERFACE}.{method}");
    json!({ "method": name, "parameters": arguments(method), "more": more })
}

enum Caller {
    Direct(Wire),
    Relayed(Program),
}

impl Caller {
    /// Whether imgurd allows the call.
    fn is_let(&mut self, method: &str) -> bool {
        let call = socket_call(method);
        let answer = match self {
            Self::Direct(wire) => {
                wire.send(&call);
                wire.answer()
            }
            Self::Relayed(program) => {
                program.write(&format!("{call}\n"));
                serde_json::from_str(&program.line().expect("an answer")).unwrap()
            }
        };
        answer["error"] != "org.imgurd.Keeper1.AccessDenied"
    }
}

/// Calls every method, once with a permit that denies and once with one that allows.
fn check(scene: &Scene, column: usize, application: &str, caller: impl Fn() -> Caller) {
    for allow in ["deny", "allow"] {
        scene.ctl(&["permit", allow, application]).success();
        // Each call has its own connection, because some methods stream.
        for method in methods() {
            let expected = match cell(method, column) {
                Cell::Yes => true,
                Cell::WithPermit => allow == "allow",
                Cell::No => false,
            };
            assert_eq!(caller().is_let(method), expected, "{method}, column {column}, {allow}");
        }
    }
}

#[test]
fn every_method_on_the_socket_follows_the_table_in_security_md() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    check(&scene, OWN, "org.example.Nobody", || Caller::Direct(scene.bed.wire()));
    check(&scene, REMOTE, "remote", || Caller::Direct(remote(&scene)));
    let mut allowed = remote(&scene);
    let accounts = allowed.call("ListAccounts", &json!({}))["parameters"]["accounts"].clone();
    assert_eq!(accounts[0]["name"], ACCOUNT);
    assert_eq!(accounts[0]["settings"], json!({}), "a remote program does not see the settings");
    scene.ctl(&["permit", "revoke", "remote"]).success();
    assert_eq!(allowed.call("ListAccounts", &json!({}))["parameters"]["accounts"], json!([]));
}

#[test]
fn every_method_treats_sandboxed_apps_as_the_table_in_security_md_says() {
    let Some(sandbox) = Sandbox::new() else { return };
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    check(&scene, SANDBOXED, APPLICATION, || {
        let mut command = sandbox.command(&scene.bed, "/usr/bin/python3");
        command.args(["-c", RELAY]).arg(scene.bed.socket());
        Caller::Relayed(scene.bed.start(command))
    });
    for allow in ["deny", "allow"] {
        scene.ctl(&["permit", allow, APPLICATION]).success();
        for method in bus_methods(&scene) {
            let expected = match cell(&method, SANDBOXED) {
                // These methods always answer, with only the accounts that the caller may know.
                Cell::WithPermit => allow == "allow" || LISTS.contains(&method.as_str()),
                Cell::Yes => true,
                Cell::No => false,
            };
            let said = busctl(&scene, Some(&sandbox), &method);
            assert_eq!(is_let(&said), expected, "{method}, {allow}: {}", said.stderr);
            if LISTS.contains(&method.as_str()) {
                assert_eq!(said.stdout.contains("\"fresh\""), allow == "allow", "{method}: {}", said.stdout);
            }
        }
    }
    for method in bus_methods(&scene) {
        assert_eq!(cell(&method, OWN), Cell::Yes);
        assert!(is_let(&busctl(&scene, None, &method)), "{method}");
    }
}

/// Whether the output of `busctl` shows no refusal. `busctl` has its own texts for the bus's errors.
pub(crate) fn is_let(said: &Output) -> bool {
    let refusals = [
        "Sandboxed apps can only get",
        "needs your permission to use",
        "may not use the account",
        "Access denied",
        "nobody may call it",
        "belong to another user",
    ];
    !refusals.iter().any(|text| said.stderr.contains(text))
}

/// The methods that imgurd's introspection data lists.
fn bus_methods(scene: &Scene) -> Vec<String> {
    let mut command = scene.bed.command("busctl");
    command.args(INTROSPECT);
    bus_methods_in(&scene.bed.start(command).finish().success().stdout)
}

/// The arguments with which `busctl` lists the methods.
pub(crate) const INTROSPECT: [&str; 5] = ["--user", "introspect", BUS_NAME, PATH, INTERFACE];

/// The methods in the output of `busctl introspect`, and those of the standard interfaces.
pub(crate) fn bus_methods_in(listed: &str) -> Vec<String> {
    let methods = listed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?.strip_prefix('.')?;
        (words.next() == Some("method")).then(|| name.to_owned())
    });
    let mut methods: Vec<_> = methods.collect();
    assert!(methods.len() > 15, "{listed}");
    methods.extend(["GetManagedObjects", "Get", "GetAll", "Set", "Introspect", "Ping"].map(str::to_owned));
    methods
}

/// Methods that never refuse a call, and tell a restricted caller less.
const LISTS: [&str; 2] = ["GetManagedObjects", "GetAll"];

fn busctl(scene: &Scene, sandbox: Option<&Sandbox>, method: &str) -> Output {
    let mut command = match sandbox {
        Some(sandbox) => sandbox.command(&scene.bed, "busctl"),
        None => scene.bed.command("busctl"),
    };
    command.args(["--user", "--"]).args(bus_call(method));
    scene.bed.start(command).finish()
}

/// The arguments with which `busctl` calls the method and changes nothing if the call is allowed.
pub(crate) fn bus_call(method: &str) -> Vec<String> {
    let account = account_path(ACCOUNT);
    let of_account = "org.imgurd.Keeper1.Account";
    let properties = "org.freedesktop.DBus.Properties";
    let (path, interface) = match method {
        "Get" | "GetAll" | "Set" => (account.as_str(), properties),
        "GetManagedObjects" => (PATH, "org.freedesktop.DBus.ObjectManager"),
        "Introspect" => (PATH, "org.freedesktop.DBus.Introspectable"),
        "Ping" => (PATH, "org.freedesktop.DBus.Peer"),
        _ => (PATH, "org.imgurd.Keeper1"),
    };
    let arguments: &[&str] = match method {
        "GetToken" | "GetTokenFd" => &["sii", ACCOUNT, "-1", "-1"],
        "RejectToken" => &["ssi", ACCOUNT, "another", "-1"],
        "Refresh" => &["si", ACCOUNT, "-1"],
        "GetCredits" => &["si", "nobodys", "-1"],
        "ListAccounts" => &["s", ACCOUNT],
        "RestoreGrant" | "Logout" | "RemoveAccount" => &["s", "nobodys"],
        "AddAccount" | "SetAccount" => &["sa{sv}sb", "a/b", "0", "", "false"],
        "ImportGrant" => &["ssb", "nobodys", "x", "false"],
        "Login" => &["sa{sv}", "nobodys", "0"],
        "CompleteLogin" => &["ss", "none", "x"],
        "Discover" => &["ss", "not a URL", ""],
        "CancelLogin" | "GetLogin" | "ReadJournal" => &["s", "none"],
        "SetPermit" => &["ssb", "a", "nobodys", "true"],
        "RemovePermit" => &["ss", "a", "nobodys"],
        "Get" => &["ss", of_account, "State"],
        "GetAll" => &["s", of_account],
        "Set" => &["ssv", of_account, "AutoRefresh", "b", "true"],
        _ => &[],
    };
    let call = ["call", BUS_NAME, path, interface, method];
    call.iter().chain(arguments).map(ToString::to_string).collect()
}
