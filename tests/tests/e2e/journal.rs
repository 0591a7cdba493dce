//! The journal records which callers got a token or were refused, and does not delay them.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use imgurd_proto::dbus::KeeperProxy;
use imgurd_proto::{JournalEntry, Outcome, Secret, Wire};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed, binary, in_time, needs_root};
use imgurd_tests::wire::{error_of, token_of};
use serde_json::json;

/// The most bytes that one file of the journal has.
const LIMIT: u64 = 1024 * 1024;

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

/// A scene whose grant survives a restart.
fn lasting() -> Scene {
    Scene::file(Behaviour::default()).signed_in()
}

fn file(bed: &Testbed) -> PathBuf {
    bed.state_home().join("imgurd/journal")
}

/// The entries of `imgurctl journal --json` with these further arguments.
fn journal(scene: &Scene, arguments: &[&str]) -> Vec<JournalEntry> {
    let output = scene.ctl(&[&["journal", "--json"], arguments].concat()).success();
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn in_file(path: &Path) -> Vec<JournalEntry> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text with single blanks instead of columns.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_entry_names_the_program_the_account_and_the_wire() {
    let scene = scene();
    let before = crate::now();
    scene.token();
    let entries = journal(&scene, &[]);
    let [entry] = &entries[..] else { panic!("expected one entry: {entries:?}") };
    assert_eq!((entry.outcome, entry.wire, entry.count), (Outcome::Granted, Wire::Socket, 1));
    assert_eq!(entry.account.as_deref(), Some(ACCOUNT));
    assert_eq!(entry.method.as_deref(), Some("GetToken"));
    let program = fs::canonicalize(binary("imgurctl")).unwrap();
    assert_eq!(entry.program.as_deref(), program.to_str());
    assert_eq!(entry.uid, rustix::process::getuid().as_raw());
    assert!(!entry.sandboxed && entry.pid.is_some() && !entry.application.is_empty());
    assert!((before..=crate::now()).contains(&entry.at));
    assert_eq!(in_file(&file(&scene.bed)), entries, "the file has the same entries");

    let table = scene.ctl(&["journal"]).success().stdout.clone();
    assert!(words(&table).starts_with("TIME ACCOUNT RESULT APPLICATION PROGRAM VIA "), "{table}");
    assert!(words(&table).contains(" mytoken token "), "{table}");
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

#[test]
fn rejections_and_refreshes_are_recorded() {
    let scene = scene();
    let token = scene.token();
    scene.ctl_with(&["reject"], &token).success();
    scene.ctl(&["refresh"]).success();
    let methods: Vec<_> = journal(&scene, &[]).into_iter().filter_map(|entry| entry.method).collect();
    assert_eq!(methods, ["GetToken", "RejectToken", "Refresh"]);
    let table = scene.ctl(&["journal"]).success().stdout.clone();
    assert!(table.contains("another token") && table.contains("new token"), "{table}");
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

#[test]
fn the_bus_records_and_reads_the_same_entries() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    scene.token();
    let read = in_time(async {
        let connection = scene.bed.connect().await;
        let keeper = KeeperProxy::new(&connection).await.unwrap();
        let (token, ..): (Secret, _, _) = keeper.get_token("", -1, -1).await.unwrap();
        keeper.get_token_fd("", -1, -1).await.unwrap();
        keeper.reject_token("", &token, -1).await.unwrap();
        assert!(keeper.read_journal("nobody").await.unwrap().is_empty());
        keeper.read_journal(ACCOUNT).await.unwrap()
    });
    let text =
        |number: usize, field: &str| read[number].get(field).and_then(|it| it.downcast_ref::<String>().ok());
    let wires: Vec<_> = (0..read.len()).map(|number| text(number, "wire").unwrap()).collect();
    assert_eq!(wires, ["socket", "bus", "bus", "bus"], "{read:?}");
    let entries = journal(&scene, &[]);
    assert_eq!(entries.len(), 4);
    let us = std::env::current_exe().unwrap();
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(text(number, "application").as_ref(), Some(&entry.application));
        assert_eq!(text(number, "account").as_deref(), Some(ACCOUNT));
    }
    assert_eq!(
        entries[1].program.as_deref(),
        us.to_str(),
        "the entry names the calling program, not the bus"
    );
    assert_eq!(entries[1].pid, i32::try_from(std::process::id()).ok());
}

#[test]
fn a_refused_user_is_recorded() {
    if !needs_root("another user who can open the socket, as root alone can") {
        return;
    }
    let bed = Testbed::memory();
    let daemon = crate::users::daemon_of_nobody(&bed);
    for _ in 0..2 {
        bed.ctl(&["token"]).exits(5);
    }
    assert!(daemon.terminate().success());
    let entries = in_file(&file(&bed).with_added_extension("refused"));
    assert_eq!(entries.iter().map(|entry| entry.count).sum::<u64>(), 2);
    let first = &entries[0];
    assert_eq!(
        (first.outcome, first.wire, first.uid, &first.account),
        (Outcome::Denied, Wire::Socket, 0, &None)
    );
    assert!(first.reason.as_ref().unwrap().contains("another user"), "{first:?}");
}

#[test]
fn repeated_calls_make_one_entry_a_minute() {
    let bed = Testbed::memory();
    bed.set_env("RUST_LOG", "info");
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    let mut wire = scene.bed.wire();
    for _ in 0..500 {
        token_of(&wire.call("GetToken", &json!({})));
    }
    let count = |entries: &[JournalEntry]| entries.iter().map(|entry| entry.count).sum::<u64>();
    let shown = journal(&scene, &[]);
    assert_eq!(count(&shown), 500, "calls that are only counted yet are shown: {shown:?}");
    let daemon = scene.take_daemon();
    let pid = daemon.id();
    daemon.signal(rustix::process::Signal::TERM);
    let log = daemon.log_when_ended(0);
    let lines = log.lines().filter(|line| line.contains("handed out a token")).count();
    let entries = in_file(&file(&scene.bed));
    assert_eq!(count(&entries), 500, "process {pid}: {entries:?}");
    // A minute may have ended meanwhile on a busy machine.
    assert!(
        entries.len() <= 4 && lines == entries.len(),
        "the log has {lines} lines, the journal {} entries",
        entries.len()
    );
    let last = entries.last().unwrap();
    assert!(last.until.unwrap() >= last.at);
}

#[test]
fn the_journal_keeps_two_files_of_limited_size() {
    let mut scene = lasting();
    scene.token();
    scene.stop();
    let path = file(&scene.bed);
    let line = fs::read(&path).unwrap();
    let size = usize::try_from(LIMIT).unwrap();
    fs::write(&path, line.repeat(size / line.len())).unwrap();
    let older = path.with_extension("old");
    fs::write(&older, "of long ago\n".repeat(1000)).unwrap();
    scene.start();
    scene.token();
    assert_eq!(journal(&scene, &[]).len(), size / line.len() + 1);
    assert_eq!(in_file(&path).len(), 1);
    assert_eq!(in_file(&older).len(), size / line.len(), "the file replaces the older one");
    let names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(
        names.iter().filter(|name| name.to_string_lossy().starts_with("journal")).count(),
        2,
        "{names:?}"
    );
}

#[test]
fn other_users_cannot_read_the_journal() {
    let bed = Testbed::file();
    // The file's mode must not depend on the daemon's umask.
    bed.launch_by(["sh", "-c", "umask 0; exec \"$@\"", "sh"]);
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    scene.token();
    journal(&scene, &[]);
    assert_eq!(mode(&file(&scene.bed)), 0o600);
    scene.stop();
    fs::set_permissions(file(&scene.bed), Permissions::from_mode(0o666)).unwrap();
    scene.start();
    scene.token();
    assert_eq!(journal(&scene, &[]).len(), 2);
    assert_eq!(mode(&file(&scene.bed)), 0o600);
}

#[test]
fn the_journal_does_not_follow_a_link() {
    let bed = Testbed::memory();
    let theirs = bed.root().join("theirs");
    fs::write(&theirs, "").unwrap();
    fs::create_dir_all(bed.state_home().join("imgurd")).unwrap();
    symlink(&theirs, file(&bed)).unwrap();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    assert!(scene.fake.is_live(&scene.token()), "tokens are served without a journal");
    let complaint = scene.ctl(&["journal"]).exits(6).complaint().to_owned();
    assert!(complaint.contains("cannot read the journal"), "{complaint}");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "");
}

