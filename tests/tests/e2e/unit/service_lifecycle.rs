//! The service is enabled, started by a call, reloaded, restarted after a crash, and removed.

use imgurd_tests::testbed::Output;

use super::drop_in_of_readme;
use super::home::{Home, UNITS, USER};

const ALL_ACTIVE: [&str; 3] = ["active"; 3];

/// Calls a method on the bus.
pub(super) fn call_on_the_bus(home: &Home, method: &[&str]) -> Output {
    let place =
        ["busctl", "--user", "--", "call", "org.imgurd.Keeper1", "/org/imgurd/Keeper1", "org.imgurd.Keeper1"];
    home.run(&[&place, method].concat())
}

/// Stops the service alone; its sockets keep listening.
fn stop(home: &Home) {
    home.systemctl(&["stop", UNITS[0]]).success();
    assert_eq!(home.each_unit("is-active"), ["inactive", "active", "active"]);
}

#[test]
fn the_installed_service_runs_from_login_until_it_is_uninstalled() {
    let Some(home) = Home::new() else { return };
    let before = home.sh("find ~ | sort").stdout;
    let said = home.make("install").stdout;
    assert!(said.contains("imgurd runs") && said.contains("imgurctl account add NAME"), "{said}");
    assert_eq!(home.each_unit("is-enabled"), ["enabled"; 3]);
    assert_eq!(home.each_unit("is-active"), ALL_ACTIVE);
    assert_eq!(home.property("StatusText"), "No account yet; add one with `imgurctl account add NAME`");

    // The user logs in again.
    let manager = format!("user@{}.service", home.machine.user_id(USER));
    home.machine.run("root", &["systemctl", "restart", &manager]).success();
    home.run(&["systemctl", "--user", "is-system-running", "--wait"]);
    assert_eq!(home.each_unit("is-active"), ALL_ACTIVE);
    home.ctl(&["status"]).success();

    // An upgrade restarts the service.
    let old = home.property("MainPID");
    home.make("install");
    assert_ne!(home.property("MainPID"), old);
    assert_eq!(home.each_unit("is-active"), ALL_ACTIVE);

    home.make("uninstall");
    assert_eq!(home.property("LoadState"), "not-found");
    assert_eq!(home.each_unit("is-active"), ["inactive"; 3]);
    let after = home.sh("find ~ | sort").stdout;
    let left: Vec<_> = after.lines().filter(|path| !before.lines().any(|it| it == *path)).collect();
    assert_eq!(
        left,
        [
            "/home/alice/.config",
            "/home/alice/.config/imgurd",
            "/home/alice/.config/systemd",
            "/home/alice/.config/systemd/user",
            "/home/alice/.local",
            "/home/alice/.local/state",
            "/home/alice/.local/state/imgurd",
            "/home/alice/.local/state/imgurd/lock",
        ],
        "only the user's files and systemd's directories remain"
    );
}

#[test]
fn a_call_on_each_socket_or_the_bus_starts_the_service() {
    let Some(home) = Home::installed() else { return };
    let (socket, remote) = (home.runtime("imgurd/socket"), home.runtime("imgurd-remote/socket"));
    for call in [
        &|| home.ctl(&["--socket", &socket, "status"]) as Output,
        &|| home.ctl(&["--socket", &remote, "status"]),
        &|| call_on_the_bus(&home, &["ListAccounts", "s", ""]),
    ] as [&dyn Fn() -> Output; 3]
    {
        stop(&home);
        call().success();
        // The service may answer a moment before it is marked active.
        home.systemctl(&["start", UNITS[0]]).success();
        assert_eq!(home.each_unit("is-active"), ALL_ACTIVE);
    }
    // The same after its directories were deleted.
    stop(&home);
    home.sh("rm -r ~/.local/state ~/.config/imgurd").success();
    home.ctl(&["status"]).success();

    // Started without a call, it has its name on the bus once it is active.
    stop(&home);
    home.systemctl(&["start", UNITS[0]]).success();
    let owner = ["NameHasOwner", "s", "org.imgurd.Keeper1"];
    let bus = ["busctl", "--user", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus"];
    assert_eq!(home.run(&[&bus[..], &owner].concat()).success().line(), "b true");

    // Without the socket units, imgurd creates its own sockets.
    home.systemctl(&["stop", UNITS[0], UNITS[1], UNITS[2]]).success();
    home.systemctl(&["mask", UNITS[2]]).success();
    home.systemctl(&["start", UNITS[0]]).success();
    home.ctl(&["--socket", &remote, "status"]).success();
}

#[test]
fn the_service_reloads_and_restarts_after_crashes_and_hangs() {
    let Some(home) = Home::installed() else { return };
    let mut watch = home.start(&["imgurctl", "status", "--watch", "--json"]);
    home.machine.write(
        USER,
        "/home/alice/.config/imgurd/config.toml",
        "[accounts.first]\nclient_id = \"x\"\n",
    );
    home.systemctl(&["reload", UNITS[0]]).success();
    watch.line_where(|line| line.contains("\"first\""));
    let journal = home.run(&["journalctl", "--user", "--unit=imgurd", "--output=cat"]).stdout;
    assert!(journal.contains("reloaded the configuration"), "{journal}");

    let mut log =
        home.start(&["journalctl", "--user", "--unit=imgurd", "--output=cat", "--follow", "--lines=all"]);
    let mut started = || log.line_where(|line| line.starts_with("Started imgurd.service"));
    started();
    for (number, signal) in ["KILL", "ABRT"].iter().enumerate() {
        home.systemctl(&["kill", &format!("--signal={signal}"), UNITS[0]]).success();
        started();
        home.ctl(&["account", "show", "first"]).success();
        assert_eq!(home.property("NRestarts"), (number + 1).to_string());
    }

    // With a watchdog, systemd restarts a daemon that hangs.
    let drop_in = "/home/alice/.config/systemd/user/imgurd.service.d/watchdog.conf";
    home.machine.write(USER, drop_in, "[Service]\nWatchdogSec=5s\n");
    home.systemctl(&["daemon-reload"]).success();
    home.systemctl(&["restart", UNITS[0]]).success();
    started();
    home.systemctl(&["kill", "--signal=STOP", UNITS[0]]).success();
    started();
    assert_eq!(home.property("NRestarts"), "1");
    home.ctl(&["account", "show", "first"]).success();
}

#[test]
fn without_user_namespaces_it_runs_with_the_readmes_drop_in() {
    let Some(home) = Home::installed() else { return };
    let manager = format!("user@{}.service", home.machine.user_id(USER));
    let none = format!("/etc/systemd/system/{manager}.d/none.conf");
    home.machine.write("root", &none, "[Service]\nRestrictNamespaces=~user\n");
    home.machine.run("root", &["systemctl", "daemon-reload"]).success();
    home.machine.run("root", &["systemctl", "restart", &manager]).success();
    assert_ne!(home.systemctl(&["start", UNITS[0]]).code, Some(0));
    assert_eq!(home.property("ExecMainStatus"), "217");

    let drop_in = drop_in_of_readme("217/USER");
    home.machine.write(USER, "/home/alice/.config/systemd/user/imgurd.service.d/override.conf", drop_in);
    home.systemctl(&["daemon-reload"]).success();
    home.systemctl(&["restart", UNITS[0]]).success();
    home.ctl(&["status"]).success();
    assert_eq!(home.each_unit("is-active"), ALL_ACTIVE);
}
