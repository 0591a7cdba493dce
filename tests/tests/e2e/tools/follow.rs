//! `imgurctl token --follow --output`: a file with the current token.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Program, Scene, wait_for_content};
use rustix::process::Signal;

/// The path of a token file in a new directory.
fn file(scene: &Scene) -> PathBuf {
    let directory = scene.bed.root().join("tokens");
    fs::create_dir(&directory).unwrap();
    directory.join("token")
}

fn follow(scene: &Scene, file: &Path, options: &[&str]) -> Program {
    let arguments = [&["token", "--follow", "--output", file.to_str().unwrap()], options].concat();
    scene.bed.ctl_spawn(&arguments)
}

fn end(program: Program) -> String {
    program.signal(Signal::TERM);
    let output = program.finish();
    assert_eq!((output.code, output.stdout.as_str()), (None, ""), "{}", output.stderr);
    output.stderr
}

#[test]
fn follow_writes_each_new_token_to_a_private_file() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let file = file(&scene);
    let following = follow(&scene, &file, &[]);
    wait_for_content(&file, |text| text == format!("{}\n", scene.token()));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let before = fs::metadata(&file).unwrap().ino();
    let new = scene.refresh();
    wait_for_content(&file, |text| text == format!("{new}\n"));
    assert_ne!(fs::metadata(&file).unwrap().ino(), before, "the file was replaced, not overwritten");
    assert_eq!(
        fs::read_dir(file.parent().unwrap()).unwrap().count(),
        1,
        "no other file remains in the directory"
    );

    // A rejection brings a new token for all programs.
    let other = scene.ctl_with(&["reject"], &new).success().line().to_owned();
    wait_for_content(&file, |text| text == format!("{other}\n"));
    let said = end(following);
    assert!(said.contains("Wrote the token of mytoken to ") && said.contains("; it expires in "), "{said}");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!("{other}\n"),
        "the file remains when the program ends"
    );
}

#[test]
fn follow_can_write_a_header_or_json() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let file = file(&scene);
    let following = follow(&scene, &file, &["--header", "-q"]);
    wait_for_content(&file, |text| text == format!("Authorization: Bearer {}\n", scene.token()));
    assert_eq!(end(following), "");
    let following = follow(&scene, &file, &["--json"]);
    let text = wait_for_content(&file, |text| text.starts_with('{'));
    assert_eq!(text, scene.ctl(&["token", "--json"]).success().stdout);
    assert_eq!(end(following), "");
}

#[test]
fn follow_survives_restarts_of_the_daemon() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    let file = file(&scene);
    scene.stop();
    let following = follow(&scene, &file, &[]);
    scene.start();
    let first = scene.token();
    wait_for_content(&file, |text| text == format!("{first}\n"));
    scene.restart();
    let second = scene.refresh();
    assert_ne!(first, second);
    wait_for_content(&file, |text| text == format!("{second}\n"));
    scene.crash();
    scene.start();
    let third = scene.refresh();
    wait_for_content(&file, |text| text == format!("{third}\n"));
    end(following);
}

#[test]
fn follow_reports_a_missing_token_and_waits_for_the_next() {
    let scene = Scene::memory(Behaviour::default());
    let file = file(&scene);
    let following = follow(&scene, &file, &[]);
    scene.bed.sign_in(&scene.fake, "mytoken");
    wait_for_content(&file, |text| text == format!("{}\n", scene.token()));
    scene.ctl(&["logout"]).success();
    scene.bed.sign_in(&scene.fake, "mytoken");
    wait_for_content(&file, |text| text == format!("{}\n", scene.token()));
    let said = end(following);
    assert!(said.contains("imgurctl: Nobody is signed in; run `imgurctl login mytoken`\n"), "{said}");
}

#[test]
fn follow_restores_a_file_that_was_deleted_or_changed() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let file = file(&scene);
    let following = follow(&scene, &file, &[]);
    let text = format!("{}\n", scene.token());
    let is_private = || fs::metadata(&file).is_ok_and(|found| found.mode() & 0o777 == 0o600);
    let is_back = || drop(wait_for_content(&file, |found| found == text && is_private()));
    is_back();
    fs::remove_file(&file).unwrap();
    is_back();
    fs::rename(&file, file.with_file_name("elsewhere")).unwrap();
    is_back();
    fs::remove_file(file.with_file_name("elsewhere")).unwrap();
    fs::write(&file, "").unwrap();
    is_back();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    is_back();
    fs::write(&file, text.to_uppercase()).unwrap();
    is_back();
    OpenOptions::new().append(true).open(&file).unwrap().write_all(b"more").unwrap();
    is_back();
    let other = file.with_file_name("other");
    fs::write(&other, "another").unwrap();
    fs::rename(&other, &file).unwrap();
    is_back();
    assert_eq!(
        fs::read_dir(file.parent().unwrap()).unwrap().count(),
        1,
        "no other file remains in the directory"
    );
    end(following);
    fs::remove_file(&file).unwrap();
}

#[test]
fn a_second_follower_of_the_same_file_is_refused_until_the_first_one_ends() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let file = file(&scene);
    let first = follow(&scene, &file, &[]);
    wait_for_content(&file, |text| text == format!("{}\n", scene.token()));
    let refused = follow(&scene, &file, &["--header"]).finish().exits(2);
    assert!(refused.complaint().contains("another `imgurctl token --follow` keeps"), "{}", refused.stderr);
    let elsewhere = file.with_file_name("elsewhere");
    let other = follow(&scene, &elsewhere, &["--header"]);
    let new = scene.refresh();
    wait_for_content(&file, |text| text == format!("{new}\n"));
    wait_for_content(&elsewhere, |text| text == format!("Authorization: Bearer {new}\n"));
    end(other);
    first.signal(Signal::KILL);
    first.finish();
    let second = follow(&scene, &file, &["--header"]);
    wait_for_content(&file, |text| text == format!("Authorization: Bearer {new}\n"));
    end(second);
}

#[test]
fn follow_restores_the_file_when_its_directory_is_replaced() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let parent = scene.bed.root().join("parent");
    let directory = parent.join("tokens");
    let file = directory.join("token");
    fs::create_dir_all(&directory).unwrap();
    let following = follow(&scene, &file, &[]);
    let text = format!("{}\n", scene.token());
    wait_for_content(&file, |found| found == text);
    fs::rename(&directory, scene.bed.root().join("old")).unwrap();
    fs::create_dir(&directory).unwrap();
    wait_for_content(&file, |found| found == text);
    fs::rename(&parent, scene.bed.root().join("moved")).unwrap();
    fs::create_dir_all(&directory).unwrap();
    wait_for_content(&file, |found| found == text);
    // A new token while the directory is missing must not stop this.
    fs::rename(&parent, scene.bed.root().join("gone")).unwrap();
    let new = format!("{}\n", scene.refresh());
    fs::create_dir_all(&directory).unwrap();
    wait_for_content(&file, |found| found == new);
    let said = end(following);
    assert!(said.lines().count() < 10, "{said}");
}

#[test]
fn follow_refuses_an_unusable_account_or_path_at_once() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let file = file(&scene);
    let follow = |file: &Path, options: &[&str]| follow(&scene, file, options).finish();
    follow(&file, &["nobody"]).exits(3).complaint();
    symlink("elsewhere", &file).unwrap();
    assert!(follow(&file, &[]).exits(2).complaint().contains("symbolic link"));
    assert!(!file.with_file_name("elsewhere").exists());
    follow(&file.with_file_name("none").join("token"), &[]).exits(2).complaint();
    follow(Path::new("/dev/null"), &[]).exits(2).complaint();
}
