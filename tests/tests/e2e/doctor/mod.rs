//! `imgurctl doctor` finds each problem that it knows, and reports none on a working machine.

mod desktop;
mod machine;
mod servers;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use imgurd_proto::{Finding, Health};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Output, Scene, Testbed, in_time};
use tokio::task::spawn_blocking;

use crate::notify::{BUTTONS, Server};

/// The findings of `imgurctl doctor`.
#[derive(Debug)]
struct Findings {
    code: Option<i32>,
    all: Vec<Finding>,
}

impl Findings {
    fn of(output: &Output) -> Self {
        let all = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        Self { code: output.code, all }
    }

    /// The finding of `check` whose text contains `part`.
    fn find(&self, check: &str, part: &str) -> &Finding {
        let found = self.all.iter().find(|finding| finding.check == check && finding.detail.contains(part));
        found.unwrap_or_else(|| panic!("{check} does not say {part}: {self:#?}"))
    }

    /// Fails unless the doctor found this problem and gave this advice.
    fn expect(&self, check: &str, result: Health, part: &str, hint: &str) {
        let found = self.find(check, part);
        assert_eq!(found.result, result, "{found:?}");
        assert!(found.to_string().contains(hint), "{found:?}");
        if result == Health::Fail {
            assert_eq!(self.code, Some(1));
        }
    }

    fn expect_ok(&self, check: &str, part: &str) {
        assert_eq!(self.find(check, part).result, Health::Ok, "{self:#?}");
    }
}

/// Runs the doctor.
fn examine(bed: &Testbed) -> Findings {
    Findings::of(&bed.ctl(&["doctor", "--json"]))
}

/// The same, while an object of this thread answers on the bus.
async fn examine_meanwhile(bed: &Testbed) -> Findings {
    let doctor = bed.ctl_spawn(&["doctor", "--json"]);
    Findings::of(&spawn_blocking(move || doctor.finish()).await.unwrap())
}

/// Puts a program with this name in front of all others in `PATH`.
fn stand_in(bed: &Testbed, name: &str, script: &str) {
    let directory = bed.root().join("bin");
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([directory].into_iter().chain(std::env::split_paths(&others)));
    bed.set_env("PATH", path.unwrap());
}

/// A `systemctl` that reports these load, active and file states of the service and of the socket.
fn service_manager(bed: &Testbed, units: [[&str; 3]; 2]) {
    let blocks = units.map(|[load, active, file]| {
        format!("echo LoadState={load}; echo ActiveState={active}; echo UnitFileState={file}")
    });
    stand_in(bed, "systemctl", &blocks.join("; echo; "));
}

/// The states after `systemctl --user enable --now imgurd`.
const ENABLED: [&str; 3] = ["loaded", "active", "enabled"];

/// A browser that opens nothing.
fn browser(bed: &Testbed) {
    stand_in(bed, "a-browser", "");
    bed.set_env("BROWSER", bed.root().join("bin/a-browser"));
}

#[test]
fn finds_no_problem_on_a_working_machine() {
    let bed = Testbed::file();
    let _bus = bed.bus();
    service_manager(&bed, [ENABLED, ENABLED]);
    stand_in(&bed, "loginctl", "echo Linger=yes; echo Display=");
    browser(&bed);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    in_time(async {
        let _server = Server::start(&scene.bed, BUTTONS).await;
        let findings = examine_meanwhile(&scene.bed).await;
        assert!(findings.all.iter().all(|found| found.result == Health::Ok), "{findings:#?}");
        assert!(findings.all.iter().all(|found| found.hint.is_none()), "{findings:#?}");
        assert_eq!(findings.code, Some(0));
        for check in [
            "daemon",
            "service",
            "socket",
            "linger",
            "files",
            "configuration",
            "disk",
            "bus",
            "store",
            "notifications",
            "browser",
            "login",
            "auth_url",
            "token_url",
            "api_url",
            "clock",
            "callback",
            "account",
        ] {
            findings.find(check, "");
        }
    });
}

#[test]
fn the_output_has_no_secret_username_or_home_directory() {
    let scene = Scene::file(Behaviour { username: "a-person".into(), ..Behaviour::default() }).signed_in();
    scene.bed.set_env("HOME", scene.bed.root());
    let json = scene.bed.ctl(&["doctor", "--json"]);
    let text = scene.bed.ctl(&["doctor"]);
    for said in [&json.stdout, &text.stdout] {
        assert!(!said.contains("a-person") && !said.contains(scene.bed.root().to_str().unwrap()), "{said}");
    }
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

#[test]
fn the_advice_is_on_the_line_below_the_problem() {
    let bed = Testbed::memory();
    let _daemon = bed.daemon();
    let text = bed.ctl(&["doctor"]).success();
    let json = Findings::of(&bed.ctl(&["doctor", "--json"]));
    let lines: Vec<_> = text.stdout.lines().collect();
    let begins = |line: &&&str| !line.starts_with(' ');
    assert_eq!(lines.iter().filter(begins).count(), json.all.len(), "{}", text.stdout);
    let problem = lines.iter().position(|line| line.ends_with("There is no account yet")).expect("a problem");
    assert!(lines[problem].starts_with("warn  account "), "{}", text.stdout);
    assert_eq!(lines[problem + 1].trim_start(), "→ add one with `imgurctl account add NAME`");
    assert!(text.stderr.starts_with("No check failed, "), "{}", text.stderr);
}