#[test]
fn a_crash_loses_no_entry() {
    let mut scene = lasting();
    scene.token();
    let before = journal(&scene, &[]);
    scene.crash();
    // An incomplete line, as after a power loss, and an entry of a newer daemon.
    let mut half = OpenOptions::new().append(true).open(file(&scene.bed)).unwrap();
    half.write_all(b"{\"at\":1,\"colour\":\"red\"}\n{\"at\":17000000").unwrap();
    scene.start();
    scene.token();
    let after = journal(&scene, &[]);
    assert_eq!(after.len(), 2, "{after:?}");
    assert_eq!(after[..1], before);
}

#[test]
fn journal_follow_prints_entries_at_once() {
    let scene = scene();
    scene.token();
    let mut following = scene.bed.ctl_spawn(&["journal", ACCOUNT, "--follow", "--json"]);
    let mut for_people = scene.bed.ctl_spawn(&["journal", "--follow"]);
    let mut entry = || serde_json::from_str::<JournalEntry>(&following.line().unwrap()).unwrap();
    assert_eq!(entry().method.as_deref(), Some("GetToken"), "existing entries are printed first");
    assert!(words(&for_people.line().unwrap()).starts_with("TIME ACCOUNT RESULT"));
    assert!(for_people.line().unwrap().contains(" token "));
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    scene.ctl(&["token", "second"]).success();
    scene.ctl(&["refresh"]).success();
    let heard = entry();
    assert_eq!((heard.method.as_deref(), heard.account.as_deref()), (Some("Refresh"), Some(ACCOUNT)));
    assert!(for_people.line().unwrap().contains(" second "));
    assert!(for_people.line().unwrap().contains(" new token "));
    let mut scene = scene;
    scene.stop();
    following.finish().exits(8);
}

