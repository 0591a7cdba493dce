//! Which programs can allow access, and what stays valid when the gateway's clients change.

use std::fs;
use std::net::TcpListener;
use std::thread;

use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::http::{self, Answer};
use imgurd_tests::testbed::gateway::{ALLOWS_ITSELF, Gateway, json, parameter, question_id, redemption};
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed};
use serde_json::{Map, Value};

use crate::{expired, momentary};

const CALLBACK: &str = Gateway::CALLBACK;

#[test]
fn a_sandboxed_program_cannot_allow_access() {
    let gateway = Gateway::signed_in();
    gateway.add_public("spa");
    let allows_itself = |sandbox: &[&str], client: &str, id: &[&str]| {
        let url = gateway.question_url(client);
        let words = [sandbox, &["/usr/bin/python3", "-c", ALLOWS_ITSELF, &url], id].concat();
        let mut command = gateway.scene.bed.command(words[0]);
        command.args(&words[1..]);
        gateway.scene.bed.start(command).finish().success().stdout.trim().to_owned()
    };
    let mounts = ["bwrap", "--die-with-parent", "--dev-bind", "/", "/"];
    let all = [
        "bwrap",
        "--die-with-parent",
        "--unshare-all",
        "--share-net",
        "--dev-bind",
        "/",
        "/",
        "--proc",
        "/proc",
    ];
    for sandbox in [&mounts[..], &all] {
        for client in ["postman", "spa"] {
            assert_eq!(allows_itself(sandbox, client, &[]), "400", "{sandbox:?}");
            let page = gateway.question(client);
            assert_eq!(allows_itself(sandbox, client, &[question_id(&page)]), "400", "{sandbox:?}");
        }
    }
    assert!(!gateway.scene.ctl(&["permit", "list"]).success().stdout.contains("gateway:"));
    // Outside a sandbox, a program may do what the user may do.
    assert_eq!(allows_itself(&[], "spa", &[]), "200 303");
}

#[test]
fn a_sandboxed_program_learns_no_name_from_the_page_and_pushes_out_no_question() {
    let gateway = Gateway::signed_in();
    let page = gateway.question("postman");
    let opens = "for i in $(seq 70); do curl --silent --noproxy '*' \"$1\"; done";
    let url = gateway.question_url("postman");
    let mut command = gateway.scene.bed.command("bwrap");
    command.args(["--die-with-parent", "--dev-bind", "/", "/", "sh", "-c", opens, "sh", &url]);
    let shown = gateway.scene.bed.start(command).finish().success().stdout;
    assert_eq!(shown.matches("imgurctl permit allow gateway:NAME ACCOUNT").count(), 70, "{shown}");
    assert!(!shown.contains(ACCOUNT) && !shown.contains("postman"), "{shown}");
    assert_eq!(gateway.decide(&page, "allow").status, 303);
}

#[test]
fn an_open_page_and_a_code_are_invalid_once_the_client_has_changed() {
    let gateway = Gateway::signed_in();
    let page = gateway.question("postman");
    gateway.scene.ctl(&["gateway", "remove", "postman"]).success();
    assert_eq!(gateway.decide(&page, "allow").status, 400);
    assert!(!gateway.scene.ctl(&["permit", "list"]).success().stdout.contains("gateway:"));
    gateway.add_public("spa");
    let page = gateway.question("spa");
    gateway.scene.ctl(&["permit", "deny", "gateway:spa"]).success();
    assert_eq!(
        parameter(&gateway.decide(&page, "allow"), "error"),
        "access_denied",
        "a denial by command counts, although the page is still open"
    );
    gateway.scene.ctl(&["permit", "revoke", "gateway:spa"]).success();
    let code = gateway.code("spa");
    gateway.scene.ctl(&["gateway", "add", "spa", "--redirect-uri", "https://other.example/cb"]).success();
    let redeemed = gateway.token(&[&redemption(&code)[..], &[("client_id", "spa")]].concat());
    assert_eq!(json(&redeemed, 400)["error"], "invalid_grant");
}

