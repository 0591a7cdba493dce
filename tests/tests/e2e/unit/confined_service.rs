//! The hardened service can do all of its work.

use imgurd_tests::fake::{Behaviour, Fake, Rotation};
use serde_json::Value;

use super::drop_in_of_readme;
use super::home::{Home, UNITS, USER};

const CONFIG: &str = "/home/alice/.config/imgurd";

fn strict() -> Behaviour {
    Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() }
}

/// A home with the file store and an account.
fn with_the_file_store(home: Option<Home>) -> Option<(Home, Fake)> {
    let home = home?;
    let said = home.ctl(&["init", "--store", "file"]).success().stderr;
    assert!(said.contains("systemd passes the key to imgurd"), "{said}");
    home.systemctl(&["restart", UNITS[0]]).success();
    let fake = home.account(strict());
    Some((home, fake))
}

#[test]
fn the_confined_service_handles_a_grant_from_consent_to_logout() {
    let Some((home, fake)) = with_the_file_store(Home::installed()) else { return };
    keeps_a_grant_from_consent_to_logout(&home, &fake);
}

#[test]
fn the_confined_service_handles_a_grant_on_debian_13() {
    let Some((home, fake)) = with_the_file_store(Home::installed_on_debian_13()) else { return };
    keeps_a_grant_from_consent_to_logout(&home, &fake);
    let doctor = home.ctl(&["doctor"]).stdout;
    assert!(doctor.contains("imgurd.service is active and enabled"), "{doctor}");
    home.make("uninstall");
    assert_eq!(home.property("LoadState"), "not-found");
}

fn keeps_a_grant_from_consent_to_logout(home: &Home, fake: &Fake) {
    home.sign_in();
    let token = home.token();
    assert!(fake.is_live(&token));
    home.ctl(&["refresh"]).success();
    let refreshed = home.token();
    assert!(refreshed != token && fake.is_live(&refreshed));
    let other = home.machine.run_with(USER, &["imgurctl", "reject"], &refreshed).success();
    assert!(other.line() != refreshed && fake.is_live(other.line()));

    // After each kind of end, the grant is there and its refresh token works.
    for end in [&["restart"][..], &["stop"], &["kill", "--signal=KILL"]] {
        let before = home.token();
        home.systemctl(&[end, &[UNITS[0]]].concat()).success();
        home.systemctl(&["start", UNITS[0]]).success();
        assert_eq!(home.token(), before, "after {end:?}");
    }
    home.ctl(&["refresh"]).success();
    assert!(fake.is_live(&home.token()));

    let mut login = home.start(&["imgurctl", "login", "--paste"]);
    let url = login.line_where(|line| line.starts_with("http"));
    // No callback listens, so the browser ends up at the consent page's own redirect.
    fake.configure(|behaviour| behaviour.callback = None);
    login.write(&format!("{}\n", home.allow(&url)));
    login.finish().success();
    assert!(fake.is_live(&home.token()));
    home.ctl(&["logout"]).success();
    home.ctl(&["token"]).exits(4);
    assert_eq!(home.property("NRestarts"), "1", "only the crash restarted the service");
}

