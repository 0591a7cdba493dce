//! The command line: exit codes, error lines, and the use of standard output and standard error.

use std::os::unix::net::UnixListener;
use std::{fs, io::Read as _, io::Write as _, thread};

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{ACCOUNT, Output, Scene, Testbed};
use rustix::process::Signal;
use serde_json::Value;

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

/// Runs a failing command twice, and checks its message for users and its JSON for scripts.
#[track_caller]
pub(crate) fn fails(run: impl Fn(&[&str]) -> Output, arguments: &[&str], code: i32, name: &str) -> Value {
    let line = run(arguments).exits(code).complaint().to_owned();
    assert!(line.starts_with("imgurctl: "), "{line}");
    let with_json = [arguments, &["--json"]].concat();
    let object = run(&with_json).exits(code).complaint().to_owned();
    let object: Value = serde_json::from_str(&object).expect("the output is one JSON object");
    assert_eq!(object["error"], name, "{object}");
    assert!(object["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{object}");
    object
}

#[test]
fn success_is_exit_code_0_and_quiet_prints_no_messages() {
    let scene = scene();
    for arguments in [["status", "-q"], ["refresh", "-q"], ["restore", "--help"], ["-q", "logout"]] {
        let output = scene.ctl(&arguments).success();
        assert_eq!(output.stderr, "", "{arguments:?}");
    }
}

#[test]
fn an_invalid_answer_of_the_daemon_is_exit_code_1() {
    let bed = Testbed::new();
    let socket = bed.root().join("odd");
    let listener = UnixListener::bind(&socket).unwrap();
    let odd = thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(b"nonsense\0").unwrap();
        }
    });
    let socket = socket.to_str().unwrap();
    fails(|arguments| bed.ctl(arguments), &["--socket", socket, "token"], 1, "Failed");
    odd.join().unwrap();
}

#[test]
fn an_invalid_argument_is_exit_code_2() {
    let scene = scene();
    for arguments in [
        &["nonsense"][..],
        &["token", "--wait", "soon"],
        &["token", "--wait=-1s"],
        &["token", "--anonymous"],
        &["account", "add", "a/b"],
        &["account", "add", "second"],
        &["account", "set"],
        &["account", "set", "--token-url", "http://example.org/token"],
        &["account", "add", ACCOUNT, "--client-id", "x"],
        &["login", "--flow", "magic"],
        &["reject"],
        &["import"],
    ] {
        fails(|arguments| scene.ctl(arguments), arguments, 2, "InvalidArgument");
    }
    assert_eq!(scene.account().state, State::Fresh, "nothing was changed");
}

#[test]
fn an_unknown_account_is_exit_code_3() {
    let scene = scene();
    for arguments in [
        &["token", "nobody"][..],
        &["refresh", "nobody"],
        &["login", "nobody"],
        &["logout", "nobody"],
        &["restore", "nobody"],
        &["status", "nobody"],
        &["account", "show", "nobody"],
        &["account", "remove", "nobody"],
        &["account", "default", "nobody"],
        &["auto-refresh", "off", "nobody"],
        &["status", "--watch", "nobody"],
    ] {
        let error = fails(|arguments| scene.ctl(arguments), arguments, 3, "NoSuchAccount");
        assert_eq!(error["account"], "nobody");
    }
    scene.ctl(&["token", "nobody", "--header", "--anonymous"]).exits(3).complaint();
}

#[test]
fn missing_consent_is_exit_code_4() {
    let scene = Scene::memory(Behaviour::default());
    for command in ["token", "refresh"] {
        let error = fails(|arguments| scene.ctl(arguments), &[command], 4, "ConsentNeeded");
        assert_eq!(error["account"], ACCOUNT);
        assert!(error["reason"].as_str().unwrap().contains("imgurctl login"));
    }
    let reject = |arguments: &[&str]| scene.ctl_with(arguments, "0123456789abcdef");
    fails(reject, &["reject"], 4, "ConsentNeeded");
}

#[test]
fn a_temporary_failure_is_exit_code_6() {
    let scene = scene();
    scene.fake.fail_always(Endpoint::Token, Fault::OverCapacity(500));
    let error =
        fails(|arguments| scene.ctl(arguments), &["refresh", "--wait", "200ms"], 6, "TemporarilyUnavailable");
    assert!(error["reason"].is_string());
}

#[test]
fn an_unavailable_store_is_exit_code_7() {
    let mut scene = Scene::file(Behaviour::default()).signed_in();
    scene.stop();
    fs::remove_file(scene.bed.config_home().join("imgurd/key")).unwrap();
    scene.start();
    for arguments in [&["token", "--wait", "100ms"][..], &["unlock"], &["logout"]] {
        fails(|arguments| scene.ctl(arguments), arguments, 7, "StoreUnavailable");
    }
    let status = scene.ctl(&["status"]).success();
    assert!(status.stdout.contains("store_unavailable"), "{}", status.stdout);
}

