//! Sandboxes in services, where desktops start their applications.

use std::fs;

use imgurd_proto::dbus::{BUS_NAME, PATH};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Program, Scene, Testbed, needs_root};
use imgurd_tests::wire::token_of;
use serde_json::json;

use super::callers::{Cgroup, OVER_THE_BUS, ask, get_token, gets_nothing};
use crate::access::table::RELAY;

/// The service of a KDE application; a service with cgroups of its own; a scope whose child is only named like a
/// service.
const SERVICES: [&str; 3] =
    ["app-org.example.App@1.service", "app-org.example.App@1.service/sub", "app-x-7.scope/foo.service"];

/// None of these sandboxes has its own process or root namespace, or a parent whose name tells.
const SANDBOXES: [&str; 6] = [
    r#"unshare -Urm "$@"; true"#,
    r#"unshare -U "$@"; true"#,
    r#"unshare -Urmn sh -c 'mount -t tmpfs x /home; "$@"' sh "$@"; true"#,
    r#"mkdir -p r; unshare -Urm sh -c 'mount --rbind / r; cd r; pivot_root . mnt; exec chroot . "$@"' sh "$@"; true"#,
    r#"./mybw --unshare-user --ro-bind / / --tmpfs /home --dev /dev --bind "$PWD/.." "$PWD/.." sh -c '"$@"; true' sh "$@"; true"#,
    // The parent process has ended, but another process of the service has not.
    r#"{ unshare -Urm "$@" <&3 & } 3<&0 | cat"#,
];

/// What systemd does for `PrivateUsers=`: all processes of the service are in its own user namespace.
const PRIVATE_USERS: &str = r#"exec unshare -Ur sh -c '"$@"; true' sh "$@""#;

/// A sandbox inside such a service.
const SANDBOX_IN_PRIVATE_USERS: &str = r#"exec unshare -Ur sh -c 'unshare -U "$@"; true' sh "$@""#;

/// A daemon that may examine other processes, and one in a user namespace, like the hardened unit.
fn scenes() -> [Scene; 2] {
    [&[][..], &["unshare", "--user", "--map-root-user"]].map(|launcher| {
        let bed = Testbed::memory();
        bed.launch_by(launcher.iter().copied());
        let scene = Scene::new(bed, Behaviour::default()).signed_in();
        fs::copy("/usr/bin/bwrap", scene.bed.home().join("mybw")).expect("bubblewrap is installed");
        scene
    })
}

fn started(scene: &Scene, cgroup: &Cgroup, script: &str) -> Program {
    let socket = scene.bed.socket();
    let relay = ["/usr/bin/python3", "-c", RELAY, socket.to_str().unwrap()];
    scene.bed.start(cgroup.running(&scene.bed, script, &relay))
}

#[test]
fn a_nameless_sandbox_in_a_service_counts_as_sandboxed() {
    if !needs_root("namespaces and cgroups") {
        return;
    }
    for scene in scenes() {
        for name in SERVICES {
            let cgroup = Cgroup::new(name);
            for script in SANDBOXES.into_iter().chain([SANDBOX_IN_PRIVATE_USERS]) {
                let mut program = started(&scene, &cgroup, script);
                gets_nothing(&mut program, &format!("{name}: {script}"));
                program.finish();
            }
        }
    }
}

#[test]
fn a_service_gets_tokens_with_and_without_private_users() {
    if !needs_root("namespaces and cgroups") {
        return;
    }
    for scene in scenes() {
        for name in SERVICES {
            let cgroup = Cgroup::new(name);
            for script in [r#""$@"; true"#, PRIVATE_USERS] {
                let mut program = started(&scene, &cgroup, script);
                // systemd has no `PrivateUsers=` for scopes.
                if script == PRIVATE_USERS && name.contains(".scope") {
                    gets_nothing(&mut program, name);
                } else {
                    token_of(&ask(&mut program, &get_token(&json!({}))));
                }
                program.finish();
            }
        }
    }
}

#[test]
fn a_sandbox_in_a_service_counts_as_sandboxed_on_the_bus() {
    if !needs_root("namespaces and cgroups") {
        return;
    }
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let cgroup = Cgroup::new(SERVICES[0]);
    let call = ["/usr/bin/python3", "-c", OVER_THE_BUS, BUS_NAME, PATH];
    let run = |script| scene.bed.start(cgroup.running(&scene.bed, script, &call)).finish();
    let refused = run(r#"unshare -Urm "$@"; true"#);
    assert!(refused.stderr.contains("needs your permission") && refused.stdout.is_empty(), "{refused:?}");
    assert_eq!(run(r#""$@"; true"#).success().line(), scene.token());
}
