//! The daemon's memory has each secret at most twice and no old secrets. No other process can read it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Bus, Keyring, Scene, Testbed, as_root};
use imgurd_tests::wire::{Wire, token_of};
use rustix::process::Signal;
use serde_json::json;

use crate::dbus::busctl;
use crate::users::{AS_NOBODY, give_to_nobody, is_root};

/// A secret that is encoded differently in a form, in JSON and in a header.
const CLIENT_SECRET: &str = "fake/client+secret & \"of some\" length";

/// A daemon on a bus whose memory the test may read, and a caller that stays connected.
struct Open {
    scene: Scene,
    wire: Wire,
    _keyring: Option<Keyring>,
    _bus: Bus,
}

impl Open {
    /// With the file store.
    fn file() -> Self {
        let bed = Testbed::file();
        let bus = bed.bus();
        Self::new(bed, None, bus)
    }

    /// With the desktop's keyring.
    fn keyring() -> Self {
        let bed = Testbed::new();
        let bus = bed.bus();
        let mut keyring = bed.keyring();
        keyring.start(&bed);
        Self::new(bed, Some(keyring), bus)
    }

    fn new(bed: Testbed, keyring: Option<Keyring>, bus: Bus) -> Self {
        let behaviour = Behaviour {
            client_secret: CLIENT_SECRET.to_owned(),
            rotation: Rotation::Plain,
            ..Behaviour::default()
        };
        let scene = Scene::new(bed, behaviour);
        let wire = scene.bed.wire();
        Self { scene, wire, _keyring: keyring, _bus: bus }
    }

    /// Changes these settings of the account.
    fn set(self, settings: &[&str]) -> Self {
        self.scene.ctl(&[&["account", "set", ACCOUNT], settings].concat()).success();
        self
    }

    /// Uses TLS, with the test's own certificate authority.
    fn over_tls(self) -> Self {
        self.scene.over_tls();
        self
    }

    fn call(&mut self, method: &str, parameters: &serde_json::Value) -> String {
        token_of(&self.wire.call(method, parameters)).to_owned()
    }

    /// Fails unless memory has exactly these secrets: the client secret, the tokens of the grant in use and its
    /// previous refresh token, and the tokens of the `displaced` grants (by their number at the fake Imgur).
    #[track_caller]
    fn expect_only_needed_secrets(&mut self, displaced: &[usize], when: &str) {
        let fake = &self.scene.fake;
        let current = fake.standing(&self.scene.token()).unwrap().grant;
        let is_kept = |secret: &String| {
            let Some(it) = fake.standing(secret) else { return secret == CLIENT_SECRET };
            let is_newest = it.turn == it.newest && (it.grant == current || displaced.contains(&it.grant));
            is_newest || (it.grant == current && it.used.is_some() && it.turn + 1 == it.newest)
        };
        let (live, gone): (Vec<_>, Vec<_>) = fake.secrets().into_iter().partition(is_kept);
        assert!(live.len() >= 3 + 2 * displaced.len(), "the search has secrets to look for");
        self.scene.daemon().assert_holds_only(&live, &gone, when);
    }
}