#[test]
fn a_daemon_that_does_not_run_is_exit_code_8() {
    let bed = Testbed::new();
    for arguments in [&["token"][..], &["status"], &["status", "--watch"], &["unlock"], &["account", "list"]]
    {
        let error = fails(|arguments| bed.ctl(arguments), arguments, 8, "DaemonUnreachable");
        assert!(error["reason"].as_str().unwrap().contains("systemctl --user start imgurd"), "{error}");
    }
    // The same for a daemon that ends during a command.
    let mut scene = scene();
    let mut watch = scene.bed.ctl_spawn(&["status", "--watch", "--json"]);
    watch.line();
    scene.stop();
    watch.finish().exits(8);
}

#[test]
fn a_daemon_that_does_not_answer_is_exit_code_8() {
    let mut scene = scene();
    scene.daemon().signal(Signal::STOP);
    let commands = [&["token", "--wait", "100ms"][..], &["status"], &["status", "--watch"]];
    thread::scope(|scope| {
        for command in commands {
            let scene = &scene;
            scope.spawn(move || {
                let error = fails(|arguments| scene.ctl(arguments), command, 8, "DaemonUnreachable");
                assert!(
                    error["reason"].as_str().unwrap().contains("imgurd did not answer within 5 s"),
                    "{error}"
                );
            });
        }
    });
    scene.daemon().signal(Signal::CONT);
    scene.ctl(&["token"]).success();
}

#[test]
fn a_wrong_setting_is_exit_code_9() {
    let scene = scene();
    scene.fake.configure(|behaviour| "another".clone_into(&mut behaviour.client_secret));
    let error = fails(|arguments| scene.ctl(arguments), &["refresh"], 9, "Misconfigured");
    assert_eq!(error["setting"], "client_secret");
}

#[test]
fn a_failed_login_is_exit_code_10() {
    let scene = scene();
    let output = scene.ctl(&["login", "--no-browser", "--timeout", "0s"]).exits(10);
    assert!(output.stderr.contains("to try again"), "{}", output.stderr);
    let output = scene.ctl(&["login", "--no-browser", "--timeout", "0s", "--json"]).exits(10);
    let error: Value = serde_json::from_str(&output.stderr).expect("standard error has the error only");
    assert_eq!(error["error"], "LoginFailed");
}

#[test]
fn an_interrupted_login_ends_with_sigint() {
    let scene = scene();
    let (login, _url) = scene.login(&[]);
    login.signal(Signal::INT);
    // A shell shows 130 for both.
    assert!(matches!(login.finish().code, None | Some(130)));
}

#[test]
fn a_token_is_printed_alone_or_as_a_header() {
    let scene = scene();
    let token = scene.token();
    let header =
        |arguments: &[&str]| scene.ctl(&[&["token", "--header"], arguments].concat()).success().stdout;
    assert_eq!(scene.ctl(&["token"]).stdout, format!("{token}\n"));
    assert_eq!(header(&[]), format!("Authorization: Bearer {token}\n"));
    assert_eq!(header(&["--prefix", "token"]), format!("Authorization: token {token}\n"));
}

#[test]
fn a_client_id_header_needs_no_grant() {
    let scene = Scene::memory(Behaviour::default());
    let output = scene.ctl(&["token", "--header", "--anonymous"]).success();
    let id = scene.fake.behaviour().client_id;
    assert_eq!(output.stdout, format!("Authorization: Client-ID {id}\n"));
    let url = format!("{}credits", scene.fake.api_url());
    let value = output.line().strip_prefix("Authorization: ");
    assert_eq!(imgurd_tests::http::get(&url, value).unwrap().status, 200);
}

#[test]
fn refresh_does_not_print_the_token() {
    let scene = scene();
    let output = scene.ctl(&["refresh"]).success();
    assert_eq!(output.stdout, "");
    let json = scene.ctl(&["refresh", "--json"]).success();
    assert!(!json.stdout.contains(&scene.token()));
    assert!(json.json()["expires_at"].is_i64());
}

