//! Sandboxed programs that try to pass for something else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgurd_proto::dbus::{BUS_NAME, PATH};
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{
    ACCOUNT, APPLICATION, Flatpak, Output, Program, Sandbox, Scene, Testbed, binary, needs_root,
    wait_for_content,
};
use imgurd_tests::wire::{Wire, error_of, token_of};
use serde_json::{Value, json};

use crate::access::table::{RELAY, socket_call};
use crate::commands::fails;

/// A sandbox with all files of the host, and its own processes.
const BWRAP: [&str; 8] =
    ["bwrap", "--unshare-all", "--die-with-parent", "--dev-bind", "/", "/", "--proc", "/proc"];
/// The same with the host's processes: only the mount namespace is new.
const BWRAP_MOUNTS: [&str; 5] = ["bwrap", "--die-with-parent", "--dev-bind", "/", "/"];
/// A sandbox with its own root directory.
const BWRAP_ROOT: [&str; 12] = [
    "bwrap",
    "--die-with-parent",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
];
const UNSHARE_PIDS: [&str; 4] = ["unshare", "--pid", "--fork", "--mount-proc"];
const UNSHARE_USERS: [&str; 2] = ["unshare", "--map-root-user"];

/// Starts a program, in a sandbox that `wrapper` makes, that sends each line of its input to the socket.
fn relay(bed: &Testbed, wrapper: &[&str], socket: &Path) -> Program {
    let mut command = bed.command(wrapper[0]);
    command.args(&wrapper[1..]).args(["/usr/bin/python3", "-c", RELAY]).arg(socket);
    bed.start(command)
}

pub(super) fn ask(program: &mut Program, call: &Value) -> Value {
    program.write(&format!("{call}\n"));
    serde_json::from_str(&program.line().expect("an answer")).unwrap()
}

pub(super) fn get_token(parameters: &Value) -> Value {
    json!({ "method": "org.imgurd.Keeper1.GetToken", "parameters": parameters })
}

/// Fails unless imgurd denies the program behind the relay every secret and every change.
pub(super) fn gets_nothing(program: &mut Program, who: &str) {
    for call in [get_token(&json!({ "wait_ms": 0 })), socket_call("ExportGrant"), socket_call("SetPermit")] {
        assert_eq!(error_of(&ask(program, &call)), "AccessDenied", "{who}: {call}");
    }
}

#[test]
fn a_sandbox_without_a_scope_counts_as_sandboxed() {
    if !needs_root("namespaces") {
        return;
    }
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let shared = scene.bed.socket();
    let shared = shared.parent().unwrap().to_str().unwrap();
    let own_root = [&BWRAP_ROOT[..], &["/proc", "--dev", "/dev", "--bind", shared, shared]].concat();
    for wrapper in [&BWRAP[..], &BWRAP_MOUNTS, &own_root, &UNSHARE_PIDS, &UNSHARE_USERS] {
        let mut program = relay(&scene.bed, wrapper, &scene.bed.socket());
        gets_nothing(&mut program, &wrapper.join(" "));
        // Otherwise the processes in the sandbox would outlive the relay.
        program.finish();
    }
    // A program with another priority, or another mount, network or IPC namespace, is not sandboxed.
    for wrapper in
        [&["nice"][..], &["unshare", "--mount"], &["unshare", "--net"], &["unshare", "--ipc", "--uts"]]
    {
        let mut program = relay(&scene.bed, wrapper, &scene.bed.socket());
        token_of(&ask(&mut program, &get_token(&json!({}))));
        program.finish();
    }
}

/// A cgroup with this name, for this test. Dropping it removes it.
pub(super) struct Cgroup(PathBuf);

impl Cgroup {
    pub(super) fn new(name: &str) -> Self {
        let unified = Path::new("/sys/fs/cgroup/unified");
        let root = if unified.exists() { unified } else { Path::new("/sys/fs/cgroup") };
        let path = root.join(format!("imgurd-callers-{}", std::process::id())).join(name);
        fs::create_dir_all(&path).expect("cgroups (version 2) are root's to make");
        Self(path)
    }

