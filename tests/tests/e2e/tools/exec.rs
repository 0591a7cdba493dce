//! `imgurctl exec`: the command takes its place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::Scene;
use rustix::process::Signal;

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

#[test]
fn a_command_has_the_token_in_its_environment_and_nowhere_else() {
    let scene = scene();
    let token = scene.token();
    let print = "printf %s \"$IMGUR_ACCESS_TOKEN\"";
    assert_eq!(scene.ctl(&["exec", "--", "sh", "-c", print]).success().stdout, token);
    let print = "printf %s \"$T\" && ! env | grep -q IMGUR_ACCESS_TOKEN";
    assert_eq!(
        scene.ctl(&["exec", "mytoken", "--env", "T", "--", "sh", "-c", print]).success().stdout,
        token
    );
    let arguments = "tr '\\0' ' ' </proc/$$/cmdline";
    let arguments = scene.ctl(&["exec", "--", "sh", "-c", arguments, "--json"]).success().stdout;
    assert!(arguments.contains("--json") && !arguments.contains(&token), "{arguments}");
}

#[test]
fn a_command_is_the_process_that_was_started() {
    let scene = scene();
    let mut shell = scene.bed.ctl_spawn(&["exec", "--", "sh", "-c", "echo $$; read -r answer; exit 7"]);
    assert_eq!(shell.line(), Some(shell.id().to_string()));
    shell.write("go\n");
    shell.finish().exits(7);

    let mut shell = scene.bed.ctl_spawn(&[
        "exec",
        "--",
        "sh",
        "-c",
        "trap 'exit 5' TERM; echo; while :; do read -r _; done",
    ]);
    shell.line();
    shell.signal(Signal::TERM);
    shell.write("\n");
    shell.finish().exits(5);
}

#[test]
fn a_command_that_cannot_be_run_is_told_of_as_env_does() {
    let scene = scene();
    let none = scene.ctl(&["exec", "--", "no-such-command"]).exits(127);
    assert!(none.complaint().contains("no-such-command"), "{}", none.stderr);
    let file = scene.bed.root().join("file");
    fs::write(&file, "text").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    scene.ctl(&["exec", "--", file.to_str().unwrap()]).exits(126).complaint();
    scene.ctl(&["exec", "--json", "--", "no-such-command"]).exits(127).complaint();
}

#[test]
fn a_command_is_not_run_without_a_token() {
    let scene = Scene::memory(Behaviour::default());
    scene.ctl(&["exec", "--", "echo", "hello"]).exits(4).complaint();
    scene.ctl(&["exec", "nobody", "--", "echo", "hello"]).exits(3).complaint();
    let output = scene.ctl(&["exec", "echo", "hello"]).exits(2);
    assert!(output.complaint().contains("behind `--`"), "{}", output.stderr);
    scene.ctl(&["exec", "--env", "A=B", "--", "echo"]).exits(2).complaint();
}
