//! `imgurctl token --env` and `--template`: a token in another program's format, once or after each change.

use std::fs;
use std::path::{Path, PathBuf};

use imgurd_tests::fake::{Behaviour, Endpoint, ExpiresIn};
use imgurd_tests::testbed::{Output, Program, Scene, binary, wait_for_content};
use rustix::process::Signal;

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

fn template(scene: &Scene, text: &str) -> PathBuf {
    let path = scene.bed.home().join("settings.in");
    fs::write(&path, text).unwrap();
    path
}

fn filled(scene: &Scene, text: &str) -> Output {
    scene.ctl(&["token", "--template", template(scene, text).to_str().unwrap()])
}

fn end(program: Program) -> String {
    program.signal(Signal::TERM);
    program.finish().stderr
}

#[test]
fn env_prints_a_line_that_a_shell_reads() {
    let scene = scene();
    let token = scene.token();
    assert_eq!(scene.ctl(&["token", "--env"]).success().stdout, format!("IMGUR_ACCESS_TOKEN={token}\n"));
    let line = scene.ctl(&["token", "mytoken", "--env", "T"]).success().stdout;
    fs::write(scene.bed.home().join("file.env"), line).unwrap();
    let mut shell = scene.bed.command("sh");
    shell.args(["-c", "set -a && . ./file.env && printenv T"]);
    assert_eq!(scene.bed.start(shell).finish().success().line(), token);
}

#[test]
fn env_refuses_an_invalid_variable_name() {
    let scene = scene();
    for name in ["A=B", "1A", "A B", "A\nB", "", "A-B"] {
        let refused = scene.ctl(&["token", "--env", name]).exits(2);
        assert!(refused.complaint().contains("letters, digits"), "{}", refused.stderr);
    }
    for other in [&["--header"][..], &["--json"], &["--template", "/dev/null"]] {
        scene.ctl(&[&["token", "--env"], other].concat()).exits(2).complaint();
        scene.ctl(&[&["token", "--template", "/dev/null"], other].concat()).exits(2).complaint();
    }
}

#[test]
fn a_template_has_only_its_placeholders_replaced() {
    let scene = scene();
    let text = "{{access_token}} {{ expires_at }} {{username}} {{\tclient_id }} {} }} %\r\n{{access_token}}";
    let (token, account) = (scene.token(), scene.account());
    let (username, at) = (account.username.unwrap(), account.expires_at.unwrap());
    let client_id = account.settings.client_id.unwrap();
    let expected = format!("{token} {at} {username} {client_id} {{}} }}}} %\r\n{token}");
    assert_eq!(filled(&scene, text).success().stdout, expected);
    assert_eq!(filled(&scene, "").success().stdout, "");
}

#[test]
fn a_mistake_in_a_template_is_refused_with_its_line() {
    let scene = scene();
    let output = scene.bed.home().join("settings");
    let journal = || scene.ctl(&["journal", "--json"]).success().stdout;
    let before = journal();
    for (text, line) in
        [("\n\n{{ token }}", 3), ("{{access_token", 1), ("a\n{{access_token\n}}", 2), ("{{}}", 1)]
    {
        let refused = filled(&scene, text).exits(2);
        assert!(refused.complaint().contains(&format!("settings.in: line {line}: ")), "{}", refused.stderr);
        let path = template(&scene, text);
        let options = ["token", "--follow", "--output", output.to_str().unwrap(), "--template"];
        scene.ctl(&[&options[..], &[path.to_str().unwrap()]].concat()).exits(2).complaint();
        assert!(!output.exists());
    }
    scene.ctl(&["token", "--template", "/nowhere"]).exits(2).complaint();
    assert_eq!(journal(), before, "no token was handed out");
}

#[test]
fn an_unknown_expiry_is_empty_in_a_template() {
    let scene =
        Scene::memory(Behaviour { expires_in: ExpiresIn::Absent, ..Behaviour::default() }).signed_in();
    assert_eq!(filled(&scene, "[{{expires_at}}]").success().stdout, "[]");
}