    fn command(&self, bed: &Testbed, socket: &Path) -> Command {
        self.running(bed, r#"exec "$@""#, &["/usr/bin/python3", "-c", RELAY, socket.to_str().unwrap()])
    }

    /// A shell in the cgroup that runs `script`, with `program` as its arguments.
    pub(super) fn running(&self, bed: &Testbed, script: &str, program: &[&str]) -> Command {
        let mut command = bed.command("sh");
        let enter = r#"echo $$ >"$1/cgroup.procs" && shift && exec sh -c "$@""#;
        command.args(["-c", enter, "sh"]).arg(&self.0).args([script, "sh"]).args(program);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in self.0.ancestors().take_while(|path| !path.ends_with("cgroup")) {
            let _ = fs::remove_dir(directory);
        }
    }
}

#[test]
fn every_known_sandbox_cgroup_counts_as_sandboxed() {
    if !needs_root("cgroups") {
        return;
    }
    let scene = Scene::memory(Behaviour::default()).signed_in();
    for name in [
        "app-flatpak-org.example.App-7",
        "app-flatpak-org.example.App-7.slice",
        "flatpak-org.example.App-7.scope",
        "snap.viewer",
        "docker/0123456789ab",
        "docker-0123456789ab.scope",
        "libpod-0123456789ab.scope/container",
        "lxc.payload.box",
        "machine.slice/machine-box.scope/payload",
        "firejail-7.scope",
        "crio-0123456789ab.scope",
        "cri-containerd-0123456789ab.scope",
        "systemd-nspawn@box.service",
        "incus.payload.box",
        "crun-0123456789ab.scope",
        "crun-buildah-buildah0123456789.scope",
        "runc-buildah-buildah0123456789.scope",
    ] {
        let cgroup = Cgroup::new(name);
        let mut program = scene.bed.start(cgroup.command(&scene.bed, &scene.bed.socket()));
        gets_nothing(&mut program, name);
        program.finish();
    }
    let cgroup = Cgroup::new("app-gnome-docker\\x2ddesktop-7.scope");
    let mut program = scene.bed.start(cgroup.command(&scene.bed, &scene.bed.socket()));
    token_of(&ask(&mut program, &get_token(&json!({}))));
    program.finish();
}

#[test]
fn a_sandboxed_app_on_the_remote_socket_needs_both_permits() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let Some(sandbox) = Sandbox::new() else { return };
    let from_sandbox = || {
        let mut command = sandbox.command(&scene.bed, "/usr/bin/python3");
        command.args(["-c", RELAY]).arg(scene.bed.remote_socket());
        ask(&mut scene.bed.start(command), &get_token(&json!({})))
    };
    scene.ctl(&["permit", "allow", "remote"]).success();
    assert_eq!(error_of(&from_sandbox()), "AccessDenied");
    token_of(&Wire::connect(&scene.bed.remote_socket()).call("GetToken", &json!({})));
    scene.ctl(&["permit", "deny", APPLICATION]).success();
    assert_eq!(error_of(&from_sandbox()), "AccessDenied");
    scene.ctl(&["permit", "allow", APPLICATION]).success();
    token_of(&from_sandbox());
    scene.ctl(&["permit", "revoke", "remote"]).success();
    let refused = from_sandbox();
    assert!(refused["parameters"]["reason"].as_str().unwrap().contains("permit allow remote"), "{refused}");
}

#[test]
fn the_remote_socket_is_outside_the_directory_that_sandboxes_share() {
    let mut scene = Scene::memory(Behaviour::default());
    let (local, remote) = (scene.bed.socket(), scene.bed.remote_socket());
    assert!(remote.exists() && remote.parent() != local.parent());
    let shared: Vec<_> =
        fs::read_dir(local.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(shared, ["socket"]);
    // imgurd removes the socket of an older version.
    scene.stop();
    let former = local.with_file_name("remote");
    drop(std::os::unix::net::UnixListener::bind(&former).unwrap());
    scene.start();
    assert!(!former.exists());
    // imgurd creates nothing beside a socket that the user placed.
    scene.stop();
    let place = scene.bed.root().join("shared");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
    let socket = place.join("imgurd.sock");
    let _daemon = scene.bed.daemon_with(&["--no-dbus", "--socket", socket.to_str().unwrap()]);
    let there: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["imgurd.sock"]);
}

#[test]
fn a_denial_applies_to_calls_that_already_wait() {
    for (method, decide) in [
        ("GetToken", &["permit", "deny", "remote"][..]),
        ("GetToken", &["permit", "revoke", "remote"]),
        ("RejectToken", &["permit", "deny", "remote"]),
    ] {
        let scene = Scene::memory(Behaviour::default()).signed_in();
        scene.ctl(&["permit", "allow", "remote"]).success();
        let current = scene.token();
        let mut caller = Wire::connect(&scene.bed.remote_socket());
        let before = scene.fake.requests(Endpoint::Token).len();
        let gate = scene.fake.hold_answer(Endpoint::Token);
        let mut refresh = scene.bed.wire();
        // imgurd returns a rejected token to no program, so the other calls have to wait.
        refresh.ask("RejectToken", &json!({ "access_token": current }));
        scene.fake.wait_for_requests(Endpoint::Token, before + 1);
        let rejected = if method == "RejectToken" { json!({ "access_token": current }) } else { json!({}) };
        caller.ask(method, &rejected);
        // The call has arrived and waits: imgurd answers the calls of one connection in order.
        assert!(!caller.has_answer());
        scene.ctl(decide).success();
        gate.release();
        assert_eq!(error_of(&caller.answer()), "AccessDenied", "{method} {decide:?}");
        token_of(&refresh.answer());
    }
}

