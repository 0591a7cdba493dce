//! Forwarding imgurd to another machine through a real SSH server, with the configuration in systemd/README.md.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, Output, RemoteMachine, Scene};
use serde_json::Value;

use crate::readme::ssh_blocks;

/// The prefix of the paths on the remote machine.
const RUN: &str = "/run/user/";

/// A daemon, and a remote machine that is set up as in systemd/README.md.
struct Two {
    remote: RemoteMachine,
    scene: Scene,
}

impl Two {
    fn new(server: &str) -> Self {
        let scene = Scene::file(Behaviour::default()).signed_in();
        let root = scene.bed.root().join("far").display().to_string();
        let client = lines("ssh_config").replace(RUN, &(root + RUN));
        let remote = scene.bed.remote_machine(server, &client);
        Self { remote, scene }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.remote.ssh(&self.scene.bed, arguments)
    }

    fn ssh(&self, arguments: &[&str]) -> Output {
        self.scene.bed.start(self.command(arguments)).finish()
    }

    /// Makes the directory for the socket, which is necessary after each start of the remote machine.
    fn prepared(self) -> Self {
        let directory = format!("mkdir -m 700 {}/imgurd", self.remote.runtime_dir().display());
        self.ssh(&["-o", "ClearAllForwardings=yes", "far", &directory]).success();
        self
    }
}

/// The block of systemd/README.md in this language.
fn lines(language: &str) -> String {
    let found: Vec<_> = ssh_blocks().into_iter().filter(|block| block.language == language).collect();
    assert_eq!(found.len(), 1, "{language}");
    found[0].text.clone()
}

#[test]
fn the_documented_ssh_setup_gives_a_remote_token() {
    let two = Two::new(&lines("sshd_config"));
    // ssh looks for its configuration in the home directory of the user database, not in HOME.
    let ssh = format!("ssh() {{ command ssh -F {} \"$@\"; }}\n", two.remote.configuration().display());
    for block in ssh_blocks().into_iter().filter(|block| block.language == "sh") {
        let root = two.scene.bed.root().join("far").display().to_string();
        let text = block.text.replace(RUN, &(root + RUN));
        let text = text.replace("remote me", &format!("remote {ACCOUNT}"));
        let mut command = two.scene.bed.command("sh");
        let programs = imgurd_tests::testbed::binary("imgurctl").parent().unwrap().display().to_string();
        command.env("PATH", format!("{programs}:/usr/bin:/bin")).args(["-ec", &format!("{ssh}{text}")]);
        let output = two.scene.bed.start(command).finish().success();
        assert_eq!(output.line(), two.scene.token(), "{text}");
    }
}

#[test]
fn a_remote_program_gets_only_what_is_allowed() {
    let two = Two::new(&lines("sshd_config")).prepared();
    let remotely = |command: &str| two.ssh(&["far", command]);
    let refused = remotely("imgurctl token").exits(5);
    assert!(refused.stderr.contains("imgurctl permit allow remote`"), "{}", refused.stderr);

    two.scene.ctl(&["permit", "allow", "remote", ACCOUNT]).success();
    let token = remotely("imgurctl token").success().line().to_owned();
    assert_eq!(token, two.scene.token());
    assert!(remotely("imgurctl status").success().stdout.contains("fresh"));
    two.scene.fake.kill_access_token();
    let another = remotely("imgurctl token | imgurctl reject").success().line().to_owned();
    assert!(another != token && two.scene.fake.is_live(&another));
    for command in ["refresh", "logout", "restore", "unlock", "login --no-browser", "permit list", "journal"]
    {
        remotely(&format!("imgurctl {command}")).exits(5);
    }

    two.scene.ctl(&["permit", "deny", "remote", ACCOUNT]).success();
    remotely("imgurctl token").exits(5);
    let journal = two.scene.ctl(&["journal", "--json"]).success().stdout;
    let entries = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let remote: Vec<_> = entries.filter(|entry| entry["wire"] == "remote").collect();
    let says = |outcome: &str| {
        remote.iter().any(|entry| entry["outcome"] == outcome && entry["method"] == "GetToken")
    };
    assert!(says("granted") && says("denied"), "{remote:?}");
    assert!(!two.scene.fake.secrets().iter().any(|secret| journal.contains(secret)));
}

#[test]
fn the_remote_socket_is_private_and_replaces_a_leftover() {
    let two = Two::new(&lines("sshd_config")).prepared();
    two.scene.ctl(&["permit", "allow", "remote", ACCOUNT]).success();
    let socket = two.remote.runtime_dir().join("imgurd/socket");
    let mut session = two.scene.bed.start(two.command(&["far", "echo there && cat"]));
    assert_eq!(session.line().as_deref(), Some("there"));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // The connection breaks without a message to the server.
    session.signal(rustix::process::Signal::KILL);
    drop(session);
    assert_eq!(two.ssh(&["far", "imgurctl token"]).success().line(), two.scene.token());
}

#[test]
fn without_the_sshd_setting_a_leftover_socket_blocks_forwarding() {
    let two = Two::new("").prepared();
    two.scene.ctl(&["permit", "allow", "remote", ACCOUNT]).success();
    two.ssh(&["far", "imgurctl token"]).success();
    let second = two.ssh(&["far", "imgurctl token"]);
    assert_eq!(second.code, Some(255), "the leftover socket makes ssh fail: {second:?}");
}
