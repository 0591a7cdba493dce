//! Tests of the clients for Python and JavaScript with common HTTP libraries.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use imgurd_proto::State;
use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Fault};
use imgurd_tests::own_client::OwnClient;
use imgurd_tests::stranger::{node, python};
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed, free_port};
use serde_json::{Value, json};

/// Starts a client.
type Start = fn(&Testbed) -> OwnClient;

/// The clients, and whether to test each with asyncio.
const CLIENTS: [(Start, bool); 3] =
    [(OwnClient::python, false), (OwnClient::python, true), (OwnClient::javascript, false)];

/// The HTTP libraries: each starts its client.
const LIBRARIES: [(Start, &str); 4] = [
    (OwnClient::python, "requests"),
    (OwnClient::python, "httpx"),
    (OwnClient::python, "httpx-async"),
    (OwnClient::javascript, "fetch"),
];

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

/// Sends a request, with asyncio or without.
fn ask(client: &mut OwnClient, is_async: bool, mut request: Value) -> Value {
    request["asyncio"] = is_async.into();
    client.ask(&request)
}

/// A text member of an answer.
fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}"))
}

#[test]
fn gets_and_replaces_a_token_without_showing_it() {
    for (start, is_async) in CLIENTS {
        let scene = scene();
        let mut client = start(&scene.bed);
        let token =
            ask(&mut client, is_async, json!({ "get": { "account": ACCOUNT, "min_valid": 5, "wait": 1 } }));
        let access_token = text(&token, "access_token").to_owned();
        assert_eq!(access_token, scene.token());
        assert_eq!(token["expires_at"], json!(scene.account().expires_at));
        assert_eq!((text(&token, "account"), text(&token, "token_type")), (ACCOUNT, "Bearer"));
        assert_eq!(token["username"], json!(scene.account().username));
        assert_eq!(text(&token, "authorization"), format!("Bearer {access_token}"));
        assert!(!text(&token, "shown").contains(&access_token), "{}", token["shown"]);

        scene.fake.kill_access_token();
        let another = ask(&mut client, is_async, json!({ "reject": access_token }));
        assert!(scene.fake.is_live(text(&another, "access_token")));
        assert_eq!(ask(&mut client, is_async, json!({ "get": {} })), another);
        assert_eq!(scene.refreshes().len(), 1);
    }
}

#[test]
fn fifty_callers_of_an_expired_token_cause_one_refresh() {
    for (start, is_async) in CLIENTS {
        let behaviour = Behaviour { lifetime: Duration::from_secs(1), ..Behaviour::default() };
        let scene = Scene::memory(behaviour).signed_in();
        scene.wait_until(|account| account.state == State::Stale);
        scene.fake.configure(|behaviour| behaviour.lifetime = Duration::from_hours(1));
        let mut client = start(&scene.bed);
        let tokens = ask(&mut client, is_async, json!({ "crowd": 50 }));
        assert_eq!(tokens, json!([scene.token()]));
        assert_eq!(scene.refreshes().len(), 1);
    }
}

#[test]
fn errors_have_the_interfaces_names_and_fields() {
    for (start, is_async) in CLIENTS {
        let mut scene = scene();
        let mut client = start(&scene.bed);
        let mut fails = |request: Value, name: &str| {
            let error = ask(&mut client, is_async, request);
            assert_eq!(error["raised"], name, "{error}");
            assert!(text(&error, "reason").contains("; ") && error["reason"] == error["text"], "{error}");
            error
        };
        let error = fails(json!({ "get": { "account": "nobody" } }), "NoSuchAccount");
        assert_eq!(error["account"], "nobody");
        let error = fails(json!({ "get": { "wait": -1 } }), "InvalidArgument");
        assert_eq!(error["field"], "wait_ms");
        // This uses up the refreshes of a minute.
        let mut token = scene.token();
        (0..6).for_each(|_| token = scene.refresh());
        scene.fake.kill_access_token();
        let error = fails(json!({ "reject": token }), "TemporarilyUnavailable");
        assert!(error.get("retry_at").or(error.get("retryAt")).is_some_and(Value::is_i64), "{error}");
        assert!(!error.to_string().contains(&token));
        scene.ctl(&["logout"]).success();
        let error = fails(json!({ "get": {} }), "ConsentNeeded");
        assert!(error["account"] == ACCOUNT && text(&error, "reason").contains("imgurctl login"), "{error}");
        scene.stop();
        fails(json!({ "get": {} }), "Unreachable");
    }
}

