//! A real browser: headless Chromium, driven by W3C WebDriver.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};

use crate::fake::PATIENCE;
use crate::http;
use crate::testbed::Testbed;

/// The driver prints this once it listens.
const READY: &str = "started successfully on port ";
/// The JSON key of an element's ID.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Options that prevent connections to other hosts, and the need for its own sandbox as root.
const FLAGS: [&str; 11] = [
    "--headless",
    "--hide-scrollbars",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/// A running browser with its own profile. Dropping it ends it.
#[derive(Debug)]
pub struct Chromium {
    driver: Child,
    session: String,
    profile: PathBuf,
}

impl Chromium {
    /// Starts a browser whose profile is in the testbed.
    pub fn start(bed: &Testbed) -> Self {
        Self::begin(bed, &[], &json!({}))
    }

    /// Starts a browser with a private window.
    pub fn private(bed: &Testbed) -> Self {
        Self::begin(bed, &["--incognito"], &json!({}))
    }

    /// Starts a browser without scripts.
    pub fn without_scripts(bed: &Testbed) -> Self {
        Self::begin(bed, &[], &json!({ "profile.default_content_setting_values.javascript": 2 }))
    }

    fn begin(bed: &Testbed, flags: &[&str], preferences: &Value) -> Self {
        let profile = bed.root().join("chromium");
        let mut command = bed.command("chromedriver");
        let mut driver =
            command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let port = port_of(driver.stdout.take().unwrap());
        let mut chromium = Self { driver, session: format!("http://127.0.0.1:{port}/session"), profile };
        let profile_flag = format!("--user-data-dir={}", chromium.profile.display());
        let flags = [&FLAGS[..], flags, &[&profile_flag]].concat();
        let wanted = json!({ "pageLoadStrategy": "normal", "timeouts": timeouts(),
            "goog:chromeOptions": { "args": flags, "prefs": preferences } });
        let begun = chromium.ask("", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        chromium.session = format!("{}/{}", chromium.session, begun["sessionId"].as_str().unwrap());
        chromium
    }

    /// The directory with its history, its cache and everything else.
    pub fn profile(&self) -> &Path {
        &self.profile
    }

    /// Opens a page, and returns when it has loaded.
    pub fn open(&self, url: &str) {
        self.ask("/url", &json!({ "url": url }));
    }

    /// Presses the button with this value, and returns when the next page has loaded.
    pub fn press(&self, value: &str) {
        let selector = format!("button[value={value}]");
        let button = self.ask("/element", &json!({ "using": "css selector", "value": selector }));
        let id = button[ELEMENT].as_str().expect("the page has this button");
        self.ask(&format!("/element/{id}/click"), &json!({}));
        // The click may return before the page is replaced by the next one.
        let (url, deadline) = (format!("{}/element/{id}/name", self.session), Instant::now() + PATIENCE);
        while http::get(&url, None).is_ok_and(|answer| answer.status == 200) {
            assert!(Instant::now() < deadline, "no page follows the button");
        }
    }

    /// Runs JavaScript in the page, and returns its result.
    pub fn evaluate(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until the heading contains `text`, and returns the text of the page.
    pub fn wait_for_heading(&self, text: &str) -> String {
        let script = "const [text, done] = arguments; \
            const look = () => document.querySelector('h1')?.textContent.includes(text) && done(document.body.innerText); \
            new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true }); look();";
        let (url, call) =
            (format!("{}/execute/async", self.session), json!({ "script": script, "args": [text] }));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = http::post_json(&url, &call.to_string());
            // The script is lost if the page is replaced by the next one.
            let is_gone = answer.as_ref().is_ok_and(|answer| answer.status == 500);
            if !is_gone || Instant::now() > deadline {
                return value(answer).as_str().unwrap().to_owned();
            }
        }
    }

    /// The text of the page, read without a script.
    pub fn text(&self) -> String {
        let body = self.ask("/element", &json!({ "using": "css selector", "value": "body" }));
        let id = body[ELEMENT].as_str().unwrap();
        self.get(&format!("/element/{id}/text")).as_str().unwrap().to_owned()
    }

    /// A screenshot of the whole page in a window of this width, as a PNG.
    pub fn screenshot(&self, width: u32) -> Vec<u8> {
        let resize = |height: &Value| {
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
            let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
            self.ask("/goog/cdp/execute", &command);
        };
        // The page is at least as high as the window, and its margins may depend on the height.
        let height = "return document.documentElement.scrollHeight";
        resize(&json!(1));
        resize(&self.evaluate(height));
        resize(&self.evaluate(height));
        BASE64.decode(self.get("/screenshot").as_str().unwrap()).unwrap()
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// Ends the browser, so that it writes everything to its profile, and returns the profile's directory.
    pub fn quit(self) -> PathBuf {
        self.profile.clone()
    }

    fn ask(&self, path: &str, parameters: &Value) -> Value {
        value(http::post_json(&format!("{}{path}", self.session), &parameters.to_string()))
    }

    fn get(&self, path: &str) -> Value {
        value(http::get(&format!("{}{path}", self.session), None))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Ends the browser. Killing the driver ends what is left.
        let _ = http::delete(&self.session);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn timeouts() -> Value {
    let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
    json!({ "script": patience, "pageLoad": patience, "implicit": 0 })
}

fn value(answer: Result<http::Answer, ureq::Error>) -> Value {
    let answer = answer.expect("the driver answers");
    let value: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(answer.status, 200, "the driver reports: {value}");
    value["value"].clone()
}

/// Keeps reading the driver's output, because a full pipe would stop the driver.
fn port_of(stdout: ChildStdout) -> u16 {
    let (sender, port) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once(READY) {
                let _ = sender.send(port.trim_end_matches('.').parse().unwrap());
            }
        }
    });
    port.recv_timeout(PATIENCE).expect("the driver starts")
}
