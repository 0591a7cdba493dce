//! The callback listener. Its answer is HTTP or empty, and the page repeats nothing of the request.
#![no_main]

mod bounds;

use bounds::{assert_silent, bounded};
use imgurd::fuzzing::visit;
use imgurd_proto::Flow;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| bounded(|| call(input)));

fn call(input: &[u8]) {
    let Some((flow, request)) = input.split_first() else { return };
    let flow = if *flow == b'T' { Flow::Token } else { Flow::Code };
    let answer = visit(flow, request);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
    assert_silent(&String::from_utf8_lossy(&answer));
}
