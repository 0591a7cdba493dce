//! Tests of the fake Imgur, on which the other tests depend.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in the functions it shares as well")]

mod api;
mod control;
mod faults;
mod flows;
mod rotation;

use imgurd_tests::fake::Fake;
use imgurd_tests::http::{self, Answer};
use serde_json::Value;

const ID: &str = "fake-client-id";
const SECRET: &str = "fake-client-secret";

/// Sends a form to the token endpoint, with the client's credentials in the body.
fn token(fake: &Fake, form: &[(&str, &str)]) -> Answer {
    let client = [("client_id", ID), ("client_secret", SECRET)];
    http::post(&fake.token_url(), None, &[&client, form].concat()).unwrap()
}

fn refresh(fake: &Fake, refresh_token: &str) -> Answer {
    token(fake, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
}

/// A text member of a JSON answer.
fn member(answer: &Answer, name: &str) -> String {
    let object: Value = serde_json::from_str(&answer.text).unwrap();
    object[name].as_str().unwrap_or_default().to_owned()
}

fn refused(text: &str) -> String {
    format!(
        r#"{{"data":{{"error":"{text}","request":"\/oauth2\/token","method":"POST"}},"success":false,"status":400}}"#
    )
}