#[test]
fn reports_each_change_of_an_account_until_imgurd_ends() {
    for (start, is_async) in CLIENTS {
        let mut scene = scene();
        let mut client = start(&scene.bed);
        let first = ask(&mut client, is_async, json!({ "watch": ACCOUNT }));
        assert_eq!((text(&first, "name"), text(&first, "state")), (ACCOUNT, "fresh"));
        scene.ctl(&["logout"]).success();
        let empty = loop {
            let change = client.answer();
            if change["state"] == json!(State::Empty) {
                break change;
            }
        };
        assert!(text(&empty, "reason").contains("imgurctl login"), "{empty}");
        scene.stop();
        let end =
            std::iter::from_fn(|| Some(client.answer())).find(|answer| answer["state"].is_null()).unwrap();
        assert_eq!(end["raised"], "Unreachable", "{end}");
    }
}

#[test]
fn names_the_socket_of_an_unreachable_daemon() {
    for (start, is_async) in CLIENTS {
        let bed = Testbed::memory();
        bed.set_env("IMGURD_SOCKET", "/nowhere/socket");
        let error = ask(&mut start(&bed), is_async, json!({ "get": {} }));
        assert_eq!(error["raised"], "Unreachable");
        assert!(text(&error, "reason").contains("/nowhere/socket"), "{error}");
    }
}

/// The statuses of the requests to this endpoint.
fn statuses(scene: &Scene, endpoint: Endpoint) -> Vec<Option<u16>> {
    scene.fake.requests(endpoint).iter().map(|request| request.status).collect()
}

#[test]
fn repeats_a_request_once_after_a_rejected_token() {
    for (start, by) in LIBRARIES {
        for (rejection, body) in
            [(401, "none"), (403, "none"), (403, "form"), (401, "text"), (401, "request")]
        {
            if body == "request" && by != "fetch" {
                continue;
            }
            let scene = Scene::memory(Behaviour { rejection, ..Behaviour::default() }).signed_in();
            scene.fake.kill_access_token();
            let (path, endpoint) = if body == "none" {
                ("account/me/images", Endpoint::Images)
            } else {
                ("image", Endpoint::Upload)
            };
            let url = format!("{}{path}", scene.fake.api_url());
            let mut client = start(&scene.bed);
            let answer = client.ask(&json!({ "request": url, "by": by, "body": body }));
            assert_eq!(answer["status"], 200, "{by} {rejection} {body}: {answer}");
            assert_eq!(statuses(&scene, endpoint), [Some(rejection), Some(200)], "{by} {body}");
            assert_eq!(scene.refreshes().len(), 1);
        }
    }
}

#[test]
fn replaces_the_token_but_does_not_resend_a_stream() {
    for (start, by) in LIBRARIES {
        let scene = scene();
        scene.fake.kill_access_token();
        let url = format!("{}image", scene.fake.api_url());
        let mut client = start(&scene.bed);
        let mut upload = || client.ask(&json!({ "request": url, "by": by, "body": "stream" }));
        let rejected = upload();
        assert_eq!(rejected["status"], json!(scene.fake.behaviour().rejection), "{by}: {rejected}");
        assert_eq!((statuses(&scene, Endpoint::Upload).len(), scene.refreshes().len()), (1, 1), "{by}");
        assert_eq!(upload()["status"], 200, "{by}");
    }
}

