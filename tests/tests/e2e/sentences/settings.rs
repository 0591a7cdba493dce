//! The messages and changes of `imgurctl account`.

use std::fs;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, Program, Scene, Testbed};
use serde_json::{Value, json};
use url::Url;

/// Values in which every character matters.
const ODD: [&str; 3] =
    ["https://b.example/?q=a+b&c=%20%2B#=", "zwei W\u{f6}rter \u{1f980}", "https://b.example/"];

fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

/// The values of this parameter in the sign-in page's URL.
fn sent(url: &str, name: &str) -> Vec<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().filter(|(known, _)| known == name).map(|(_, value)| value.into_owned()).collect()
}

fn params(scene: &Scene) -> Value {
    scene.ctl(&["account", "show", "--json"]).success().json()["settings"]["auth_params"].clone()
}

fn url_of(scene: &Scene) -> (Program, String) {
    scene.login(&[])
}

#[test]
fn a_repeated_auth_param_is_sent_unchanged_each_time() {
    let mut scene = scene();
    let options = ODD.map(|value| format!("resource={value}"));
    let options = options.iter().flat_map(|option| ["--auth-param", option]);
    let options: Vec<_> = ["account", "set", ACCOUNT].into_iter().chain(options).collect();
    scene.ctl(&options).success();
    assert_eq!(params(&scene), json!({ "resource": ODD }));
    let (_login, url) = url_of(&scene);
    assert_eq!(sent(&url, "resource"), ODD);
    // The daemon reads the same values from config.toml.
    scene.restart();
    assert_eq!(params(&scene), json!({ "resource": ODD }));
    let (_login, url) = url_of(&scene);
    assert_eq!(sent(&url, "resource"), ODD);
    let shown = scene.ctl(&["account", "show"]).success().stdout;
    assert!(shown.contains(&ODD.map(|value| format!("resource={value}")).join(" ")), "{shown}");
}

/// imgurd reads the file when you set it, not only at the next refresh.
#[test]
fn a_ca_file_without_certificates_is_refused_when_it_is_set() {
    let scene = scene();
    let odd = scene.bed.config_home().join("imgurd/odd.pem");
    fs::write(&odd, "no certificate").unwrap();
    for file in ["none.pem", "odd.pem", "/dev/zero"] {
        let said = scene.ctl(&["account", "set", "--ca-file", file]).exits(2).stderr;
        assert!(said.contains(file) && said.contains("give a file of PEM certificates"), "{said}");
    }
    assert_eq!(
        scene.ctl(&["account", "show", "--json"]).success().json()["settings"]["ca_file"],
        Value::Null
    );
}

#[test]
fn auth_param_adds_a_parameter_and_explains_how_to_remove_it() {
    let scene = scene();
    let set = |param: &str| scene.ctl(&["account", "set", "--auth-param", param]).success().stderr;
    set("prompt=consent");
    let said = set("hint=a=b");
    assert!(said.contains("hint=a=b prompt=consent"), "{said}");
    assert!(said.contains("`imgurctl account set mytoken --auth-param KEY=`"), "{said}");
    assert_eq!(params(&scene), json!({ "hint": "a=b", "prompt": "consent" }));
    set("prompt=login");
    assert_eq!(params(&scene), json!({ "hint": "a=b", "prompt": "login" }), "the last value of a key counts");
    set("hint=");
    assert_eq!(params(&scene), json!({ "prompt": "login" }));
    let said = set("prompt=");
    assert!(said.contains("no additional parameters"), "{said}");
    assert_eq!(params(&scene), Value::Null);
    let text = fs::read_to_string(scene.bed.config_file()).unwrap();
    assert!(!text.contains("auth_params"), "{text}");
    let help = scene.ctl(&["account", "set", "--help"]).success().stdout;
    assert!(help.contains("`KEY=` removes KEY"), "{help}");
}

#[test]
fn a_setting_that_needs_a_new_sign_in_says_so_if_there_is_a_grant() {
    let scene = scene();
    let next = "sign in again with `imgurctl login mytoken`";
    let set = |options: &[&str]| scene.ctl(&[&["account", "set"], options].concat()).success().stderr;
    let said = set(&["--scope", "read"]);
    assert!(!said.contains(next), "{said}");
    let scene = scene.signed_in();
    let set = |options: &[&str]| scene.ctl(&[&["account", "set"], options].concat()).success().stderr;
    for (options, setting) in [
        (["--scope", "read write"], "scope"),
        (["--auth-param", "audience=x"], "auth_params"),
        (["--auth-url", &scene.fake.auth_url()], "auth_url"),
    ] {
        let said = set(&options);
        assert!(said.contains(&format!("the old {setting};")) && said.contains(next), "{said}");
    }
    let said = set(&["--auto-refresh", "true"]);
    assert!(!said.contains("sign in"), "{said}");
    // A changed client ID has its own message.
    let said = set(&["--client-id", "another"]);
    assert!(!said.contains(next) && said.contains("run `imgurctl login mytoken`"), "{said}");
}

#[test]
fn account_add_names_the_next_step_with_every_store() {
    for bed in [Testbed::memory(), Testbed::file()] {
        let _daemon = bed.daemon();
        let output = bed.ctl(&["account", "add", "work", "--client-id", "x"]).success();
        assert!(output.stderr.contains("Sign in with `imgurctl login work`"), "{}", output.stderr);
        assert!(!output.stderr.contains("reading the store"), "{}", output.stderr);
    }
}

#[test]
fn account_add_names_the_next_step_even_if_the_store_fails() {
    let bed = Testbed::file();
    fs::remove_file(bed.config_home().join("imgurd/key")).unwrap();
    let _daemon = bed.daemon();
    let output = bed.ctl(&["account", "add", "work", "--client-id", "x"]).success();
    assert!(output.stderr.contains("key"), "{}", output.stderr);
    assert!(output.stderr.ends_with("Then sign in with `imgurctl login work`.\n"), "{}", output.stderr);
}
