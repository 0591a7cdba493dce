use proptest::prelude::*;
use rstest::rstest;

use super::*;

const APPS: &str = "0::/user.slice/user-1000.slice/user@1000.service/app.slice";

fn sandboxed(name: &str) -> Application {
    Application::Sandbox(name.to_owned())
}

fn in_unit(name: &str) -> Application {
    Application::Unit(name.to_owned())
}

fn in_cgroups(cgroups: &str) -> Application {
    application(cgroups, "")
}

#[rstest]
#[case("app-flatpak-org.mozilla.firefox-1234.scope", "org.mozilla.firefox")]
#[case("app-flatpak-org.example.my\\x2dapp-99.scope", "org.example.my-app")]
#[case("app-flatpak-org.example.App-7.scope/a-group-of-its-own.service", "org.example.App")]
#[case("app-flatpak-org.example.App-7.scope (deleted)", "org.example.App")]
#[case("snap.spotify.spotify-0f9ee5f4-1111-2222-3333-444455556666.scope", "snap.spotify")]
#[case("snap.lxd.daemon.service", "snap.lxd")]
fn identifies_a_sandbox_by_its_cgroup(#[case] cgroup: &str, #[case] name: &str) {
    assert_eq!(in_cgroups(&format!("{APPS}/{cgroup}\n")), sandboxed(name));
    assert!(sandboxed(name).is_sandboxed());
}

/// Cgroups that indicate a sandbox and have no reliable name.
const NAMELESS: [&str; 43] = [
    "app-flatpak-.scope",
    "app-flatpak-org.example.App",
    "app-flatpak-org.example.App-7.slice",
    "app-flatpak-org.example.App\\x0a-7.scope",
    "app-flatpak-org.example.\\xe2\\x80\\x8bApp-7.scope",
    "app\\x2dflatpak\\x2dorg.example.App-7.scope",
    "flatpak-org.example.App-7.scope",
    "snap.scope",
    "snap.viewer",
    "snap..x.scope",
    "libpod-0123.scope/container",
    "libpod-conmon-0123.scope",
    "libpod_parent/libpod-0123",
    "podman-4711.scope",
    "docker-0123.scope",
    "docker/0123",
    "docker.service/0123",
    "lxc/box",
    "lxc.payload.box",
    "lxc.monitor.box",
    "machine-box.scope",
    "machine.slice/box.service",
    "systemd-nspawn@box.service",
    "firejail-7.scope",
    "crio-0123.scope",
    "cri-containerd-0123.scope",
    "kubepods.slice/kubepods-pod1.slice",
    "nerdctl-0123.scope",
    "bwrap-7.scope",
    "apptainer-7.scope",
    "incus.payload.box",
    "incus.payload/box",
    "incus/box",
    "crun-0123.scope",
    "runc-buildah-buildah0123.scope",
    "buildah-buildah0123",
    "youki-0123.scope",
    ":youki:0123",
    "NSJAIL/NSJAIL.4711",
    "NSJAIL_SELF.4711",
    "lxd/box",
    "lxd.payload.box",
    "app-firejail\\x2dviewer@0123.service",
];

