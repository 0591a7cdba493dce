//! The local socket. Whatever a caller sends, each answer is complete JSON and repeats no secret.
#![no_main]

mod bounds;

use bounds::{SECRET, assert_silent, bounded};
use imgurd::fuzzing::converse;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// The parameters with secrets, of all methods.
const SECRETS: [&str; 4] = ["access_token", "client_secret", "response", "text"];

fuzz_target!(|said: &[u8]| bounded(|| call(said)));

fn call(said: &[u8]) {
    let answers = converse(said);
    for answer in answers.split_inclusive(|byte| *byte == 0) {
        let answer = answer.strip_suffix(b"\0").expect("every answer ends with NUL");
        let answer: Value = serde_json::from_slice(answer).expect("every answer is JSON");
        assert!(answer.is_object());
    }
    if holds_a_secret(said) {
        assert_silent(&String::from_utf8_lossy(&answers));
    }
}

/// Whether the secret is only in a parameter for secrets. imgurd repeats unknown names, which may look like a secret.
fn holds_a_secret(said: &[u8]) -> bool {
    let is_once = said.windows(SECRET.len()).filter(|part| *part == SECRET.as_bytes()).count() == 1;
    is_once
        && said.split(|byte| *byte == 0).any(|message| {
            let message: Value = serde_json::from_slice(message).unwrap_or_default();
            let is_it = |name| message["parameters"][name].as_str().is_some_and(|it| it.contains(SECRET));
            SECRETS.into_iter().any(is_it)
        })
}