#[test]
fn other_errors_and_a_second_rejection_are_returned() {
    for (start, by) in LIBRARIES {
        let scene = scene();
        let url = format!("{}account/me/images", scene.fake.api_url());
        let mut client = start(&scene.bed);
        let mut status = || client.ask(&json!({ "request": url, "by": by }))["status"].clone();
        for fault in [Fault::OverCapacity(403), Fault::Error(403, "Unauthorized".into()), Fault::Html(403)] {
            scene.fake.fail_next(Endpoint::Images, fault);
            assert_eq!(status(), 403, "{by}");
        }
        assert_eq!((statuses(&scene, Endpoint::Images).len(), scene.refreshes().len()), (3, 0), "{by}");
        scene.fake.fail_times(Endpoint::Images, 2, Fault::json(401, "{}"));
        assert_eq!(status(), 401, "{by}");
        assert_eq!((statuses(&scene, Endpoint::Images).len(), scene.refreshes().len()), (5, 1), "{by}");
    }
}

#[test]
fn sends_no_token_to_another_server() {
    for (start, by) in LIBRARIES {
        let scene = scene();
        let other = Fake::start_at(([127, 0, 0, 1], free_port()).into(), Behaviour::default()).unwrap();
        let mut client = start(&scene.bed);
        // Another origin answers 401 to requests without a token.
        scene.fake.fail_next(Endpoint::Images, Fault::Redirect(format!("{}account/me", other.api_url())));
        let url = format!("{}account/me/images", scene.fake.api_url());
        assert_eq!(client.ask(&json!({ "request": url, "by": by }))["status"], 401, "{by}");
        let requests = other.requests(Endpoint::Account);
        assert!(requests.len() == 1 && requests[0].authorization.is_none(), "{by}: {requests:?}");
        assert_eq!(scene.refreshes().len(), 0, "{by}");

        let refused = client.ask(&json!({ "request": "http://imgur.example/3/account/me", "by": by }));
        assert_eq!(refused["raised"], "InvalidArgument", "{by}: {refused}");
        assert_eq!(refused["field"], "url");
    }
}

/// Copies a package, since pip builds in the source directory.
fn copy(bed: &Testbed, package: &str) -> String {
    let to = bed.root().join(package);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("proto").join(package);
    assert!(Command::new("cp").arg("-r").arg(from).arg(&to).status().unwrap().success());
    to.to_str().unwrap().to_owned()
}

#[test]
fn pip_installs_the_python_package_from_the_tree_without_a_network() {
    let scene = scene();
    let to = scene.bed.root().join("site").to_str().unwrap().to_owned();
    let mut pip = python(&scene.bed);
    pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--target", &to]);
    pip.arg(copy(&scene.bed, "python"));
    scene.bed.start(pip).finish().success();
    assert!(fs::exists(format!("{to}/imgurd/py.typed")).unwrap());
    let mut program = python(&scene.bed);
    program.env("PYTHONPATH", &to).args(["-c", "import imgurd; print(imgurd.get_token().access_token)"]);
    assert_eq!(scene.bed.start(program).finish().success().line(), scene.token());
}

#[test]
fn npm_installs_the_javascript_package_from_the_tree() {
    let scene = scene();
    let home = scene.bed.home();
    let mut npm = npm(&scene.bed);
    npm.args(["install", "--offline", "--no-audit", "--no-fund", &copy(&scene.bed, "js")]);
    scene.bed.start(npm).finish().success();
    fs::write(
        home.join("a.mjs"),
        "import { getToken } from 'imgurd'; console.log((await getToken()).accessToken);",
    )
    .unwrap();
    let mut program = node(&scene.bed);
    program.arg("a.mjs");
    assert_eq!(scene.bed.start(program).finish().success().line(), scene.token());
}

/// The npm of the tests' Node.js.
fn npm(bed: &Testbed) -> Command {
    let node_itself = fs::canonicalize(node(bed).get_program()).unwrap();
    let prefix = node_itself.parent().unwrap().parent().unwrap();
    let scripts = ["lib/node_modules/npm/bin/npm-cli.js", "share/nodejs/npm/bin/npm-cli.js"];
    let script = scripts
        .iter()
        .map(|it| prefix.join(it))
        .find(|it| it.is_file())
        .expect("npm is installed with Node.js");
    let mut npm = node(bed);
    npm.arg(script);
    npm
}