#[test]
fn a_refresh_token_is_invalid_once_its_client_uses_another_account() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    gateway.scene.ctl(&["account", "add", "other", "--client-id", "cid-of-a-test"]).success();
    gateway.scene.ctl(&["gateway", "add", "postman", "other"]).success();
    assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
}

#[test]
fn what_a_client_of_the_default_account_has_is_invalid_once_another_account_is_the_default() {
    let gateway = Gateway::signed_in();
    gateway.add_public("spa");
    let (_, handle) = gateway.tokens();
    let (page, code) = (gateway.question("spa"), gateway.code("postman"));
    gateway.scene.ctl(&["account", "add", "other", "--client-id", "cid-of-a-test"]).success();
    gateway.scene.ctl(&["account", "default", "other"]).success();
    assert_eq!(json(&gateway.redeem(&code), 400)["error"], "invalid_grant");
    assert_eq!(gateway.decide(&page, "allow").status, 400);
    assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
}

#[test]
fn a_change_keeps_a_client_public_or_confidential() {
    let gateway = Gateway::new(Scene::file(Behaviour::default()).signed_in());
    let (_, handle) = gateway.tokens();
    let refused = gateway.scene.ctl(&["gateway", "add", "postman", "--public"]).exits(2);
    assert!(refused.stderr.contains("gateway remove postman"), "{}", refused.stderr);
    gateway.add_public("spa");
    let change = [
        "gateway",
        "add",
        "spa",
        "--redirect-uri",
        CALLBACK,
        "--redirect-uri",
        "https://b.example/",
        "--json",
    ];
    assert_eq!(gateway.scene.ctl(&change).success().json().get("client_secret"), None);
    json(&gateway.refresh(&handle), 200);
}

#[test]
fn a_client_whose_secret_is_lost_needs_a_new_one() {
    let mut gateway = Gateway::new(Scene::file(Behaviour::default()).signed_in());
    let (_, handle) = gateway.tokens();
    gateway.scene.stop();
    fs::remove_file(gateway.scene.bed.state_home().join("imgurd/gateway")).unwrap();
    gateway.scene.start();
    let code = gateway.code("postman");
    let without = gateway.token(&[&redemption(&code)[..], &[("client_id", "postman")]].concat());
    assert_eq!(json(&without, 401)["error"], "invalid_client");
    assert_eq!(json(&gateway.refresh(&handle), 401)["error"], "invalid_client");
    let add = ["gateway", "add", "postman", "--json"];
    gateway.secret = gateway.scene.ctl(&add).success().json()["client_secret"].as_str().unwrap().into();
    json(&gateway.redeem(&gateway.code("postman")), 200);
}

#[test]
fn a_second_click_repeats_the_first_answer() {
    let gateway = Gateway::signed_in();
    let page = gateway.question("postman");
    let (first, second) = (gateway.decide(&page, "allow"), gateway.decide(&page, "allow"));
    assert_eq!(parameter(&first, "code"), parameter(&second, "code"));
    let form = [("id", question_id(&page)), ("decision", "allow")];
    let elsewhere =
        http::post_with(&gateway.url("/oauth2/authorize"), &[("Sec-Fetch-Site", "cross-site")], &form);
    assert_eq!(elsewhere.unwrap().status, 400);
}

#[test]
fn a_code_survives_a_moment_without_a_grant() {
    let mut gateway = Gateway::signed_in();
    let code = gateway.code("postman");
    gateway.scene.ctl(&["logout"]).success();
    assert_eq!(json(&gateway.redeem(&code), 400)["error"], "invalid_grant");
    gateway.scene = gateway.scene.signed_in();
    json(&gateway.redeem(&code), 200);
}

#[test]
fn a_gateway_whose_port_is_in_use_opens_once_the_port_is_free() {
    let mut gateway = Gateway::signed_in();
    gateway.scene.stop();
    let taken = TcpListener::bind(&gateway.listen).unwrap();
    gateway.scene.start();
    let status = gateway.scene.ctl(&["gateway", "status"]).success();
    assert!(format!("{status:?}").contains("cannot listen on"), "{status:?}");
    drop(taken);
    while http::get(&gateway.url("/.well-known/oauth-authorization-server"), None).is_err() {
        // Each call takes some milliseconds. The runner ends a test that never ends.
        gateway.scene.ctl(&["gateway", "status"]);
    }
    let log = gateway.scene.daemon().log();
    assert_eq!(log.matches("the gateway cannot listen").count(), 1, "{log}");
}

