//! Pasted texts: an answer of the sign-in page, or a grant of another program. A refused text is not sent to a
//! server, and the refusal repeats none of it. What is sent can be a code, PIN or token, and is in the text.
#![no_main]

mod bounds;

use bounds::{assert_silent, bounded};
use imgurd::fuzzing::{Pasted, import, paste};
use imgurd_proto::import::read as read_grants;
use imgurd_proto::text::is_credential;
use imgurd_proto::{Error, Flow, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| bounded(|| read(text)));

fn read(text: &str) {
    let text = Secret::from(text);
    for flow in [Flow::Code, Flow::Token, Flow::Pin] {
        check(&paste(&text, flow));
    }
    let imported = import(&text);
    check(&imported);
    let found = read_grants(text.expose());
    assert!(imported.sent.iter().all(|token| found.iter().any(|grant| grant.refresh_token == *token)));
}

fn check(Pasted { outcome, sent }: &Pasted) {
    if let Err(Error::InvalidArgument { reason, .. }) = outcome {
        assert_silent(reason);
        assert!(sent.is_empty(), "a token of a refused text was sent: {reason}");
    }
    // A second try may follow the first.
    assert!(sent.iter().all(|secret| *secret == sent[0] && is_credential(secret.expose())), "{outcome:?}");
}
