//! The gateway with OAuth 2.0 clients of other projects.

use std::path::Path;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::stranger::python;
use imgurd_tests::testbed::{Scene, free_port};
use serde_json::Value;

const CALLBACK: &str = "http://127.0.0.1:9/callback";

#[test]
fn authlib_and_requests_oauthlib_sign_in_refresh_and_revoke() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let listen = format!("127.0.0.1:{}", free_port());
    scene.ctl(&["gateway", "on", "--listen", &listen]).success();
    let added =
        scene.ctl(&["gateway", "add", "library", "--redirect-uri", CALLBACK, "--json"]).success().json();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("strangers/gateway_clients.py");
    let mut command = python(&scene.bed);
    command.arg(script).args([
        &format!("http://{listen}"),
        "library",
        added["client_secret"].as_str().unwrap(),
    ]);
    let output = scene.bed.start(command).finish().success();
    let steps: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let expected = [
        &["denied", "client_secret_basic", "refreshed", "revoked"][..],
        &["client_secret_post", "revoked"],
        &["requests-oauthlib", "refreshed", "client_credentials", "guess"],
    ]
    .concat();
    assert_eq!(names, expected, "{}", output.stdout);
    for step in &steps {
        let error = match step["step"].as_str().unwrap() {
            "denied" => "access_denied",
            "revoked" => "invalid_grant",
            "guess" => "invalid_client",
            _ => {
                assert!(step["token"].is_string(), "{step}");
                continue;
            }
        };
        assert_eq!(step["error"], error);
    }
    assert_eq!(steps.iter().rev().find_map(|step| step["token"].as_str()), Some(&*scene.token()));
}
