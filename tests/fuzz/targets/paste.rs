//! What a person pastes: an answer of the sign-in page, or a grant obtained elsewhere. An error repeats none of it.
#![no_main]

mod bounds;

use bounds::{assert_silent, bounded};
use imgurd::fuzzing::{import, paste};
use imgurd_proto::{Flow, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| bounded(|| read(text)));

fn read(text: &str) {
    let text = Secret::from(text);
    for flow in [Flow::Code, Flow::Token, Flow::Pin] {
        assert_silent(&paste(&text, flow));
    }
    assert_silent(&import(&text));
}