fn works_with_only_the_needed_secrets(mut open: Open) {
    open.scene.bed.sign_in(&open.scene.fake, ACCOUNT);
    open.expect_only_needed_secrets(&[], "after a login");

    for _ in 0..3 {
        open.scene.refresh();
    }
    open.call("Refresh", &json!({}));
    open.expect_only_needed_secrets(&[], "after refreshes");

    let rejected = open.call("GetToken", &json!({}));
    open.expect_only_needed_secrets(&[], "after a token was given out on the socket");
    open.scene.fake.kill_access_token();
    assert_ne!(open.call("RejectToken", &json!({ "access_token": rejected })), rejected);
    open.expect_only_needed_secrets(&[], "after a token was rejected");

    for method in ["GetToken", "GetTokenFd"] {
        let answer = busctl(&open.scene.bed, method, &["sii", "", "-1", "-1"]);
        assert!(answer.status.success(), "{answer:?}");
        open.expect_only_needed_secrets(&[], "after a token was given out on the bus");
    }
    open.wire.call("ListAccounts", &json!({}));
    open.scene.ctl(&["status"]).success();
    open.expect_only_needed_secrets(&[], "after the accounts were listed");

    open.scene.fake.fail_always(Endpoint::Token, Fault::Html(502));
    open.scene.ctl(&["refresh", "--wait", "100ms"]).exits(6);
    open.expect_only_needed_secrets(&[], "after a refresh that failed");
    open.scene.fake.clear(Endpoint::Token);
    open.scene.wait_until(|account| account.state == State::Fresh);

    let token = open.scene.token();
    let displaced = open.scene.fake.standing(&token).unwrap().grant;
    let (refresh_token, access_token) = open.scene.fake.issue_grant("alice");
    let text = json!({ "access_token": access_token, "refresh_token": refresh_token, "expires_in": 3600 });
    open.wire.call("ImportGrant", &json!({ "text": text.to_string(), "replace": true }));
    assert_ne!(open.scene.token(), token);
    open.expect_only_needed_secrets(&[displaced], "after an import");

    open.scene.ctl(&["logout"]).success();
    let gone = open.scene.fake.secrets();
    open.scene.daemon().assert_holds_only(&[], &gone, "after a logout");
    open.scene.bed.sign_in(&open.scene.fake, ACCOUNT);
    open.expect_only_needed_secrets(&[], "after another login");
}

#[test]
fn memory_has_each_secret_at_most_twice_and_no_old_ones() {
    const NAME: &str = "memory::memory_has_each_secret_at_most_twice_and_no_old_ones";
    as_root(NAME, || works_with_only_the_needed_secrets(Open::file()));
}

#[test]
fn memory_has_no_copy_of_a_client_secret_sent_in_a_header() {
    const NAME: &str = "memory::memory_has_no_copy_of_a_client_secret_sent_in_a_header";
    as_root(NAME, || {
        works_with_only_the_needed_secrets(Open::file().set(&["--client-auth", "basic"]));
    });
}

#[test]
fn memory_has_no_copy_of_secrets_sent_over_tls() {
    const NAME: &str = "memory::memory_has_no_copy_of_secrets_sent_over_tls";
    as_root(NAME, || works_with_only_the_needed_secrets(Open::file().over_tls()));
}

#[test]
fn memory_has_no_copy_of_secrets_sent_to_the_keyring() {
    const NAME: &str = "memory::memory_has_no_copy_of_secrets_sent_to_the_keyring";
    as_root(NAME, || works_with_only_the_needed_secrets(Open::keyring()));
}

/// A command that runs as the user of a daemon that was prepared by [`give_to_nobody`].
fn as_its_user(bed: &Testbed, program: &str) -> Command {
    if !is_root() {
        return bed.command(program);
    }
    let mut command = bed.command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", program]).current_dir("/");
    command
}

#[test]
fn another_process_of_the_same_user_cannot_read_the_daemons_memory() {
    let bed = Testbed::memory();
    if is_root() {
        give_to_nobody(&bed);
        bed.launch_by(AS_NOBODY);
    }
    let daemon = bed.daemon();
    let may_open = |process: u32, file: &str| {
        let mut reader = as_its_user(&bed, "head");
        reader.args(["-c", "1"]).arg(format!("/proc/{process}/{file}"));
        !bed.start(reader).finish().stderr.contains("Permission denied")
    };
    // The same user can read any ordinary process.
    let mut open = bed.start(as_its_user(&bed, "sh"));
    open.write("echo begun; read -r end\n");
    assert_eq!(open.line().as_deref(), Some("begun"));
    for file in ["mem", "environ", "maps"] {
        assert!(may_open(open.id(), file), "{file}: the test can read an ordinary process");
        assert!(!may_open(daemon.id(), file), "{file}: the daemon's memory can be read");
    }
}

#[test]
fn a_crash_leaves_no_core_file() {
    let bed = Testbed::memory();
    bed.launch_by(["sh", "-c", "ulimit -S -c $(ulimit -H -c) && exec \"$@\"", "sh"]);
    let daemon = bed.daemon();
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_ascii_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    daemon.signal(Signal::ABORT);
    let status = daemon.wait();
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
    let left = fs::read_dir(bed.home()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.filter(|name| name.to_string_lossy().starts_with("core")).count(), 0);
}
