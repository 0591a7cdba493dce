//! Moving to another machine: `imgurctl export` here, `imgurctl import` there.

use std::fs;
use std::path::PathBuf;

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Endpoint, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Daemon, Output, Scene, Testbed, account_arguments, binary};
use serde_json::{Value, json};

const PASSPHRASE: &str = "correct horse battery";

/// The machine to move from.
fn scene() -> Scene {
    Scene::memory(Behaviour { rotation: Rotation::Plain, ..Behaviour::default() }).signed_in()
}

/// The machine to move to, without accounts.
struct Elsewhere {
    _daemon: Daemon,
    bed: Testbed,
}

impl Elsewhere {
    fn new() -> Self {
        let bed = Testbed::memory();
        Self { _daemon: bed.daemon(), bed }
    }

    fn import(&self, text: &str, options: &[&str]) -> Output {
        import(&self.bed, text, options)
    }

    fn account(&self, name: &str) -> Account {
        serde_json::from_value(self.bed.ctl(&["account", "show", name, "--json"]).success().json()).unwrap()
    }

    fn has_no_account(&self) -> bool {
        self.bed.ctl(&["account", "list", "--json"]).success().json()["accounts"] == json!([])
    }
}

fn passphrase_file(bed: &Testbed, passphrase: &str) -> PathBuf {
    let file = bed.root().join("passphrase");
    fs::write(&file, format!("{passphrase}\nand no more of it\n")).unwrap();
    file
}

fn import(bed: &Testbed, text: &str, options: &[&str]) -> Output {
    let file = passphrase_file(bed, PASSPHRASE);
    let arguments = [&["import", "--passphrase-file", file.to_str().unwrap()], options].concat();
    bed.ctl_with(&arguments, text)
}

fn export(scene: &Scene, options: &[&str]) -> Output {
    let file = passphrase_file(&scene.bed, PASSPHRASE);
    scene.ctl(&[&["export", ACCOUNT, "--passphrase-file", file.to_str().unwrap()], options].concat())
}

#[test]
fn an_export_and_an_import_move_an_account_to_another_machine() {
    let scene = scene();
    scene.ctl(&["account", "set", "--scope", "a b", "--auth-param", "x=y"]).success();
    let exported = export(&scene, &[]).success();
    assert!(exported.stdout.starts_with("-----BEGIN IMGURD EXPORT-----\n"), "{}", exported.stdout);
    assert!(exported.stderr.contains("`imgurctl account remove mytoken`"), "{}", exported.stderr);
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);

    let elsewhere = Elsewhere::new();
    let imported = elsewhere.import(&exported.stdout, &[]).success();
    assert!(imported.stderr.contains("signed in as alice"), "{}", imported.stderr);
    let account = elsewhere.account(ACCOUNT);
    assert_eq!((account.state, account.is_default), (State::Fresh, true));
    assert_eq!(account.settings, scene.account().settings);
    // The export contains the client secret.
    elsewhere.bed.ctl(&["refresh"]).success();
    assert!(scene.fake.is_live(elsewhere.bed.ctl(&["token"]).success().line()));
    elsewhere.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

#[test]
fn an_export_can_be_imported_under_another_name_or_into_an_account() {
    let scene = scene();
    let exported = export(&scene, &[]).success().stdout;
    let elsewhere = Elsewhere::new();
    elsewhere.bed.ctl_with(&account_arguments(&scene.fake, "other"), "a wrong secret").success();
    elsewhere.bed.ctl(&["account", "set", "other", "--scope", "mine"]).success();
    elsewhere.import(&exported, &["other"]).success();
    let account = elsewhere.account("other");
    assert_eq!((account.state, account.settings.scope.as_deref()), (State::Fresh, Some("mine")));
    elsewhere.bed.ctl(&["refresh", "other"]).success();

    // An account with another client ID is not changed.
    elsewhere.bed.ctl(&["account", "add", ACCOUNT, "--client-id", "another"]).success();
    let refused = elsewhere.import(&exported, &[]).exits(2);
    assert!(refused.complaint().contains("imgurctl import OTHER"), "{}", refused.stderr);
    assert_eq!(elsewhere.account(ACCOUNT).state, State::Empty);
}