#[test]
fn a_sandboxed_app_cannot_find_out_which_accounts_exist() {
    let mut scene = Scene::memory(Behaviour::default()).signed_in();
    let Some(sandbox) = Sandbox::new() else { return };
    let mut command = sandbox.command(&scene.bed, "/usr/bin/python3");
    command.args(["-c", RELAY]).arg(scene.bed.socket());
    let mut inside = scene.bed.start(command);
    let mut remote = Wire::connect(&scene.bed.remote_socket());
    let before = fs::read_to_string(scene.bed.config_file()).unwrap();
    for rules in ["", "[access]\nsandboxed = \"deny\"\nremote = \"deny\"\n"] {
        scene.bed.configure(&format!("{before}\n{rules}"));
        scene.daemon().reload();
        for (method, arguments) in [
            ("GetToken", json!({})),
            ("RejectToken", json!({ "access_token": "x" })),
            ("ListAccounts", json!({})),
            ("Watch", json!({})),
        ] {
            let mut answers = Vec::new();
            for name in [ACCOUNT, "guessed", "x.y-z"] {
                let mut parameters = arguments.clone();
                parameters["account"] = name.into();
                let mut call =
                    json!({ "method": format!("org.imgurd.Keeper1.{method}"), "parameters": parameters });
                if method == "Watch" {
                    call["more"] = true.into();
                }
                remote.send(&call);
                let (local, far) = (ask(&mut inside, &call), remote.answer());
                answers.push([local, far].map(|answer| answer.to_string().replace(name, "NAME")));
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{method}: {answers:?}");
        }
        let unnamed = ask(&mut inside, &get_token(&json!({}))).to_string();
        assert!(!unnamed.contains(ACCOUNT), "{unnamed}");
    }
    fails(|command| scene.ctl(command), &["token", "guessed"], 3, "NoSuchAccount");
}

fn ctl_in(scene: &Scene, wrapper: &[&str], arguments: &[&str]) -> Output {
    let mut command = scene.bed.command(wrapper[0]);
    command.args(&wrapper[1..]).arg(binary("imgurctl")).args(arguments);
    scene.bed.start(command).finish()
}

#[test]
fn a_client_in_another_pid_namespace_gets_an_answer() {
    if !needs_root("namespaces") {
        return;
    }
    let bed = Testbed::memory();
    bed.configure("store = \"memory\"\n[access]\nsandboxed = \"allow\"\n");
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    for wrapper in [&UNSHARE_PIDS[..], &BWRAP, &UNSHARE_USERS] {
        assert_eq!(ctl_in(&scene, wrapper, &["token"]).success().line(), scene.token(), "{wrapper:?}");
        ctl_in(&scene, wrapper, &["logout"]).exits(5);
    }
    // If a namespace maps no users, imgurctl cannot tell who owns the socket.
    let unknown = ctl_in(&scene, &["unshare", "--user"], &["token"]).exits(5);
    assert!(unknown.stderr.contains("user namespace"), "{}", unknown.stderr);
}

#[test]
fn a_daemon_in_a_sandbox_serves_only_programs_of_that_sandbox() {
    let bed = Testbed::memory();
    let script = "\"$1\" --no-dbus & daemon=$!; until \"$2\" status >/dev/null 2>&1; do :; done; \"$2\" permit list >/dev/null; echo $?; \
                  bwrap --dev-bind / / \"$2\" permit list >/dev/null 2>&1; echo $?; kill $daemon; wait";
    let mut command = bed.command(BWRAP[0]);
    command.args(&BWRAP[1..]).args(["sh", "-c", script, "sh"]).arg(binary("imgurd")).arg(binary("imgurctl"));
    assert_eq!(bed.start(command).finish().success().stdout, "0\n5\n");
}

/// Calls `GetToken` over D-Bus with python3-dbus.
pub(super) const OVER_THE_BUS: &str = "
import dbus, sys
keeper = dbus.SessionBus().get_object(sys.argv[1], sys.argv[2])
print(keeper.GetToken('', -1, 1000, dbus_interface='org.imgurd.Keeper1')[0])
";

#[test]
fn a_firejail_gets_nothing_over_the_socket_or_its_filtered_bus() {
    if !needs_root("firejail") {
        return;
    }
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let filter = format!("--dbus-user.talk={BUS_NAME}");
    let firejail = ["firejail", "--quiet", "--noprofile", "--dbus-user=filter", &filter];
    let mut program = relay(&scene.bed, &firejail, &scene.bed.socket());
    gets_nothing(&mut program, "firejail");
    program.finish();
    // Firejail runs the proxy of the bus outside the sandbox.
    let over_the_bus = ["/usr/bin/python3", "-c", OVER_THE_BUS, BUS_NAME, PATH];
    let call = |wrapper: &[&str]| {
        let mut command = scene.bed.command(wrapper.first().unwrap_or(&over_the_bus[0]));
        command.args(wrapper.iter().chain(&over_the_bus).skip(1));
        scene.bed.start(command).finish()
    };
    assert_eq!(call(&[]).success().line(), scene.token());
    let refused = call(&firejail);
    assert!(refused.stderr.contains("AccessDenied") && refused.code != Some(0), "{refused:?}");
}

#[test]
fn a_flatpak_app_has_a_name_only_in_its_own_scope() {
    let permissions = ["--filesystem=xdg-run/imgurd", "--talk-name=org.imgurd.Keeper1"];
    let flatpak = || Flatpak::new(&permissions);
    let (Some(app), Some(other), Some(scoped)) = (flatpak(), flatpak(), flatpak()) else { return };
    let (other, scoped) = (other.other(), scoped.in_scope());
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let ctl = binary("imgurctl");
    let socket = |app: &Flatpak| scene.bed.start(app.command(&scene.bed, &ctl, &["token"])).finish();
    let bus = |app: &Flatpak| {
        let call = app.command(&scene.bed, "python3", &["-c", OVER_THE_BUS, BUS_NAME, PATH]);
        scene.bed.start(call).finish()
    };
    for refused in [socket(&scoped), bus(&scoped)] {
        assert!(refused.stderr.contains(APPLICATION) && refused.code != Some(0), "{refused:?}");
    }
    scene.ctl(&["permit", "allow", APPLICATION]).success();
    let token = scene.token();
    for allowed in [socket(&scoped), bus(&scoped)] {
        assert_eq!(allowed.success().line(), token);
    }
    // Without a scope, only files that the sandbox can write would name the application.
    for refused in [socket(&other), bus(&other), socket(&app), bus(&app)] {
        assert!(refused.code != Some(0) && !refused.stdout.contains(&token), "{refused:?}");
        assert!(refused.stderr.contains("needs your permission"), "{refused:?}");
    }
}

/// Listens, and becomes a daemon that gets the socket by socket activation. Before that, a process connects, passes
/// the connection to its child and ends. If the kernel allows it (`ns_last_pid`), an unsandboxed program then gets
/// that process's ID.
const LATE: &str = "
import fcntl, os, socket, sys
path, answer = sys.argv[1:3]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
caller = os.fork()
if caller == 0:
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    stream.sendall(b'{\"method\":\"org.imgurd.Keeper1.GetToken\"}\\0')
    if os.fork():
        os._exit(0)
    listener.close()
    text = b''
    while not text.endswith(b'\\0'):
        text += stream.recv(65536) or b'\\0'
    with open(answer + '.new', 'wb') as file:
        file.write(text.rstrip(b'\\0'))
    os.rename(answer + '.new', answer)
    os._exit(0)
os.waitpid(caller, 0)
try:
    with open('/proc/sys/kernel/ns_last_pid', 'w') as last:
        last.write(str(caller - 1))
except OSError:
    pass
if os.fork() == 0:
    os.execvp('sleep', ['sleep', '30'])
descriptor = fcntl.fcntl(listener, fcntl.F_DUPFD, 10)
os.dup2(descriptor, 3)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='imgurd.socket')
os.execv(sys.argv[3], sys.argv[3:])
";

#[test]
fn a_reused_process_id_gives_an_early_caller_no_rights() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    assert!(scene.stop().success());
    let (socket, answer) = (scene.bed.socket(), scene.bed.root().join("answer"));
    let _ = fs::remove_file(&socket);
    let arguments = [socket, answer.clone()].map(|path| path.to_str().unwrap().to_owned());
    scene.bed.launch_by(["/usr/bin/python3", "-c", LATE].map(ToOwned::to_owned).into_iter().chain(arguments));
    scene.start();
    let answer: Value = serde_json::from_str(&wait_for_content(&answer, |text| !text.is_empty())).unwrap();
    assert_eq!(error_of(&answer), "AccessDenied", "{answer}");
}
