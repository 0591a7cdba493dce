//! `imgurctl status --credits`: the remaining requests of the API.

use imgurd_tests::fake::{Behaviour, Endpoint, Fault, RateLimit};
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed};
use serde_json::json;

fn scene() -> Scene {
    Scene::memory(Behaviour::default()).signed_in()
}

#[test]
fn credits_are_printed_as_a_table_or_json() {
    let scene = scene();
    let table = scene.ctl(&["status", "--credits"]).success().stdout;
    for words in [
        &["ACCOUNT", "LEFT", "LIMIT", "RESET"][..],
        &[ACCOUNT, "500", "2021-03-13"],
        &["(application)", "12,500", "within a day"],
    ] {
        let line = table.lines().find(|line| line.contains(words[0])).unwrap_or_default();
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {table}");
    }
    let json = scene.ctl(&["status", ACCOUNT, "--credits", "--json"]).success().json();
    let credits = json!({ "user_limit": 500, "user_remaining": 500, "user_reset": 1_615_614_380,
        "client_limit": 12_500, "client_remaining": 12_500 });
    assert_eq!(json, json!({ "account": ACCOUNT, "credits": credits }));
    let bearer = format!("Bearer {}", scene.token());
    for request in scene.fake.requests(Endpoint::Credits) {
        assert_eq!(request.authorization.as_deref(), Some(bearer.as_str()));
    }
}

#[test]
fn a_rejected_token_is_replaced_before_credits_fails() {
    for status in [401, 403] {
        let scene = scene();
        scene.fake.configure(|behaviour| behaviour.rejection = status);
        scene.fake.kill_access_token();
        scene.ctl(&["status", "--credits"]).success();
        assert_eq!(scene.refreshes().len(), 1);
    }
    let scene = scene();
    scene
        .fake
        .fail_always(Endpoint::Credits, Fault::Error(403, "The access token provided is invalid.".into()));
    let output = scene.ctl(&["status", "--credits"]).exits(6);
    assert!(output.complaint().contains("rejects even a new token"), "{}", output.stderr);
    assert_eq!(scene.fake.requests(Endpoint::Credits).len(), 2);
}

#[test]
fn credits_names_the_failure_of_the_api() {
    let scene = scene();
    for (fault, code, why) in [
        (Fault::OverCapacity(500), 6, "over capacity"),
        (Fault::OverCapacity(403), 6, "over capacity"),
        (Fault::RateLimited(RateLimit::Daily, None), 6, "limits the number of requests"),
        (Fault::Html(502), 6, "error page"),
        (Fault::json(404, "{}"), 9, "does not report credits"),
        (Fault::CaptivePortal, 9, "does not report credits"),
    ] {
        scene.fake.fail_next(Endpoint::Credits, fault.clone());
        let output = scene.ctl(&["status", "--credits"]).exits(code);
        assert!(output.complaint().contains(why), "{fault:?}: {}", output.stderr);
    }
    assert_eq!(scene.refreshes().len(), 0, "these failures cause no refresh");
    scene.ctl(&["status", "nobody", "--credits"]).exits(3).complaint();
    scene.ctl(&["logout"]).success();
    scene.ctl(&["status", "--credits"]).exits(4).complaint();
}

#[test]
fn credits_waits_no_longer_than_its_wait_time() {
    let scene = scene();
    let gate = scene.fake.hold(Endpoint::Credits);
    let answer = scene.bed.wire().call("GetCredits", &json!({ "wait_ms": 200 }));
    assert_eq!(answer["error"], "org.imgurd.Keeper1.TemporarilyUnavailable", "{answer}");
    assert!(answer["parameters"]["reason"].as_str().unwrap().contains("did not answer in time"), "{answer}");
    drop(gate);
}

#[test]
fn the_bus_returns_credits_too() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let call = |account: &str| {
        let mut command = scene.bed.command("busctl");
        command.args([
            "--user",
            "--",
            "call",
            "org.imgurd.Keeper1",
            "/org/imgurd/Keeper1",
            "org.imgurd.Keeper1",
        ]);
        command.args(["GetCredits", "si", account, "-1"]);
        scene.bed.start(command).finish()
    };
    let said = call("").success().stdout;
    assert!(said.starts_with("a{sv} 5 ") && said.contains("\"user_remaining\" x 500"), "{said}");
    assert!(call("nobody").stderr.contains("There is no account nobody"));
}
