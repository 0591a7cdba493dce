//! The command-line tools of Bruno and Postman, with collections that get their tokens from imgurd.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use imgurd_tests::fake::Endpoint;
use imgurd_tests::stranger::{modules, node};
use imgurd_tests::testbed::gateway::Gateway;
use serde_json::{Value, json};

use super::script;

/// A gateway whose client already has permission.
fn permitted() -> Gateway {
    let gateway = Gateway::signed_in();
    gateway.scene.ctl(&["permit", "allow", "gateway:postman"]).success();
    gateway
}

fn tool(gateway: &Gateway, path: &str, directory: &Path) -> Command {
    let mut command = node(&gateway.scene.bed);
    command.arg(modules().join(path)).current_dir(directory);
    command
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// The statuses of the requests that the API answered.
fn statuses(gateway: &Gateway) -> Vec<Option<u16>> {
    gateway.scene.fake.requests(Endpoint::Images).iter().map(|request| request.status).collect()
}

/// Runs the collection with Bruno, which sends its credentials in the body or the header.
fn bruno(gateway: &Gateway, placement: &str) -> Output {
    let directory = gateway.scene.bed.root().join(placement);
    fs::create_dir(&directory).unwrap();
    for file in ["bruno.json", "images.bru"] {
        let text = fs::read_to_string(script("bruno").join(file)).unwrap();
        fs::write(directory.join(file), text.replace("PLACEMENT", placement)).unwrap();
    }
    let mut command = tool(gateway, "@usebruno/cli/bin/bru.js", &directory);
    command.args(["run", "images.bru"]);
    let (api_url, secret) = (gateway.scene.fake.api_url(), &gateway.secret);
    for variable in [
        format!("api_url={api_url}"),
        format!("gateway={}", gateway.base),
        "client_id=postman".to_owned(),
        format!("client_secret={secret}"),
    ] {
        command.args(["--env-var", &variable]);
    }
    command.output().unwrap()
}

#[test]
fn bruno_gets_its_token_from_the_gateway_unless_denied() {
    let gateway = permitted();
    for placement in ["body", "basic_auth_header"] {
        succeeded(&bruno(&gateway, placement));
    }
    assert_eq!(statuses(&gateway), [Some(200); 2]);
    gateway.scene.ctl(&["permit", "deny", "gateway:postman"]).success();
    fs::remove_dir_all(gateway.scene.bed.root().join("body")).unwrap();
    let denied = bruno(&gateway, "body");
    assert!(String::from_utf8_lossy(&denied.stderr).contains("OAuth2 token fetch error"), "{denied:?}");
    assert_eq!(statuses(&gateway).last(), Some(&Some(401)), "bruno sends the request without a token");
}

/// Runs the collection with newman, with these variables in an environment file of Postman.
fn newman(gateway: &Gateway, environment: &str) {
    let directory = gateway.scene.bed.home();
    fs::write(directory.join("environment.json"), environment).unwrap();
    let mut command = tool(gateway, "newman/bin/newman.js", &directory);
    command.arg("run").arg(script("imgur.postman_collection.json")).args(["-e", "environment.json"]);
    succeeded(&command.output().unwrap());
}

fn environment(variables: &[(&str, &str)]) -> Value {
    let variables = variables.iter().map(|(key, value)| json!({ "key": key, "value": value }));
    json!({ "name": "imgurd", "values": variables.collect::<Vec<_>>() })
}

#[test]
fn newman_gets_its_token_from_the_gateway_or_by_a_template() {
    let gateway = permitted();
    let api_url = gateway.scene.fake.api_url();
    let client = [("gateway", &*gateway.base), ("client_id", "postman"), ("client_secret", &gateway.secret)];
    newman(&gateway, &environment(&[&client[..], &[("api_url", &api_url)]].concat()).to_string());
    let template = gateway.scene.bed.home().join("environment.template");
    let filled = environment(&[("access_token", "{{access_token}}"), ("api_url", &api_url)]);
    fs::write(&template, filled.to_string()).unwrap();
    let filled = gateway.scene.ctl(&["token", "--template", template.to_str().unwrap()]).success();
    newman(&gateway, &filled.stdout);
    assert_eq!(statuses(&gateway), [Some(200); 2]);
}