#[test]
fn follow_fills_a_template_and_runs_a_command_after_each_token() {
    let scene = scene();
    let (output, log) = (scene.bed.home().join("settings"), scene.bed.home().join("log"));
    let path = template(&scene, "token = {{access_token}}\n");
    let mut options = vec!["token", "--follow", "--output", output.to_str().unwrap(), "--template"];
    // The command reads the file that imgurctl has just written.
    options.extend([
        path.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        "cat settings >>log.new; cp log.new log.tmp; mv log.tmp log",
    ]);
    let following = scene.bed.ctl_spawn(&options);
    let mut expected = format!("token = {}\n", scene.token());
    wait_for_content(&log, |text| text == expected);
    expected.extend(["token = ", &scene.refresh(), "\n"]);
    wait_for_content(&log, |text| text == expected);
    let said = end(following);
    assert!(!said.contains("imgurctl: "), "{said}");
    let settings = fs::read_to_string(&output).unwrap();
    assert!(expected.ends_with(&settings) && settings.lines().count() == 1, "{settings}");
}

#[test]
fn a_failing_or_hanging_command_does_not_delay_new_tokens() {
    let scene = scene();
    let output = scene.bed.home().join("token.env");
    let options = ["token", "--env", "--follow", "--output", output.to_str().unwrap(), "--"];
    let line = |token: &str| format!("IMGUR_ACCESS_TOKEN={token}\n");

    // The first command hangs until the test writes to a FIFO.
    let hangs = ["sh", "-c", "mkfifo word && read -r _ <word"];
    let mut hanging = scene.bed.command("sh");
    hanging.args(["-c", "ulimit -S -c $(ulimit -H -c) && exec \"$0\" \"$@\""]).arg(binary("imgurctl"));
    hanging.args(options).args(hangs);
    let hanging = scene.bed.start(hanging);
    wait_for_content(&output, |text| text == line(&scene.token()));
    let shell = |script: &str| {
        let mut shell = scene.bed.command("sh");
        shell.args(["-c", script, &hanging.id().to_string()]);
        scene.bed.start(shell).finish().success();
    };
    // Meanwhile, imgurctl itself may leave no core file.
    shell("until [ -p word ] && grep -q '^Max core file size  *0 ' /proc/$0/limits; do :; done");
    let new = scene.refresh();
    wait_for_content(&output, |text| text == line(&new));
    shell("echo >word");
    let said = end(hanging);
    assert!(said.contains("sh still runs after the last change; imgurctl runs it again"), "{said}");

    for (command, expected) in [
        (&["sh", "-c", "exit 3"][..], "sh failed after the file changed (exit status: 3); "),
        (&["no-such-command"], "cannot run no-such-command: "),
    ] {
        let mut following = scene.bed.command("sh");
        following.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(binary("imgurctl")).args(options).args(command);
        let mut following = scene.bed.start(following);
        following.line_where(|line| line.contains(expected));
        let new = scene.refresh();
        wait_for_content(&output, |text| text == line(&new));
        following.line_where(|line| line.contains(expected));
        end(following);
    }
}

#[test]
fn a_template_is_never_overwritten() {
    let scene = scene();
    let path = template(&scene, "{{access_token}}\n");
    let same = path.to_str().unwrap();
    let refused = scene.ctl(&["token", "--template", same, "--follow", "--output", same]).exits(2);
    assert!(refused.complaint().contains("the template itself"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(Path::new(same)).unwrap(), "{{access_token}}\n");
    scene.ctl(&["token", "--", "true"]).exits(2).complaint();
}

#[test]
fn an_uploader_reads_its_settings_from_a_template() {
    let scene = scene();
    let url = format!("{}image", scene.fake.api_url());
    // A configuration file of curl, as an example of a settings file.
    let text = format!(
        "url = \"{url}\"\nheader = \"Authorization: Bearer {{{{access_token}}}}\"\nform = \"image=@cat.png\"\nfail\nsilent\n"
    );
    fs::write(scene.bed.home().join("cat.png"), "a cat").unwrap();
    let settings = filled(&scene, &text).success().stdout;
    let mut curl = scene.bed.command("curl");
    curl.args(["--config", "-"]);
    let mut curl = scene.bed.start(curl);
    curl.write(&settings);
    curl.finish().success();
    assert_eq!(scene.fake.requests(Endpoint::Upload).last().unwrap().status, Some(200));
}
