//! `imgurctl curl`: curl's arguments, its output, and who gets the token.

use std::fs;

use imgurd_tests::fake::{Behaviour, Endpoint, Fault, HUGE};
use imgurd_tests::http;
use imgurd_tests::testbed::{ACCOUNT, Scene};

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

/// The API's answer to a valid token.
fn answer(scene: &Scene) -> String {
    let url = format!("{}account/me", scene.fake.api_url());
    http::get(&url, Some(&format!("Bearer {}", scene.token()))).unwrap().text
}

#[test]
fn a_path_of_the_api_is_fetched_with_the_token() {
    let scene = scene();
    let begun = scene.fake.requests(Endpoint::Account).len();
    let whole = format!("{}account/me", scene.fake.api_url());
    for url in ["account/me", "/account/me", &whole] {
        let output = scene.ctl(&["curl", "--", "-sS", url]).success();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (answer(&scene).as_str(), ""));
    }
    let bearer = format!("Bearer {}", scene.token());
    for request in &scene.fake.requests(Endpoint::Account)[begun..] {
        assert_eq!(request.authorization.as_deref(), Some(bearer.as_str()));
    }
    let named = scene.ctl(&["curl", ACCOUNT, "--", "-s", "account/me/images?page=0"]).success();
    assert!(named.stdout.contains("deletehash"), "{}", named.stdout);
}

#[test]
fn curl_gets_the_token_in_no_argument_and_no_environment() {
    let scene = scene();
    let gate = scene.fake.hold(Endpoint::Images);
    let curl = scene.bed.ctl_spawn(&["curl", "--", "-s", "account/me/images"]);
    scene.fake.wait_for_requests(Endpoint::Images, 1);
    scene.bed.assert_no_secret_in_process(curl.id(), &scene.fake.secrets());
    drop(gate);
    assert!(curl.finish().success().stdout.contains("deletehash"));
}

#[test]
fn curls_own_configuration_and_proxies_are_ignored() {
    let scene = scene();
    fs::write(scene.bed.home().join(".curlrc"), "head\nurl = http://127.0.0.1:1/\n").unwrap();
    scene.bed.set_env("http_proxy", "http://127.0.0.1:1/");
    for arguments in [
        &["curl", "--", "-s", "account/me"][..],
        &["curl", "--", "-sx", "127.0.0.1:1", "--noproxy", "", "account/me"],
    ] {
        assert!(scene.ctl(arguments).success().stdout.contains("alice"), "{arguments:?}");
    }
}

/// A scene whose token the API rejects with this status. Each test case needs a new daemon, because imgurd accepts
/// only three rejections in a row.
fn rejected(status: u16) -> Scene {
    let scene = scene();
    scene.fake.configure(|behaviour| behaviour.rejection = status);
    scene.fake.kill_access_token();
    scene
}

fn is_replaced(status: u16, options: &[&str]) {
    let scene = rejected(status);
    let arguments = [&["curl", "--", "-sS", "account/me"], options].concat();
    let output = scene.ctl(&arguments).success();
    let file = scene.bed.home().join("answer");
    let body =
        if options.contains(&"answer") { fs::read_to_string(file).unwrap() } else { output.stdout.clone() };
    assert!(body.contains(&answer(&scene)) && !body.contains("invalid"), "{options:?}: {body}");
    assert_eq!(output.stdout.ends_with("200\n"), options.contains(&"-w"), "{}", output.stdout);
    assert_eq!(output.stdout.starts_with("HTTP/1.1 200"), options == ["-i"], "{}", output.stdout);
    assert_eq!(output.stderr, "");
    assert_eq!(scene.refreshes().len(), 1, "{status} {options:?}");
}

#[test]
fn a_rejected_token_is_replaced_and_only_the_second_answer_printed() {
    is_replaced(401, &[]);
    is_replaced(403, &[]);
    is_replaced(403, &["-i"]);
    is_replaced(403, &["-w", "%{http_code}\\n"]);
    is_replaced(403, &["-o", "/dev/stdout"]);
    is_replaced(403, &["-o", "answer", "-w", "%{http_code}\\n"]);
}