#[test]
fn a_wrong_passphrase_or_a_damaged_export_changes_nothing() {
    let scene = scene();
    let exported = export(&scene, &[]).success().stdout;
    let elsewhere = Elsewhere::new();
    let wrong = passphrase_file(&scene.bed, "correct horse batterz");
    let refused =
        elsewhere.bed.ctl_with(&["import", "--passphrase-file", wrong.to_str().unwrap()], &exported).exits(2);
    assert!(refused.complaint().contains("the passphrase is wrong"), "{}", refused.stderr);
    let lines: Vec<_> = exported.lines().collect();
    let without_a_line = [&lines[..lines.len() - 2], &lines[lines.len() - 1..]].concat().join("\n");
    for damaged in [&without_a_line, &exported[..exported.len() / 2]] {
        let refused = elsewhere.import(damaged, &[]).exits(2);
        assert!(refused.complaint().contains("damaged"), "{}", refused.stderr);
    }
    assert!(elsewhere.has_no_account());
    let spent = scene.fake.requests(Endpoint::Token).len();
    elsewhere.import(&exported.replace('\n', "\r\n"), &[]).success();
    assert_eq!(
        scene.fake.requests(Endpoint::Token).len(),
        spent + 1,
        "only the valid import sent the refresh token"
    );
}

#[test]
fn export_move_removes_the_account_and_can_be_imported_back() {
    let scene = scene();
    let moved = export(&scene, &["--move"]).success();
    assert!(moved.stderr.contains("removed it here"), "{}", moved.stderr);
    scene.ctl(&["token", ACCOUNT]).exits(3).complaint();
    // The user moves back to this machine.
    import(&scene.bed, &moved.stdout, &[]).success();
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn export_move_keeps_the_account_if_the_output_fails() {
    let scene = scene();
    let file = passphrase_file(&scene.bed, PASSPHRASE);
    for (redirection, code, complaint) in [
        (">/dev/full", 1, "cannot write"),
        (">/dev/null", 2, "the export would be lost"),
        (">&-", 2, "the export would be lost"),
    ] {
        let mut command = scene.bed.command("sh");
        let line = format!("exec \"$0\" export --move --passphrase-file \"$1\" {redirection}");
        command.arg("-c").arg(line).arg(binary("imgurctl")).arg(&file);
        let failed = scene.bed.start(command).finish().exits(code);
        assert!(failed.complaint().contains(complaint), "{redirection}: {}", failed.stderr);
    }
    assert_eq!(scene.account().state, State::Fresh);
}

#[test]
fn export_is_recorded_and_follows_the_access_rules() {
    let scene = scene();
    export(&scene, &["--json"]).success();
    let journal = scene.ctl(&["journal", "--json"]).success().stdout;
    let noted = |line: &str| serde_json::from_str::<Value>(line).unwrap()["method"] == "ExportGrant";
    assert!(journal.lines().any(noted), "{journal}");

    let mut strict = Scene::new(Testbed::memory(), Behaviour::default()).signed_in();
    let text = fs::read_to_string(strict.bed.config_file()).unwrap();
    strict.bed.configure(&format!("{text}\n[access]\nunsandboxed = \"deny\"\n"));
    strict.daemon().reload();
    export(&strict, &[]).exits(5).complaint();
}

#[test]
fn export_needs_a_grant_and_a_passphrase() {
    let scene = Scene::memory(Behaviour::default());
    export(&scene, &[]).exits(4).complaint();
    scene.ctl(&["export", "nobody"]).exits(3).complaint();
    for passphrase in ["", "short"] {
        let file = passphrase_file(&scene.bed, passphrase);
        scene.ctl(&["export", "--passphrase-file", file.to_str().unwrap()]).exits(2).complaint();
    }
    scene.ctl(&["export", "--passphrase-file", "/nowhere"]).exits(2).complaint();
    // A process in its own session has no terminal.
    let mut command = scene.bed.command("setsid");
    command.arg("--wait").arg(binary("imgurctl")).arg("export");
    let refused = scene.bed.start(command).finish().exits(2);
    assert!(refused.complaint().contains("--passphrase-file"), "{}", refused.stderr);
}

#[test]
fn export_is_refused_during_a_refresh() {
    let scene = scene();
    let gate = scene.fake.hold(Endpoint::Token);
    let begun = scene.fake.requests(Endpoint::Token).len();
    let refresh = scene.bed.ctl_spawn(&["refresh"]);
    scene.fake.wait_for_requests(Endpoint::Token, begun + 1);
    let refused = export(&scene, &[]).exits(6);
    assert!(refused.complaint().contains("imgurd is refreshing mytoken"), "{}", refused.stderr);
    drop(gate);
    refresh.finish().success();
    let elsewhere = Elsewhere::new();
    elsewhere.import(&export(&scene, &["--move"]).success().stdout, &[]).success();
}

#[test]
fn an_import_while_the_server_is_down_is_verified_later() {
    let mut scene = scene();
    let exported = export(&scene, &["--move"]).success().stdout;
    scene.fake.go_down();
    let elsewhere = Elsewhere::new();
    let imported = elsewhere.import(&exported, &[]).success();
    assert!(imported.stderr.contains("not verified yet"), "{}", imported.stderr);
    scene.fake.come_back();
    elsewhere.bed.wait_until(ACCOUNT, |account| account.state == State::Fresh);
    assert!(scene.fake.is_live(elsewhere.bed.ctl(&["token"]).success().line()));
}