#[test]
fn the_confined_service_identifies_callers_and_refuses_other_users() {
    let Some((home, fake)) = with_the_file_store(Home::installed()) else { return };
    home.sign_in();
    home.run(&["systemd-run", "--user", "--quiet", "--wait", "--unit=caller", "imgurctl", "token"]).success();
    // A service with `PrivateUsers=` is the user's own. A sandbox within a service is a sandbox.
    let private = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "--property=PrivateUsers=yes"];
    home.run(&[&private[..], &["imgurctl", "token", "me"]].concat()).success();
    let service = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "sh", "-c"];
    home.run(&[&service[..], &["unshare -Ur /opt/imgurd/imgurctl token me; exit $?"]].concat()).exits(5);
    home.run(&[
        "systemd-run",
        "--user",
        "--quiet",
        "--scope",
        "--unit=app-flatpak-org.example.App-7.scope",
        "imgurctl",
        "token",
    ])
    .exits(5);
    home.ctl(&["permit", "allow", "org.example.App", "me"]).success();
    let place = ["busctl", "--user", "--", "call", "org.imgurd.Keeper1", "/org/imgurd/Keeper1"];
    let in_scope =
        ["systemd-run", "--user", "--quiet", "--scope", "--unit=app-flatpak-org.example.App-8.scope"];
    let get_token = ["org.imgurd.Keeper1", "GetToken", "sii", "", "-1", "-1"];
    let answer = home.run(&[&in_scope[..], &place, &get_token].concat()).success().stdout;
    assert!(fake.is_live(answer.split('"').nth(1).unwrap()), "{answer}");
    let descriptor = home.run(&[&place[..], &["org.imgurd.Keeper1", "GetTokenFd"], &get_token[2..]].concat());
    assert!(descriptor.success().stdout.starts_with("h "));

    let journal = home.ctl(&["journal", "--json"]).success().stdout;
    for (application, wire, denied) in [
        ("caller.service", "socket", false),
        ("org.example.App", "socket", true),
        ("org.example.App", "bus", false),
    ] {
        let is_it = |line: &str| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let text = entry.to_string();
            text.contains(application) && text.contains(wire) && text.contains("denied") == denied
        };
        assert!(journal.lines().any(is_it), "{application}, {wire}: {journal}");
    }

    home.machine.add_user("bob");
    let socket = home.runtime("imgurd/socket");
    for other in ["root", "bob"] {
        home.machine.run(other, &["imgurctl", "--socket", &socket, "token"]).exits(5);
    }
    let address = format!("--address=unix:path={}", home.runtime("bus"));
    let as_root = [&["busctl", &address, "--"][..], &place[3..], &get_token].concat();
    assert_ne!(home.machine.run("root", &as_root).code, Some(0));
}

