//! `imgurctl exec`: the command replaces imgurctl, or learns of new tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Program, Scene};
use rustix::process::Signal;

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

#[test]
fn a_command_has_the_token_in_its_environment_only() {
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
fn a_command_replaces_the_process_of_imgurctl() {
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
fn a_command_that_cannot_run_gives_the_exit_codes_of_env() {
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
    assert!(output.complaint().contains("after `--`"), "{}", output.stderr);
    scene.ctl(&["exec", "--env", "A=B", "--", "echo"]).exits(2).complaint();
}

#[test]
fn a_command_can_get_the_client_id_too() {
    let scene = scene();
    let print = "printf '%s %s' \"$IMGUR_ACCESS_TOKEN\" \"$ID\"";
    let printed = scene.ctl(&["exec", "--env-client-id", "ID", "--", "sh", "-c", print]).success().stdout;
    assert_eq!(printed, format!("{} {}", scene.token(), scene.fake.behaviour().client_id));
    for names in [["--env-client-id", "A=B"], ["--env-client-id", "IMGUR_ACCESS_TOKEN"]] {
        scene.ctl(&[&["exec"], &names[..], &["--", "true"]].concat()).exits(2).complaint();
    }
}

/// Starts a long-running program with `--on-refresh`.
fn supervised(scene: &Scene, on_refresh: &str, program: &[&str]) -> Program {
    scene.bed.ctl_spawn(&[&["exec", "--on-refresh", on_refresh, "--"], program].concat())
}

/// A Python program, because it can wait for signals without losing one.
fn python(script: &str) -> [&str; 3] {
    ["/usr/bin/python3", "-c", script]
}

#[test]
fn on_refresh_restart_restarts_the_command_with_each_new_token() {
    let scene = scene();
    // The program ends slowly. A token that comes meanwhile must not be lost.
    let script = r#"import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(os.environ["IMGUR_ACCESS_TOKEN"], flush=True)
signal.sigwait({signal.SIGTERM})
print("ending", flush=True)
input()
exit(9)"#;
    let mut command = supervised(&scene, "restart", &python(script));
    assert_eq!(command.line(), Some(scene.token()));
    scene.refresh();
    assert_eq!(command.line().as_deref(), Some("ending"));
    let newest = scene.refresh();
    command.write("\n");
    let mut seen = command.line();
    if seen.as_ref() != Some(&newest) {
        // The second token came after the restart.
        assert_eq!(command.line().as_deref(), Some("ending"));
        command.write("\n");
        seen = command.line();
    }
    assert_eq!(seen, Some(newest));
    command.signal(Signal::TERM);
    assert_eq!(command.line().as_deref(), Some("ending"));
    command.write("\n");
    let output = command.finish().exits(9);
    assert!(output.stderr.contains("Restarting the command"), "{}", output.stderr);
}

#[test]
fn on_refresh_can_send_a_signal_to_the_command() {
    let scene = scene();
    let script = r#"import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1})
print(flush=True)
signal.sigwait({signal.SIGHUP})
print("told", flush=True)
signal.sigwait({signal.SIGUSR1})
exit(4)"#;
    let mut command = supervised(&scene, "HUP", &python(script));
    command.line();
    scene.refresh();
    assert_eq!(command.line().as_deref(), Some("told"));
    command.signal(Signal::USR1);
    command.finish().exits(4);
}

#[test]
fn a_supervised_command_keeps_its_exit_code() {
    let scene = scene();
    for code in [0, 3, 255] {
        supervised(&scene, "restart", &["sh", "-c", &format!("exit {code}")]).finish().exits(code);
    }
    supervised(&scene, "restart", &["sh", "-c", "kill -KILL $$"]).finish().exits(128 + 9);
    let none = scene.ctl(&["exec", "--on-refresh", "restart", "--", "no-such-command"]).exits(127);
    assert!(none.complaint().contains("no-such-command"), "{}", none.stderr);
    let refused = scene.ctl(&["exec", "--on-refresh", "reload", "--", "true"]).exits(2);
    assert!(refused.complaint().contains("restart"), "{}", refused.stderr);
    // The command goes on while the daemon is stopped.
    let mut scene = scene;
    let mut command = supervised(&scene, "restart", &["sh", "-c", "echo; read -r answer; exit 7"]);
    command.line();
    scene.stop();
    command.write("go\n");
    command.finish().exits(7);
}
