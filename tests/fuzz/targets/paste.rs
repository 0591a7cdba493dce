//! What a user pastes: an answer of the sign-in page, or a grant from elsewhere. An error repeats none of it, and what is taken
//! for a grant can be one.
#![no_main]

mod bounds;

use bounds::{assert_silent, bounded};
use imgurd::fuzzing::paste;
use imgurd_proto::import::{Target, choose, read as read_grants};
use imgurd_proto::text::is_credential;
use imgurd_proto::{Flow, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| bounded(|| read(text)));

fn read(text: &str) {
    let text = Secret::from(text);
    for flow in [Flow::Code, Flow::Token, Flow::Pin] {
        assert_silent(&paste(&text, flow));
    }
    let target =
        Target { client_id: Some("0123456789abcde"), token_url: "https://as.example/token", issuer: None };
    match choose(read_grants(text.expose()), &target).one(None) {
        Ok(grant) => assert!(is_credential(grant.refresh_token.expose())),
        Err(error) => assert_silent(&error.to_string()),
    }
}