#[test]
fn a_discarded_answer_still_shows_that_the_token_is_rejected() {
    for options in [&["-so", "/dev/null"][..], &["-s", "--output", "/dev/null", "-i"], &["-fso", "/dev/null"]]
    {
        let scene = rejected(403);
        let of = |url| [&["curl", "--", "-w", "%{http_code}", url], options].concat();
        let output = scene.ctl(&of("account/me")).success();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("200", ""), "{options:?}");
        assert_eq!(scene.refreshes().len(), 1, "{options:?}");
        scene.fake.fail_next(Endpoint::Account, Fault::Huge);
        assert_eq!(scene.ctl(&of("account/me")).success().stdout, "200", "{options:?}");
        // What curl prints beside the body stays.
        let headers = scene.ctl(&[&of("account/me")[..], &["-D", "-"]].concat()).success().stdout;
        assert!(headers.starts_with("HTTP/1.1 200") && headers.ends_with("200"), "{options:?}: {headers}");
        assert!(!headers.contains("alice"), "{options:?}: {headers}");
        let code = if options[0].contains('f') { 22 } else { 0 };
        assert_eq!(scene.ctl(&of("nothing/here")).exits(code).stdout, "404", "{options:?}");
    }
}

#[test]
fn with_fail_a_401_is_enough_to_replace_the_token() {
    let scene = rejected(401);
    assert!(scene.ctl(&["curl", "--", "-fs", "account/me"]).success().stdout.contains("alice"));
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn errors_that_are_not_about_the_token_keep_it() {
    let scene = scene();
    for fault in [
        Fault::OverCapacity(403),
        Fault::Error(403, "Unauthorized".into()),
        Fault::Error(403, "Invalid client_id".into()),
        Fault::Html(403),
        Fault::Error(429, "The access token provided is invalid.".into()),
    ] {
        scene.fake.fail_next(Endpoint::Account, fault.clone());
        let output = scene.ctl(&["curl", "--", "-s", "account/me"]).success();
        assert!(!output.stdout.is_empty() && !output.stdout.contains("alice"), "{fault:?}");
    }
    assert_eq!(scene.refreshes().len(), 0);
}

#[test]
fn a_request_whose_tokens_are_rejected_is_sent_twice_at_most() {
    let scene = scene();
    scene
        .fake
        .fail_always(Endpoint::Images, Fault::Error(403, "The access token provided is invalid.".into()));
    let output = scene.ctl(&["curl", "--", "-s", "account/me/images"]).success();
    assert_eq!(output.stdout.matches("is invalid").count(), 1, "{}", output.stdout);
    assert_eq!(scene.fake.requests(Endpoint::Images).len(), 2);
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_body_from_standard_input_is_sent_once() {
    for options in [&["-d", "@-"][..], &["-F", "image=@-"], &["-T", "-"]] {
        let scene = rejected(403);
        let arguments = [&["curl", "--", "-s", "-X", "GET", "account/me/images"][..], options].concat();
        let output = scene.ctl_with(&arguments, "a=b").success();
        assert!(output.stdout.contains("is invalid"), "{}", output.stdout);
        assert!(output.stderr.contains("run the command again"), "{}", output.stderr);
        assert_eq!(scene.fake.requests(Endpoint::Images).len(), 1, "{options:?}");
        assert_eq!(scene.refreshes().len(), 1, "the rejected token is replaced");
        assert!(scene.ctl_with(&arguments, "a=b").success().stdout.contains("deletehash"));
    }
}

#[test]
fn imgurctl_curl_exits_with_curls_exit_code() {
    let mut scene = scene();
    let output = scene.ctl(&["curl", "--", "-fs", "nothing/here"]).exits(22);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    scene.ctl(&["curl", "--", "-s", "--max-time", "soon", "account/me"]).exits(2);
    scene.fake.go_down();
    let output = scene.ctl(&["curl", "--", "-sS", "account/me"]).exits(7);
    assert!(output.stderr.starts_with("curl: (7)"), "{}", output.stderr);
    scene.bed.set_env("PATH", "/nowhere");
    assert!(scene.ctl(&["curl", "--", "account/me"]).exits(127).complaint().contains("curl"));
}

#[test]
fn a_long_answer_is_complete() {
    let scene = scene();
    scene.fake.fail_next(Endpoint::Account, Fault::Huge);
    let output = scene.ctl(&["curl", "--", "-s", "account/me", "-w", "\\n%{size_download}"]).success();
    let (body, size) = output.stdout.rsplit_once('\n').unwrap();
    assert_eq!((body.len(), size), (HUGE, HUGE.to_string().as_str()));
}

#[test]
fn public_resources_need_no_grant() {
    let scene = Scene::memory(Behaviour::default());
    let output = scene.ctl(&["curl", "--anonymous", "--", "-s", "credits"]).success();
    assert!(output.stdout.contains("ClientRemaining"), "{}", output.stdout);
    let id = scene.fake.behaviour().client_id;
    let requests = scene.fake.requests(Endpoint::Credits);
    assert_eq!(requests[0].authorization, Some(format!("Client-ID {id}")));
    scene.ctl(&["curl", "--", "-s", "credits"]).exits(4).complaint();
}