#[test]
fn a_malformed_sandbox_cgroup_counts_as_a_sandbox() {
    for cgroup in NAMELESS {
        for line in
            [format!("{APPS}/{cgroup}\n"), format!("0::/\n7:freezer:/{cgroup}\n"), format!("0::/{cgroup}/x")]
        {
            assert_eq!(in_cgroups(&line), Application::Nameless, "{line}");
        }
    }
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
#[case("snapd.service", "snapd.service")]
#[case("app-docker\\x2ddesktop-7.scope", "app-docker-desktop.scope")]
#[case("app-org.flatpak.Builder-7.scope", "app-org.flatpak.Builder.scope")]
#[case("flatpak\\x2dsession\\x2dhelper", "")]
fn identifies_a_unit_by_the_constant_part_of_its_name(#[case] cgroup: &str, #[case] name: &str) {
    if name.is_empty() {
        assert_eq!(in_cgroups(&format!("{APPS}/{cgroup}\n")), Application::Nameless);
        return;
    }
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
#[case("1:name=systemd:/app-flatpak-a.b.C-7.scope\n0::/app-flatpak-a.b.D-7.scope", Application::Nameless)]
#[case("0::/.scope", Application::Unknown)]
#[case("nonsense\n:\n::", Application::Unknown)]
#[case("", Application::Unknown)]
fn reads_cgroups_of_versions_1_and_2_and_hybrid(#[case] cgroups: &str, #[case] application: Application) {
    assert_eq!(in_cgroups(cgroups), application);
}

#[test]
fn a_container_shared_with_the_daemon_does_not_count() {
    let home = "3:cpu:/docker/0123\n0::/docker/0123/app.slice/imgurd.service\n";
    for (cgroups, expected) in [
        ("0::/docker/0123/app.slice/x.service", in_unit("x.service")),
        ("0::/docker/0123", Application::Unknown),
        ("3:cpu:/docker/0123\n0::/", Application::Unknown),
        ("0::/docker/4567", Application::Nameless),
        ("0::/docker/01234", Application::Nameless),
        ("3:cpu:/docker/4567\n0::/docker/0123", Application::Nameless),
        ("0::/docker/0123/docker/0123", Application::Nameless),
        ("0::/docker/0123/app.slice/app-flatpak-org.example.App-7.scope", sandboxed("org.example.App")),
    ] {
        assert_eq!(application(cgroups, home), expected, "{cgroups}");
    }
}

#[rstest]
#[case("0::/user.slice/user@1.service/app.slice/app-x@1.service", "", &[("", "/user.slice/user@1.service/app.slice/app-x@1.service")])]
#[case("0::/a.service/b/c.service", "", &[("", "/a.service")])]
#[case("0::/a.service (deleted)", "", &[("", "/a.service")])]
#[case("1:name=systemd:/a.service\n4:memory:/b.service\n0::/", "", &[("name=systemd", "/a.service")])]
#[case("1:name=systemd:/a.service\n0::/a.service/b", "", &[("name=systemd", "/a.service"), ("", "/a.service")])]
#[case("0::/docker.service/01/a.service/b", "0::/docker.service/01/imgurd.service", &[("", "/docker.service/01/a.service")])]
#[case("0::/libpod-0123.scope/a.service/b", "0::/libpod-0123.scope/c", &[("", "/libpod-0123.scope/a.service")])]
#[case("0::/app-x.scope/a.service", "", &[])]
#[case("0::/app-x.scope/a.service", "0::/app-x.scope", &[])]
#[case("0::/a.service/b.scope", "", &[])]
#[case("1:name=systemd:/session-3.scope\n0::/a.service", "", &[])]
#[case("0::/user.slice/user@1.service/x", "", &[])]
#[case("0::/a.slice/b", "", &[])]
#[case("", "", &[])]
fn finds_the_service_of_a_cgroup_unless_it_is_in_a_scope(
    #[case] cgroups: &str,
    #[case] home: &str,
    #[case] expected: &[(&str, &str)],
) {
    assert_eq!(services(cgroups, home).unwrap_or_default(), expected);
}

#[test]
fn identifies_a_snap_by_its_apparmor_label() {
    assert_eq!(labelled(b"snap.spotify.spotify (enforce)\n"), Some(sandboxed("snap.spotify")));
    assert_eq!(labelled(b"snap.odd"), Some(Application::Nameless));
    for label in [&b"unconfined\n"[..], b"firefox (enforce)", b"\xff", b""] {
        assert_eq!(labelled(label), None);
    }
}

proptest! {
    #[test]
    fn names_from_cgroups_have_no_control_characters(text in "[\\x00-\\x7f]{0,80}", file in any::<String>()) {
        for cgroups in [file.clone(), format!("0::/{text}.service"), format!("0::/app-flatpak-{text}-1.scope")] {
            let name = in_cgroups(&cgroups).name().to_owned();
            prop_assert!(!name.contains(char::is_control));
        }
    }

    #[test]
    fn a_sandbox_marker_anywhere_in_a_cgroup_counts(
        before in "(/[a-z.-]{1,12}){0,4}",
        marker in prop::sample::select(NAMELESS.to_vec()),
        after in "(/[a-z.-]{1,12}){0,4}",
        others in "([0-9]:[a-z]{0,3}:(/[a-z.-]{0,9}){0,3}\n){0,3}",
    ) {
        for cgroups in [
            format!("{others}0::{before}/{marker}{after}"),
            format!("5:pids:{before}/{marker}{after}\n{others}"),
        ] {
            prop_assert!(in_cgroups(&cgroups).is_sandboxed(), "{}", cgroups);
        }
        let flatpak = format!("0::{before}/app-flatpak-org.example.App-1.scope{after}/{marker}");
        prop_assert!(in_cgroups(&flatpak).is_sandboxed());
    }
}