#[test]
fn a_client_of_an_account_without_a_grant_is_told_to_sign_in_however_often_it_refreshes() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    json(&gateway.refresh(&handle), 200);
    gateway.scene.ctl(&["logout"]).success();
    for _ in 0..4 {
        assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
    }
}

#[test]
fn while_the_server_fails_a_refresh_at_the_gateway_returns_the_valid_token_and_keeps_it_for_others() {
    let gateway = Gateway::signed_in();
    let (token, handle) = gateway.tokens();
    gateway.scene.fake.fail_always(Endpoint::Token, Fault::OverCapacity(503));
    assert_eq!(json(&gateway.refresh(&handle), 200)["access_token"], token);
    assert_eq!(gateway.scene.token(), token);
}

#[test]
fn a_refresh_at_the_gateway_during_another_refresh_keeps_the_valid_token() {
    let gateway = Gateway::signed_in();
    let (token, handle) = gateway.tokens();
    let fake = &gateway.scene.fake;
    fake.fail_always(Endpoint::Token, Fault::OverCapacity(503));
    let gate = fake.hold(Endpoint::Token);
    let asked = fake.requests(Endpoint::Token).len();
    let mut caller = gateway.scene.bed.wire();
    caller.ask("Refresh", &Value::Object(Map::new()));
    fake.wait_for_requests(Endpoint::Token, asked + 1);
    // The server answers to the first refresh only after the client has given up waiting for it.
    assert_eq!(json(&gateway.refresh(&handle), 200)["access_token"], token);
    gate.release();
    fake.wait_for_answers(Endpoint::Token, asked + 1);
    assert_eq!(gateway.scene.token(), token);
}

#[test]
fn refreshes_of_gateway_clients_do_not_count_as_rejections() {
    let gateway = Gateway::signed_in();
    for name in ["one", "two", "three"] {
        gateway.add_public(name);
        let code = gateway.code(name);
        let ask = |form: &[(&str, &str)]| json(&gateway.token(&[form, &[("client_id", name)]].concat()), 200);
        let granted = ask(&redemption(&code));
        ask(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", granted["refresh_token"].as_str().unwrap()),
        ]);
    }
    assert_eq!(gateway.scene.account().reason, None, "no other program seems to use the client ID");
    let token = gateway.scene.token();
    let another = gateway.scene.ctl_with(&["reject"], &token).success();
    assert_ne!(another.line(), token);
}

#[test]
fn on_a_full_disk_gateway_clients_are_neither_added_nor_removed() {
    let bed = Testbed::file();
    let disk = bed.disk(64);
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let gateway = Gateway::new(scene);
    disk.fill_but(0);
    for arguments in [&["gateway", "add", "late"][..], &["gateway", "remove", "postman"]] {
        let refused = gateway.scene.ctl(arguments).exits(7);
        assert!(refused.complaint().contains("nothing was changed; make room"), "{}", refused.stderr);
    }
    let listed = gateway.scene.ctl(&["gateway", "list"]).success().stdout;
    assert!(listed.contains("postman") && !listed.contains("late"), "{listed}");
    let credentials = [("grant_type", "client_credentials")];
    assert_eq!(json(&gateway.token_as_postman(&credentials), 400)["error"], "unauthorized_client");
    disk.clear();
    gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    json(&gateway.token_as_postman(&credentials), 200);
    gateway.scene.ctl(&["gateway", "add", "late"]).success();
    gateway.scene.ctl(&["gateway", "remove", "postman"]).success();
}

