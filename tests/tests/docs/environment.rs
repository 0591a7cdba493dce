//! The machine of a reader of the documentation: `api.imgur.com` is the fake, and no other server is reachable.

use std::env;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use imgurd_tests::fake::{Behaviour, Endpoint, Fake};
use imgurd_tests::relay::{Manner, Relay};
use imgurd_tests::repository;
use imgurd_tests::stranger::python;
use imgurd_tests::testbed::{Bus, Daemon, Keyring, Network, Testbed, at_terminal, binary};
use imgurd_tests::tls::Authority;

/// The default account of a reader who has followed *Start*.
const ACCOUNT: &str = "me";
/// The address of the API in this environment. It is unassigned (RFC 5737).
const ADDRESS: &str = "198.51.100.7";

/// A browser whose user allows access at once. It prints its last page.
pub(crate) const BROWSER: &str =
    r#"exec curl -sSL -o /dev/null -w '%{url_effective}\n' -d 'username=alice&decision=allow' "$1""#;

/// Stands in for systemctl: the environment has no service manager, and imgurd already runs. The test in `install.rs`
/// uses a machine with a service manager.
const SYSTEMCTL: &str = r#"[ "$1" = --user ]"#;

/// Stands in for cargo: everything is already built, and running all tests from within a test would never end.
pub(crate) const CARGO: &str = r#"
case "$1 $2" in
    'nextest --version' | 'nextest run' | 'test --workspace' | 'build --workspace') ;;
    'build --release' | 'rustc --release')
        words="$*" && built=${words#* --target } && built=${built%% *}
        case "$words" in *' --target '*) built=$built/release ;; *) built=release ;; esac
        mkdir -p "$CARGO_TARGET_DIR/$built"
        ln -sf "$CARGO_TARGET_DIR/debug/imgurd" "$CARGO_TARGET_DIR/debug/imgurctl" "$CARGO_TARGET_DIR/$built"
        ;;
    *)
        echo "what is cargo $* in here?" >&2
        exit 1
        ;;
esac"#;

/// A reader's machine.
pub(crate) struct Environment {
    // The fields are dropped in this order, so that the daemon ends before what it depends on.
    _daemon: Daemon,
    _keyring: Keyring,
    _bus: Bus,
    network: Network,
    /// The reader's directories.
    pub(crate) bed: Testbed,
    /// Stands in for Imgur.
    pub(crate) fake: Fake,
}

impl Environment {
    /// A machine on which imgurd runs and nothing is configured.
    pub(crate) fn newcomer() -> Self {
        let bed = Testbed::new();
        let bus = bed.bus();
        let mut keyring = bed.keyring();
        keyring.start(&bed);
        let authority = Authority::new(bed.root(), "trusted");
        // OpenSSL, requests and Node.js each read the certificate from their own variable.
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            bed.set_env(name, authority.certificate());
        }
        let mut network = bed.network();
        network.up();
        network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
        network.know(&[("127.0.0.1", "localhost"), (ADDRESS, "api.imgur.com")]);
        let callback = Some(imgurd_proto::DEFAULT_REDIRECT_URI.to_owned());
        let fake = Fake::start(Behaviour { callback, ..Behaviour::default() });
        let at = SocketAddr::new(ADDRESS.parse().unwrap(), 443);
        Relay::start(network.listen(at), fake.address(), Manner::Tls(authority.server("api.imgur.com")));
        equip(&bed);
        let daemon = bed.daemon();
        Self { _daemon: daemon, _keyring: keyring, _bus: bus, network, bed, fake }
    }

    /// A machine after *Start*: it has an account that is signed in.
    pub(crate) fn signed_in() -> Self {
        let environment = Self::newcomer();
        let Behaviour { client_id, client_secret, .. } = environment.fake.behaviour();
        let add = ["account", "add", ACCOUNT, "--client-id", &client_id, "--client-secret-stdin"];
        environment.bed.ctl_with(&add, &client_secret).success();
        let mut login = environment.bed.ctl_spawn(&["login", "--no-browser"]);
        let mut browser = environment.command(&environment.bed.home(), "browser");
        browser.arg(login.line().expect("the URL is the first line"));
        environment.bed.start(browser).finish().success();
        login.finish().success();
        environment
    }

    /// A command on this machine, to be run in this directory.
    pub(crate) fn command(&self, directory: &Path, program: impl AsRef<Path>) -> Command {
        self.network.command(&self.bed, directory, program)
    }

    /// Adds a shell script that the reader can run by this name.
    pub(crate) fn add_program(&self, name: &str, text: &str) {
        add_program(&self.bed, name, text);
    }

    /// Runs a command at a terminal, answers its questions, and returns its output. Fails, with the command's
    /// `place`, if the command does.
    pub(crate) fn run(&self, command: Command, place: &str) -> String {
        let developer = Developer::of(&self.fake);
        let (status, seen) = at_terminal(command, |said| developer.answer(said));
        assert!(status.success(), "{place}: {status}\n{seen}");
        seen
    }

    /// The number of refresh requests so far.
    pub(crate) fn refreshes(&self) -> usize {
        let requests = self.fake.requests(Endpoint::Token);
        requests.iter().filter(|request| request.grant_type() == Some("refresh_token")).count()
    }
}

