//! A server's answers: a status, headers and a body. No reason contains a token, and a granted token is not empty.
#![no_main]

mod bounds;

use std::time::Duration;

use bounds::{assert_silent, bounded};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use imgurd::fuzzing::{classify_answer, identify, read_documents};
use imgurd::provider::{Answer, TokenOwner};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| bounded(|| read(input)));

fn read(input: &[u8]) {
    let Some((status, headers, body)) = response(input) else { return };
    match classify_answer(status, &headers, body).answer {
        Answer::Granted(tokens) => {
            let brought = tokens.access_token.as_ref().or(tokens.refresh_token.as_ref());
            assert!(status.is_success() && brought.is_some_and(|token| !token.is_empty()));
            assert!(tokens.refresh_token.is_none_or(|token| !token.is_empty()));
        }
        Answer::Refused { reason } => {
            assert!(status.is_client_error());
            assert_silent(&reason);
        }
        Answer::Misconfigured { reason, .. } => assert_silent(&reason),
        Answer::Transient(trouble) => {
            assert!(trouble.retry_after.is_none_or(|wait| wait <= Duration::from_hours(1)));
            assert_silent(&trouble.reason);
        }
    }
    read_documents(status, body).iter().for_each(|reason| assert_silent(reason));
    if let TokenOwner::Unknown(reason) = identify(status, headers, body) {
        assert_silent(&reason);
    }
}

/// Reads an answer in this format: the status, a line for each header, an empty line, the body.
fn response(input: &[u8]) -> Option<(StatusCode, HeaderMap, &[u8])> {
    let end = input.windows(2).position(|pair| pair == b"\n\n")?;
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let status = StatusCode::from_bytes(lines.next()?).ok()?;
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?))
    };
    Some((status, lines.filter_map(header).collect(), &input[end + 2..]))
}