#[test]
fn a_journal_stream_marks_the_end_of_the_past_entries() {
    let scene = scene();
    let mut wire = scene.bed.wire();
    assert_eq!(error_of(&wire.call("ReadJournal", &json!({}))), "org.varlink.service.ExpectedMore");
    wire.stream("ReadJournal", &json!({}));
    assert_eq!(wire.answer(), json!({ "parameters": {} }));
    let mut follower = scene.bed.wire();
    follower.stream("ReadJournal", &json!({ "follow": true }));
    assert_eq!(follower.answer(), json!({ "parameters": {}, "continues": true }));
    token_of(&wire.call("GetToken", &json!({})));
    assert_eq!(follower.answer()["parameters"]["entry"]["account"], ACCOUNT);
    assert!(scene.ctl(&["journal", "nobody"]).exits(3).complaint().contains("no account nobody"));
}

#[test]
fn a_full_disk_loses_entries_but_delays_no_caller() {
    let bed = Testbed::memory();
    bed.set_env("RUST_LOG", "info");
    let disk = bed.disk(16);
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    disk.fill_but(0);
    let token = scene.token();
    scene.ctl_with(&["reject"], &token).success();
    scene.ctl(&["refresh"]).success();
    assert_eq!(journal(&scene, &[]), [], "entries are lost while the disk is full");
    disk.clear();
    scene.ctl(&["token", "second"]).success();
    let [entry] = &journal(&scene, &[])[..] else { panic!("expected one entry") };
    assert_eq!(entry.account.as_deref(), Some("second"));
    assert_eq!(in_file(&disk.state().join("journal")).len(), 1);
    let daemon = scene.take_daemon();
    daemon.signal(rustix::process::Signal::TERM);
    let log = daemon.log_when_ended(0);
    assert_eq!(log.matches("cannot write the journal").count(), 1, "the failure is logged once");
}

#[test]
fn a_daemon_in_a_user_namespace_records_the_programs_own_name() {
    let bed = Testbed::memory();
    // As with `PrivateUsers=`: a process in another user namespace may not read which file a program executes.
    bed.launch_by(["unshare", "--user", "--map-root-user"]);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    scene.token();
    let [entry] = &journal(&scene, &[])[..] else { panic!("expected one entry") };
    assert_eq!(entry.program.as_deref(), Some("imgurctl"));
    assert!(!entry.sandboxed, "{entry:?}");
}