#[test]
fn while_the_permits_file_is_damaged_a_client_is_told_to_wait_and_keeps_its_refresh_token() {
    let gateway = Gateway::signed_in();
    let (_, handle) = gateway.tokens();
    let file = gateway.scene.bed.state_home().join("imgurd/permits");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "{\"x\n").unwrap();
    gateway.scene.ctl(&["permit", "list"]).exits(7);
    assert_eq!(json(&gateway.refresh(&handle), 503)["error"], "temporarily_unavailable");
    let page = gateway.question("postman");
    assert!(page.status == 503 && page.text.contains("imgurctl doctor"), "{}", page.text);
    fs::write(&file, whole).unwrap();
    json(&gateway.refresh(&handle), 200);
}

#[test]
fn a_new_account_does_not_inherit_what_was_permitted_for_an_earlier_one_of_its_name() {
    let gateway = Gateway::signed_in();
    let (scene, show) =
        (&gateway.scene, || gateway.scene.ctl(&["account", "show", "--json"]).success().json());
    let (_, handle) = gateway.tokens();
    let code = gateway.code("postman");
    let client_id = show()["settings"]["client_id"].as_str().unwrap().to_owned();
    scene.ctl(&["permit", "allow", "org.example.App"]).success();
    scene.ctl(&["account", "remove", ACCOUNT]).success();
    scene.ctl(&["account", "add", ACCOUNT, "--client-id", &client_id]).success();
    assert!(scene.ctl(&["permit", "list"]).success().stdout.is_empty());
    scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    assert_eq!(json(&gateway.redeem(&code), 400)["error"], "invalid_grant");
    assert_eq!(json(&gateway.refresh(&handle), 400)["error"], "invalid_grant");
}

fn other_account(scene: &Scene) {
    scene.ctl(&["account", "add", "other", "--client-id", "cid-of-a-test"]).success();
    scene.ctl(&["gateway", "add", "postman", "other"]).success();
}

fn revoked(scene: &Scene) {
    scene.ctl(&["permit", "revoke", "gateway:postman"]).success();
}

fn removed(scene: &Scene) {
    scene.ctl(&["gateway", "remove", "postman"]).success();
}

/// The answer to a client's request if `change` happens while it waits for a token.
fn answer_during(gateway: &Gateway, request: impl Fn() -> Answer + Send, change: fn(&Scene)) -> Answer {
    let fake = &gateway.scene.fake;
    let gate = fake.hold(Endpoint::Token);
    let asked = fake.requests(Endpoint::Token).len();
    thread::scope(|scope| {
        let answer = scope.spawn(request);
        fake.wait_for_requests(Endpoint::Token, asked + 1);
        change(&gateway.scene);
        gate.release();
        answer.join().unwrap()
    })
}

#[test]
fn a_change_while_a_client_waits_counts_for_its_refresh() {
    for (change, status, error) in [
        (other_account as fn(&Scene), 400, "invalid_grant"),
        (revoked, 400, "invalid_grant"),
        (removed, 401, "invalid_client"),
    ] {
        let gateway = Gateway::signed_in();
        let (_, handle) = gateway.tokens();
        let answer = answer_during(&gateway, || gateway.refresh(&handle), change);
        assert_eq!(json(&answer, status)["error"], error);
        assert_eq!(json(&gateway.refresh(&handle), status)["error"], error);
    }
}

#[test]
fn a_change_while_a_client_waits_counts_for_its_code_and_credentials() {
    for (change, with_code, with_credentials) in [
        (other_account as fn(&Scene), (400, "invalid_grant"), (503, "temporarily_unavailable")),
        (revoked, (400, "invalid_grant"), (400, "unauthorized_client")),
        (removed, (401, "invalid_client"), (401, "invalid_client")),
    ] {
        for (has_code, (status, error)) in [(true, with_code), (false, with_credentials)] {
            let gateway = Gateway::new(expired(Scene::memory(momentary()).signed_in()));
            gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
            let code = gateway.code("postman");
            let ask = || {
                if has_code {
                    gateway.redeem(&code)
                } else {
                    gateway.token_as_postman(&[("grant_type", "client_credentials")])
                }
            };
            let answer = answer_during(&gateway, ask, change);
            assert_eq!(json(&answer, status)["error"], error);
        }
    }
}