/// The user who has registered the fake's application and knows its client ID and secret.
pub(crate) struct Developer(Behaviour);

impl Developer {
    pub(crate) fn of(fake: &Fake) -> Self {
        Self(fake.behaviour())
    }

    /// What the user types at a question, including the Enter key.
    pub(crate) fn answer(&self, said: &str) -> Option<String> {
        let answer = if said.ends_with("Client ID: ") {
            &self.0.client_id
        } else if said.contains("secret") && said.ends_with(": ") {
            &self.0.client_secret
        } else {
            return None;
        };
        Some(format!("{answer}\r"))
    }
}

/// Adds a shell script of this name, which precedes the machine's program in `PATH`.
fn add_program(bed: &Testbed, name: &str, text: &str) {
    let file = bed.root().join("programs").join(name);
    fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
}

/// Installs the programs as on a reader's machine, and stand-ins for those that cannot run in this environment.
fn equip(bed: &Testbed) {
    let programs = bed.root().join("programs");
    fs::create_dir(&programs).unwrap();
    for (name, text) in [("browser", BROWSER), ("systemctl", SYSTEMCTL), ("cargo", CARGO)] {
        add_program(bed, name, text);
    }
    let python = PathBuf::from(python(bed).get_program());
    for (name, program) in [("python3", "python"), ("http", "http")] {
        add_program(bed, name, &format!("exec {} \"$@\"", python.with_file_name(program).display()));
    }
    bed.set_env("BROWSER", programs.join("browser"));
    // The packages in `proto/`, as pip and npm install them.
    bed.set_env("PYTHONPATH", repository().join("proto/python"));
    bed.set_env("PYTHONDONTWRITEBYTECODE", "1");
    let modules = bed.home().join("node_modules");
    fs::create_dir(&modules).unwrap();
    symlink(repository().join("proto/js"), modules.join("imgurd")).unwrap();
    let built = binary("imgurd").parent().unwrap().to_owned();
    let path = env::var("PATH").unwrap_or_default();
    let own = bed.home().join(".local/bin");
    bed.set_env("PATH", format!("{}:{}:{}:{path}", programs.display(), built.display(), own.display()));
    let target = bed.root().join("target");
    fs::create_dir(&target).unwrap();
    symlink(&built, target.join("debug")).unwrap();
    for installed in ["strangers", "debian-13"] {
        symlink(built.with_file_name(installed), target.join(installed)).unwrap();
    }
    bed.set_env("CARGO_TARGET_DIR", target);
}
