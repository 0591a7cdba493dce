//! Many waiting callers: how much they delay others, and when all have their token.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Extent;
use super::caller::{CALL, Caller};
use super::figure::{Figure, Quantity, Unit, quantile};
use super::site::{NAME, Site, add};
use super::table::{Goal, Row};
use crate::fake::{Behaviour, Endpoint};
use crate::soak::pass;

/// The number of waiting callers, close to the limit on connections.
const WAITING: usize = 1000;

const REFRESH: &[u8] =
    b"{\"method\":\"org.imgurd.Keeper1.Refresh\",\"parameters\":{\"account\":\"other\"}}\0";

/// The lifetime of the token that has expired when the callers come.
const LIFETIME: Duration = Duration::from_secs(1);

/// The number of rounds. The daemon allows six refreshes on demand a minute.
const CROWDS: usize = 4;

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    vec![undisturbed(extent), herd(extent)]
}

/// A cached token, while all other callers wait for another account's refresh.
fn undisturbed(extent: Extent) -> Row {
    let site = Site::memory();
    add(&site.scene, "other");
    let call = json!({ "method": "org.imgurd.Keeper1.GetToken", "parameters": { "account": NAME } });
    let call = format!("{call}\0").into_bytes();
    let (mut quiet, mut crowded) = (Vec::new(), Vec::new());
    let mut caller = Caller::connect(&site.socket());
    for _ in 0..CROWDS {
        quiet.extend((0..extent.calls * 20).map(|_| caller.time(&call)));
        let gate = site.scene.fake.hold(Endpoint::Token);
        let mut crowd = waiting(&site.socket(), REFRESH);
        crowded.extend((0..extent.calls * 20).map(|_| caller.time(&call)));
        gate.release();
        crowd.iter_mut().for_each(Caller::answer_with_token);
    }
    let tail = |spans: &[Duration]| {
        let seconds: Vec<_> = spans.iter().map(Duration::as_secs_f64).collect();
        Figure { median: Quantity::new(quantile(&seconds, 0.999), Unit::Seconds), p99: None }
    };
    Row::alone(
        "p99.9 of a cached token while 1,000 callers wait for another account's refresh",
        tail(&crowded),
        Goal::Ratio(2.0),
    )
    .against("p99.9 with nobody waiting", tail(&quiet))
}

/// Callers that wait for the answer to `call`. The daemon has read all calls once it answers the caller that comes
/// last.
fn waiting(socket: &Path, call: &[u8]) -> Vec<Caller> {
    let mut crowd: Vec<_> = (0..WAITING).map(|_| Caller::connect(socket)).collect();
    for caller in &mut crowd {
        caller.ask(call);
    }
    let mut last = Caller::connect(socket);
    last.ask(b"{\"method\":\"org.varlink.service.GetInfo\"}\0");
    last.answer();
    crowd
}

/// The time from the server's answer until the last waiting caller has the new token.
fn herd(extent: Extent) -> Row {
    // A token with a lifetime below two seconds is refreshed on demand only.
    let site = Site::with(Behaviour { lifetime: LIFETIME, ..Behaviour::default() });
    let mut spans = Vec::new();
    for round in 1..=extent.rounds {
        site.scene.fake.wait_for_answers(Endpoint::Token, round);
        pass(LIFETIME);
        let gate = site.scene.fake.hold_answer(Endpoint::Token);
        let mut crowd = waiting(&site.socket(), CALL);
        let begin = Instant::now();
        gate.release();
        crowd.iter_mut().for_each(Caller::answer_with_token);
        spans.push(begin.elapsed());
        assert_eq!(site.scene.refreshes().len(), round + 1, "all callers share one request");
    }
    let what =
        "1,000 callers wait for an expired token's successor: from the server's answer until the last has it";
    Row::alone(what, Figure::of(&spans), Goal::most(0.020, Unit::Seconds))
}
