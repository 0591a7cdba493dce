//! The messages during a sign-in, and after a failed one.

use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{Output, Scene, at_terminal, binary};
use url::Url;
use url::form_urlencoded::Serializer;

fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

/// Another account is the default, so that a command without a name would be wrong.
fn with_another_default() -> Scene {
    let scene = scene();
    scene.ctl(&["account", "add", "other", "--client-id", "x", "--default"]).success();
    scene
}

/// The callback URL with the login's state and these parameters.
fn answer(scene: &Scene, url: &str, pairs: &[(&str, &str)]) -> String {
    let url = Url::parse(url).unwrap();
    let (_, state) = url.query_pairs().find(|(name, _)| name == "state").unwrap();
    let query = Serializer::new(String::new()).append_pair("state", &state).extend_pairs(pairs).finish();
    format!("{}?{query}", scene.callback())
}

fn ends_with(scene: &Scene, arguments: &[&str], pairs: &[(&str, &str)]) -> (Output, String) {
    let (login, url) = scene.login(arguments);
    let page = browser::open(&answer(scene, &url, pairs));
    (login.finish().exits(10), page.text)
}

#[test]
fn an_expired_or_cancelled_login_names_its_account() {
    let scene = with_another_default();
    let (login, _) = scene.login(&["mytoken", "--timeout", "1s"]);
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("If the sign-in page showed an error"), "{}", output.stderr);
    assert!(output.stderr.contains("run `imgurctl login mytoken` to try again"), "{}", output.stderr);
    let (login, _) = scene.login(&["mytoken"]);
    scene.ctl(&["login", "mytoken", "--cancel"]).success();
    let output = login.finish().exits(10);
    assert!(output.stderr.contains("cancelled; run `imgurctl login mytoken`"), "{}", output.stderr);
}

#[test]
fn an_error_of_the_sign_in_page_is_shown_and_logged_with_description() {
    let mut scene = with_another_default();
    for (code, description, shown, hint) in [
        ("invalid_scope", "No such \u{1b}[mscope\u{202e} `x`", "(No such [mscope 'x')", "check scope with"),
        ("unauthorized_client", "Not this flow", "(Not this flow)", "check client_id and flow with"),
        ("quite_new", "", "quite_new", "check the account's settings with"),
        (
            "access_denied",
            "Ask your administrator",
            "(Ask your administrator)",
            "run `imgurctl login mytoken`",
        ),
    ] {
        let (output, page) =
            ends_with(&scene, &["mytoken"], &[("error", code), ("error_description", description)]);
        assert!(output.stderr.contains(shown) && output.stderr.contains(hint), "{}", output.stderr);
        assert!(output.stderr.contains("`imgurctl login mytoken`"), "{}", output.stderr);
        assert!(code == "access_denied" || page.contains(code), "{page}");
        let log = scene.daemon().log();
        assert!(log.contains(shown) && !log.contains('\u{1b}'), "{log}");
    }
    let (output, _) =
        ends_with(&scene, &["mytoken"], &[("error", "e"), ("error_description", &"word ".repeat(9999))]);
    assert!(output.stderr.lines().last().unwrap().len() < 400, "{}", output.stderr);
}

#[test]
fn a_temporary_error_of_the_sign_in_page_does_not_blame_the_settings() {
    let scene = with_another_default();
    for code in ["server_error", "temporarily_unavailable"] {
        let (output, page) = ends_with(&scene, &["mytoken"], &[("error", code)]);
        for said in [&output.stderr, &page] {
            assert!(said.contains(code) && said.contains("wait a while, then run"), "{said}");
            assert!(!said.contains("settings"), "{said}");
        }
        assert!(output.stderr.contains("`imgurctl login mytoken`"), "{}", output.stderr);
    }
}

#[test]
fn a_waiting_login_shows_which_settings_to_check() {
    let scene = scene();
    let said = |arguments: &[&str]| {
        let mut command = scene.bed.command(binary("imgurctl"));
        command.args(["login", "--no-browser"]).args(arguments);
        at_terminal(command, |seen| {
            let is_complete = seen.contains("account set --help`");
            is_complete.then(|| scene.ctl(&["login", "--cancel"]).success().stdout)
        })
        .1
    };
    let callback =
        format!("client ID {} and the callback URL {}", scene.fake.behaviour().client_id, scene.callback());
    for arguments in [&[][..], &["--paste"]] {
        let said = said(arguments);
        assert!(said.contains(&callback) && said.contains("`imgurctl account set --help`"), "{said}");
    }
    let said = said(&["--flow", "pin"]);
    assert!(said.contains("client ID fake-client-id;") && !said.contains("callback URL"), "{said}");
}

#[test]
fn without_a_display_login_says_where_to_open_the_page() {
    let scene = scene();
    let said = || {
        let mut login = scene.bed.ctl_spawn(&["login"]);
        login.line().unwrap();
        scene.ctl(&["login", "--cancel"]).success();
        // Closing the input would end the second login too early.
        login.end().exits(10).stderr
    };
    let with_loopback = said();
    assert!(with_loopback.contains("in a browser on this machine"), "{with_loopback}");
    scene.ctl(&["account", "set", "--redirect-uri", "https://example.org/callback"]).success();
    let without_loopback = said();
    assert!(without_loopback.contains("Open this page in any browser"), "{without_loopback}");
    assert!(
        without_loopback.contains("then enter") && !without_loopback.contains("--paste"),
        "{without_loopback}"
    );
}

/// A wrong paste and a refused answer keep the login open for the right answer.
#[test]
fn login_asks_again_after_a_wrong_paste_and_sends_no_client_secret() {
    let scene = scene();
    let secret = scene.fake.behaviour().client_secret;
    let mut command = scene.bed.command(binary("imgurctl"));
    command.args(["login", "--paste", "--flow", "pin"]);
    let (mut asked, mut url) = (0, String::new());
    let (status, said) = at_terminal(command, |seen| {
        if !seen.contains("(not shown)") {
            return None;
        }
        if let Some(line) = seen.lines().find(|line| line.starts_with("http")) {
            line.clone_into(&mut url);
        }
        asked += 1;
        Some(match asked {
            1 => format!("{secret}\n"),
            2 => "fake-client-id\n".to_owned(),
            3 => "0000000000\n".to_owned(),
            _ => format!("{}\n", browser::allow(&url, "alice").pin().unwrap()),
        })
    });
    assert!(status.success(), "{said}");
    assert!(said.contains("That is the client secret of mytoken") && !said.contains(&secret), "{said}");
    assert!(said.contains("That is part of the sign-in page's own address"), "{said}");
    assert!(said.contains("Invalid Pin") && said.contains("copy the answer again"), "{said}");
    assert!(said.contains("Signed in as alice"), "{said}");
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 2, "only the wrong and the right PIN were sent");
}

#[test]
fn a_code_from_a_pipe_that_the_server_refuses_fails_the_login() {
    let scene = scene();
    let output = scene.ctl_with(&["login", "--paste"], "0123456789").exits(10);
    assert!(output.stderr.contains("The server rejected the answer"), "{}", output.stderr);
}