#[test]
fn the_confined_service_reaches_logind_and_the_journal() {
    let Some(home) = Home::installed() else { return };
    let mut command = home.machine.command("root", "dbus-monitor");
    command.arg("--system");
    let mut calls = home.machine.start(command);
    // dbus-monitor loses its name when it becomes a monitor.
    calls.line_where(|line| line.contains("member=NameLost"));
    home.systemctl(&["restart", UNITS[0]]).success();
    calls.line_where(|line| line.contains("member=Inhibit"));
    calls.line_where(|line| line.starts_with("method return"));
    let inhibitors = home.machine.run("root", &["systemd-inhibit", "--list", "--no-legend"]).success().stdout;
    assert!(inhibitors.lines().any(|line| line.contains("imgurd") && line.contains("sleep")), "{inhibitors}");

    let drop_in = "/home/alice/.config/systemd/user/imgurd.service.d/log.conf";
    let command = "[Service]\nExecStart=\nExecStart=/home/alice/.local/bin/imgurd --log-format journald\n";
    home.machine.write(USER, drop_in, command);
    home.systemctl(&["daemon-reload"]).success();
    home.systemctl(&["restart", UNITS[0]]).success();
    home.machine.run("root", &["journalctl", "--sync"]).success();
    let fields = ["journalctl", "--user", "--unit=imgurd", "--output=json", "F_VERSION=0.1.0"];
    let entry = home.run(&fields).success().stdout;
    assert!(entry.contains(r#""MESSAGE":"ready""#), "{entry}");
}

#[test]
fn the_confined_service_can_use_a_configuration_outside_its_directory() {
    let Some(home) = Home::installed() else { return };
    home.systemctl(&["stop", UNITS[0]]).success();
    home.sh("mkdir ~/dotfiles && mv ~/.config/imgurd ~/dotfiles && ln -s ~/dotfiles/imgurd ~/.config/imgurd")
        .success();
    let add = |name: &str| home.ctl(&["account", "add", name, "--client-id", "x", "--flow", "pin"]);
    add("first").success();
    assert!(home.sh("cat ~/dotfiles/imgurd/config.toml").stdout.contains("[accounts.first]"));

    // The service can read a configuration elsewhere. If it cannot write there, the error explains how to allow it.
    home.sh("mv ~/dotfiles/imgurd/config.toml ~/dotfiles/mine.toml && ln -s ../mine.toml ~/dotfiles/imgurd/config.toml")
        .success();
    home.systemctl(&["restart", UNITS[0]]).success();
    home.ctl(&["account", "show", "first"]).success();
    let refused = add("second").exits(9);
    let advice = "add ReadWritePaths=/home/alice/dotfiles below [Service]";
    assert!(refused.complaint().contains(advice), "{}", refused.stderr);
    let drop_in = "/home/alice/.config/systemd/user/imgurd.service.d/override.conf";
    let confined = drop_in_of_readme("The service is allowed to write").replace("/home/me/", "/home/alice/");
    home.machine.write(USER, drop_in, &confined);
    home.systemctl(&["daemon-reload"]).success();
    home.systemctl(&["restart", UNITS[0]]).success();
    add("second").success();
    assert!(home.sh("cat ~/dotfiles/mine.toml").stdout.contains("[accounts.second]"));
}

#[test]
fn a_missing_key_does_not_stop_the_service_and_is_named() {
    let Some((home, _fake)) = with_the_file_store(Home::installed()) else { return };
    home.sign_in();
    let credential = home.runtime("credentials/imgurd.service/imgurd.key");
    let key = home.machine.file(format!("{CONFIG}/key"));
    assert_eq!(std::fs::read(home.machine.file(credential)).unwrap(), std::fs::read(&key).unwrap());
    home.sh("mv ~/.config/imgurd/key ~/key").success();
    home.systemctl(&["restart", UNITS[0]]).success();
    let refused = home.ctl(&["token", "--wait", "100ms"]).exits(7);
    assert!(refused.complaint().contains("imgurd/key"), "{}", refused.stderr);
    home.sh("mv ~/key ~/.config/imgurd/key").success();
    home.systemctl(&["restart", UNITS[0]]).success();
    home.token();
}

/// Common ways to call bubblewrap: with all files of the host; with its own processes; with its own root directory.
const SANDBOXES: [&[&str]; 3] = [
    &["bwrap", "--die-with-parent", "--dev-bind", "/", "/"],
    &["bwrap", "--die-with-parent", "--unshare-pid", "--dev-bind", "/", "/"],
    &[
        "bwrap",
        "--die-with-parent",
        "--ro-bind",
        "/usr",
        "/usr",
        "--ro-bind",
        "/etc",
        "/etc",
        "--ro-bind",
        "/opt",
        "/opt",
        "--symlink",
        "usr/bin",
        "/bin",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--dev",
        "/dev",
        "--bind",
        "/run/user",
        "/run/user",
        "--proc",
        "/proc",
    ],
];

#[test]
fn the_confined_service_gives_a_sandbox_without_a_scope_nothing() {
    let Some((home, fake)) = with_the_file_store(Home::installed()) else { return };
    home.sign_in();
    let token = home.token();
    let as_a_service = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "--collect"];
    let over_the_bus = ["busctl", "--user", "--", "call", "org.imgurd.Keeper1", "/org/imgurd/Keeper1"];
    let get_token = ["org.imgurd.Keeper1", "GetToken", "sii", "", "-1", "-1"];
    let [mounts, ..] = SANDBOXES;
    for starts in SANDBOXES.map(<[_]>::to_vec).into_iter().chain([[&as_a_service[..], mounts].concat()]) {
        home.run(&[&starts[..], &["/opt/imgurd/imgurctl", "token", "me"]].concat()).exits(5);
        let answer = home.run(&[&starts[..], &over_the_bus, &get_token].concat());
        let (said, refused) = (&answer.stdout, &answer.stderr);
        assert!(refused.contains("needs your permission") && said.is_empty(), "{starts:?}: {refused}");
    }
    assert_eq!(home.token(), token);
    assert!(fake.is_live(&token));
}