#[test]
fn status_prints_a_table_or_json() {
    let scene = scene();
    let table = scene.ctl(&["status"]).success().stdout;
    assert!(table.starts_with("ACCOUNT"), "{table}");
    for word in [ACCOUNT, "alice", "fresh", "min"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    assert!(!table.contains('\u{1b}'), "no colour is used without a terminal");
    assert!(scene.ctl(&["status", "--color", "always"]).success().stdout.contains('\u{1b}'));
    let json = scene.ctl(&["status", "--json"]).success().json();
    assert_eq!(json["accounts"][0]["state"], "fresh");
    scene.bed.account(&scene.fake, "second");
    let table = scene.ctl(&["status"]).success().stdout;
    assert!(
        table.contains("\nsecond  ") && table.ends_with("\n        → run `imgurctl login second`\n"),
        "{table}"
    );
}

#[test]
fn status_watch_prints_a_line_for_each_change() {
    let scene = scene();
    let mut watch = scene.bed.ctl_spawn(&["status", "--watch", "--json"]);
    let state = |line: &str| serde_json::from_str::<Value>(line).unwrap()["state"].clone();
    assert_eq!(state(&watch.line().unwrap()), "fresh");
    scene.ctl(&["logout"]).success();
    watch.line_where(|line| state(line) == "empty");
    let mut page = scene.bed.ctl_spawn(&["status", "--watch"]);
    page.line_where(|line| line.contains("empty"));
    scene.login_as("alice", &[]).success();
    watch.line_where(|line| state(line) == "fresh");
    page.line_where(|line| line.contains("fresh"));
}

#[test]
fn account_adds_lists_shows_changes_chooses_and_removes() {
    let scene = scene();
    scene
        .ctl(&["account", "add", "second", "--client-id", "abc", "--flow", "pin", "--auth-param", "a=b"])
        .success();
    let list = scene.ctl(&["account", "list"]).success().stdout;
    assert!(list.contains(ACCOUNT) && list.contains("second") && list.contains("pin"), "{list}");
    let show = |name: &str| scene.ctl(&["account", "show", name, "--json"]).success().json();
    assert_eq!(show("second")["settings"]["auth_params"]["a"], "b");
    assert_eq!(show("second")["settings"]["redirect_uri"], "http://127.0.0.1:8917/callback");
    assert_eq!(show(ACCOUNT)["is_default"], true);

    scene.ctl(&["account", "set", "second", "--scope", "x y", "--client-auth", "basic"]).success();
    assert_eq!(show("second")["settings"]["scope"], "x y");
    assert_eq!(show("second")["settings"]["client_auth"], "basic");
    assert_eq!(show("second")["settings"]["client_id"], "abc", "settings that are not given stay unchanged");
    scene.ctl(&["account", "set", "second", "--scope", ""]).success();
    assert!(show("second")["settings"]["scope"].as_str().is_none_or(str::is_empty));
    let shown = scene.ctl(&["account", "show", "second"]).success().stdout;
    assert!(shown.contains("client_id") && shown.contains("abc"), "{shown}");

    scene.ctl(&["account", "default", "second"]).success();
    assert_eq!(show("second")["is_default"], true);
    assert_eq!(show(ACCOUNT)["is_default"], false);
    scene.ctl(&["account", "remove", "second"]).success();
    scene.ctl(&["account", "show", "second"]).exits(3);
    let text = fs::read_to_string(scene.bed.config_file()).unwrap();
    assert!(!text.contains("second") && text.contains("store = \"memory\""), "{text}");
}

#[test]
fn client_auth_basic_sends_the_secret_in_a_header() {
    let scene = Scene::memory(Behaviour::default());
    scene.ctl(&["account", "set", "--client-auth", "basic"]).success();
    scene.login_as("alice", &[]).success();
    scene.refresh();
    for request in scene.fake.requests(Endpoint::Token) {
        assert!(request.authorization.unwrap().starts_with("Basic "));
        assert!(!request.form.contains_key("client_secret"));
    }
}

#[test]
fn changed_settings_keep_the_comments_in_the_configuration() {
    let mut scene = scene();
    let text = fs::read_to_string(scene.bed.config_file()).unwrap();
    scene.bed.configure(&format!("# mine\n{text}# and at the end\n"));
    scene.daemon().reload();
    scene.ctl(&["auto-refresh", "off"]).success();
    let text = fs::read_to_string(scene.bed.config_file()).unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("# and at the end\n"), "{text}");
    assert!(text.contains("auto_refresh = false"), "{text}");
}

#[test]
fn completions_exist_for_every_shell() {
    let bed = Testbed::new();
    // `completion.rs` tries the scripts in the shells.
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bed.ctl(&["completions", shell]).success().stdout;
        assert!(script.contains("IMGURCTL_COMPLETE"), "{shell}: {script}");
    }
    bed.ctl(&["completions", "nonsense"]).exits(2).complaint();
}

#[test]
fn init_never_overwrites_a_configuration_or_key() {
    let bed = Testbed::new();
    let output = bed.ctl(&["init", "--store", "file"]).success();
    assert!(output.stderr.contains("config.toml"), "{}", output.stderr);
    let key = bed.config_home().join("imgurd/key");
    let before = (fs::read(bed.config_file()).unwrap(), fs::read(&key).unwrap());
    for store in ["file", "memory"] {
        bed.ctl(&["init", "--store", store]).exits(1).complaint();
        assert_eq!((fs::read(bed.config_file()).unwrap(), fs::read(&key).unwrap()), before);
    }
}
