//! Consent in a real browser, with the real page and its script.

use std::fs;
use std::path::{Path, PathBuf};

use imgurd_tests::chromium::Chromium;
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::Scene;
use serde_json::json;

fn scene() -> Scene {
    Scene::memory(Behaviour::default())
}

#[test]
fn the_code_flow_signs_in() {
    let scene = scene();
    let (login, url) = scene.login(&[]);
    let browser = Chromium::start(&scene.bed);
    browser.open(&url);
    browser.press("allow");
    let said = browser.wait_for_heading("Signed in as alice");
    assert!(said.contains("mytoken") && said.contains("You can close this page."), "{said}");
    login.finish().success();
    assert!(scene.fake.is_live(&scene.token()));
}

/// Files in which Chromium may record the first address, before any script runs, and the server's redirect.
const ITS_OWN: [&str; 4] = ["History", "ukm_db", "Sessions", "Cache_Data"];

/// Signs in with the token flow and returns the secrets that the browser saw.
fn sign_in_with_the_token_flow(scene: &Scene, browser: &Chromium) -> Vec<String> {
    let (login, url) = scene.login(&["--flow", "token"]);
    browser.open(&url);
    browser.press("allow");
    let said = browser.wait_for_heading("Signed in as alice");
    assert!(said.contains("You can close this page."), "{said}");
    login.finish().success();
    assert!(scene.fake.is_live(&scene.token()));
    assert_eq!(
        scene.fake.requests(Endpoint::Token).len(),
        0,
        "the tokens come in the fragment, without a token request"
    );
    scene.fake.secrets()
}

#[test]
fn the_token_flow_signs_in_and_leaves_no_token_in_the_window() {
    let scene = scene();
    let browser = Chromium::start(&scene.bed);
    let secrets = sign_in_with_the_token_flow(&scene, &browser);
    assert_eq!(browser.url(), scene.callback(), "the address bar shows neither state nor tokens");
    assert_eq!(browser.evaluate("return document.title"), "Signed in as alice – imgurd");
    assert_eq!(browser.evaluate("return history.state"), json!(null));
    let memory = browser.evaluate("return [document.URL, document.documentElement.outerHTML].join()");
    assert!(!secrets.iter().any(|secret| memory.as_str().unwrap().contains(secret)));
    let mut holders = holders(&browser.quit(), &secrets);
    holders.retain(|file| !ITS_OWN.iter().any(|known| file.display().to_string().contains(known)));
    assert_eq!(holders, Vec::<PathBuf>::new());
}

#[test]
fn a_private_window_leaves_no_token_on_the_disk() {
    let scene = scene();
    let browser = Chromium::private(&scene.bed);
    let secrets = sign_in_with_the_token_flow(&scene, &browser);
    assert_eq!(holders(&browser.quit(), &secrets), Vec::<PathBuf>::new());
    scene.bed.assert_no_secret_in_sight(&secrets, &[]);
}

/// The files below `directory` that contain one of `secrets`.
fn holders(directory: &Path, secrets: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, secrets));
        } else if let Ok(bytes) = fs::read(&path) {
            let text = String::from_utf8_lossy(&bytes);
            found.extend(secrets.iter().any(|secret| text.contains(secret)).then_some(path));
        }
    }
    found
}

#[test]
fn a_denial_ends_the_sign_in_in_both_flows() {
    let scene = scene();
    let browser = Chromium::start(&scene.bed);
    for flow in ["code", "token"] {
        let (login, url) = scene.login(&["--flow", flow]);
        browser.open(&url);
        browser.press("deny");
        let said = browser.wait_for_heading("Access was denied");
        assert!(said.contains("imgurctl login mytoken"), "{said}");
        let output = login.finish().exits(10);
        assert!(output.stderr.contains("denied"), "{}", output.stderr);
    }
    assert_eq!(scene.fake.requests(Endpoint::Token).len(), 0);
}

#[test]
fn a_reloaded_page_says_how_the_sign_in_ended() {
    let scene = scene();
    let browser = Chromium::start(&scene.bed);
    for (flow, heading) in [("code", "Signed in as alice"), ("token", "This sign-in is already complete")] {
        let (login, url) = scene.login(&["--flow", flow]);
        browser.open(&url);
        browser.press("allow");
        browser.wait_for_heading("Signed in as alice");
        login.finish().success();
        browser.evaluate("document.querySelector('h1').textContent = ''; location.reload()");
        browser.wait_for_heading(heading);
    }
}

#[test]
fn a_browser_without_scripts_shows_how_to_paste() {
    let scene = scene();
    let (_login, url) = scene.login(&["--flow", "token"]);
    let browser = Chromium::without_scripts(&scene.bed);
    browser.open(&url);
    browser.press("allow");
    let said = browser.text();
    assert!(said.contains("imgurctl login mytoken --paste"), "{said}");
    assert!(scene.account().login_pending);
}

#[test]
fn the_page_of_an_expired_sign_in_says_so() {
    let scene = scene();
    let (login, old) = scene.login(&["--flow", "token", "--timeout", "1s"]);
    login.finish().exits(10);
    let (_login, _url) = scene.login(&["--flow", "token"]);
    let browser = Chromium::start(&scene.bed);
    browser.open(&old);
    browser.press("allow");
    let said = browser.wait_for_heading("This sign-in has expired");
    assert!(said.contains("imgurctl login mytoken"), "{said}");
    assert!(scene.account().login_pending, "the open sign-in continues");
}
