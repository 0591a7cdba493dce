use std::process::{Command, Stdio};

use proptest::prelude::*;
use rstest::rstest;
use rustix::time::{ClockId, clock_gettime};

use super::*;

const APPS: &str = "0::/user.slice/user-1000.slice/user@1000.service/app.slice";

fn sandboxed(name: &str) -> Application {
    Application::Sandbox(name.to_owned())
}

fn in_unit(name: &str) -> Application {
    Application::Unit(name.to_owned())
}

fn uptime() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap()
}

#[rstest]
#[case("app-flatpak-org.mozilla.firefox-1234.scope", "org.mozilla.firefox")]
#[case("app-flatpak-org.example.my\\x2dapp-99.scope", "org.example.my-app")]
#[case("app-flatpak-org.example.App-7.scope/a-group-of-its-own.service", "org.example.App")]
#[case("snap.spotify.spotify-0f9ee5f4-1111-2222-3333-444455556666.scope", "snap.spotify")]
#[case("snap.lxd.daemon.service", "snap.lxd")]
fn a_sandbox_is_known_by_its_cgroup(#[case] cgroup: &str, #[case] name: &str) {
    assert_eq!(in_cgroups(&format!("{APPS}/{cgroup}\n")), sandboxed(name));
    assert!(sandboxed(name).is_sandboxed());
}

#[rstest]
#[case("app-gnome-firefox-1234.scope", "app-gnome-firefox.scope")]
#[case("app-firefox-1234.scope", "app-firefox.scope")]
#[case("app-org.kde.dolphin-0123456789abcdef0123456789ABCDEF.scope", "app-org.kde.dolphin.scope")]
#[case("app-gnome-org.gnome.Console@autostart.service", "app-gnome-org.gnome.Console.service")]
#[case("vte-spawn-0f9ee5f4-1111-2222-3333-444455556666.scope", "vte-spawn.scope")]
#[case("backup.service", "backup.service")]
#[case("backup@home.service", "backup@home.service")]
#[case("my\\x2dbackup.service", "my-backup.service")]
#[case("delegating.service/workers/1", "delegating.service")]
fn a_unit_is_known_by_the_part_of_its_name_that_stays(#[case] cgroup: &str, #[case] name: &str) {
    assert_eq!(in_cgroups(&format!("{APPS}/{cgroup}\n")), in_unit(name));
    assert!(!in_unit(name).is_sandboxed());
}

#[rstest]
#[case("0::/user.slice/user-1000.slice/session-3.scope", in_unit("session.scope"))]
#[case("0::/../../app.slice/app-flatpak-org.example.App-7.scope", sandboxed("org.example.App"))]
#[case("1:name=systemd:/user.slice/user-1000.slice/session-3.scope", in_unit("session.scope"))]
#[case("4:memory:/x.service\n1:name=systemd:/\n0::/", Application::Unknown)]
#[case("1:name=systemd:/a.service\n0::/app-flatpak-org.example.App-7.scope", sandboxed("org.example.App"))]
#[case("1:name=systemd:/app-flatpak-org.example.App-7.scope\n0::/a.service", sandboxed("org.example.App"))]
#[case("0::/app-flatpak-.scope", in_unit("app-flatpak-.scope"))]
#[case("0::/.scope", Application::Unknown)]
#[case("0::/snap.scope", in_unit("snap.scope"))]
#[case("", Application::Unknown)]
fn every_layout_of_cgroups_is_understood(#[case] cgroups: &str, #[case] application: Application) {
    assert_eq!(in_cgroups(cgroups), application);
}

#[test]
fn a_snap_is_known_by_its_label_as_well() {
    assert_eq!(labelled(b"snap.spotify.spotify (enforce)\n"), Some(sandboxed("snap.spotify")));
    for label in [&b"unconfined\n"[..], b"firefox (enforce)", b"\xff", b""] {
        assert_eq!(labelled(label), None);
    }
}

#[test]
fn a_live_caller_is_named_with_its_program() {
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id().try_into().ok();
    let identity = Identity::of(pid, uptime());
    assert_ne!(identity.application, Application::Gone);
    assert!(!identity.application.is_sandboxed());
    // The child may not have become its program yet.
    assert!(identity.program.as_ref().is_some_and(|program| !program.is_empty()));
    // Whoever began after the call is not who called.
    assert_eq!(Identity::of(pid, Duration::ZERO).application, Application::Gone);
    child.kill().unwrap();
    // Ended, and not waited for yet: its number is not free.
    rustix::process::waitid(
        rustix::process::WaitId::Pid(Pid::from_child(&child)),
        rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
    )
    .unwrap();
    assert_eq!(Identity::of(pid, uptime()).application, Application::Gone);
    child.wait().unwrap();
    assert_eq!(Identity::of(pid, uptime()).application, Application::Gone);
}

#[test]
fn who_cannot_be_named_is_trusted_no_more_than_a_sandbox() {
    for pid in [None, Some(0), Some(-1), Some(i32::MAX)] {
        let identity = Identity::of(pid, uptime());
        assert_eq!(identity.application, Application::Gone);
        assert!(identity.application.is_sandboxed());
    }
}

proptest! {
    #[test]
    fn no_cgroup_makes_a_name_that_steers_a_terminal(text in "[\\x00-\\x7f]{0,80}", file in any::<String>()) {
        for cgroups in [file.clone(), format!("0::/{text}.service"), format!("0::/app-flatpak-{text}-1.scope")] {
            let name = in_cgroups(&cgroups).name().to_owned();
            prop_assert!(!name.contains(char::is_control));
        }
    }

    #[test]
    fn a_sandbox_is_seen_wherever_it_is(before in "(/[a-z.-]{1,12}){0,4}", after in "(/[a-z.-]{1,12}){0,4}") {
        let cgroups = format!("0::{before}/app-flatpak-org.example.App-1.scope{after}");
        prop_assert_eq!(in_cgroups(&cgroups), sandboxed("org.example.App"));
    }
}
