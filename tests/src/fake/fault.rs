//! Faults between a request and its answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use super::Endpoint;
use super::body::{self, Answer, OVER_CAPACITY};

/// The size of [`Fault::Huge`], in bytes.
pub const HUGE: usize = 10 * 1024 * 1024;

/// A request that does not go as it should.
///
/// Those that say *processed* do what the request asks and then spoil the answer: tokens are rotated, codes
/// spent. The others leave everything as it was.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The real answer, that much later.
    Delay(Duration),
    /// Processed; the real answer, that much later.
    DelayAfterProcessing(Duration),
    /// The connection ends with no answer, and nothing was processed.
    DropBeforeAnswer,
    /// Processed; the connection ends with no answer. The client is in doubt.
    DropAfterProcessing,
    /// Processed; the connection ends half-way through the body.
    DropMidBody,
    /// Processed; half of the JSON, in an answer that is whole as HTTP goes.
    TruncatedJson,
    /// Processed; an answer in this content coding, which the client did not ask for.
    Compressed(&'static str),
    /// Processed; the real body, one byte each time this has passed.
    Trickle(Duration),
    /// "Temporarily over capacity" in JSON, with this status; 500 and 403 have been seen.
    OverCapacity(u16),
    /// An HTML page of a proxy, with this status.
    Html(u16),
    /// One of Imgur's ways to say "too many", with a `Retry-After` where given.
    RateLimited(RateLimit, Option<String>),
    /// Imgur's error with this status and text.
    Error(u16, String),
    /// The CDN's 400, with `Retry-After: 0`.
    Forbidden,
    /// An error of RFC 6749, section 5.2: status and code.
    Rfc6749(u16, String),
    /// 200 and a page that asks to log in to the network.
    CaptivePortal,
    /// 200 and nothing.
    Empty,
    /// 302 to this place.
    Redirect(String),
    /// 200 and JSON of [`HUGE`] bytes.
    Huge,
    /// Exactly this.
    Answer {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
}

impl Fault {
    /// Imgur's 400 with this text.
    pub fn refused(text: &str) -> Self {
        Self::Error(400, text.to_owned())
    }

    /// The refusal that a confirmed loss of the grant starts with.
    pub fn invalid_refresh_token() -> Self {
        Self::refused("Invalid refresh token")
    }

    /// JSON of the test's own making.
    pub fn json(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.into(),
        }
    }

    /// The answer, for those that give one without processing.
    pub(super) fn answer(&self, path: &str, method: &str) -> Option<Answer> {
        Some(match self {
            Self::OverCapacity(status) => body::json(*status, format!("{OVER_CAPACITY}{status}}}")),
            Self::Html(status) => body::html(*status, varnish(*status)),
            Self::RateLimited(shape, retry_after) => {
                let answer = shape.answer(path, method);
                match retry_after {
                    Some(value) => answer.with("Retry-After", value),
                    None => answer,
                }
            }
            Self::Error(status, text) => body::error(*status, text, path, method),
            Self::Forbidden => body::json(
                400,
                r#"{"data":{"error":"These actions are forbidden."},"success":false,"status":400}"#,
            )
            .with("Retry-After", &0),
            Self::Rfc6749(status, code) => body::rfc6749(*status, code, "said the fake"),
            Self::CaptivePortal => body::html(200, PORTAL),
            Self::Empty => body::json(200, ""),
            Self::Redirect(location) => body::html(302, "").with("Location", location),
            Self::Huge => body::json(200, huge()),
            Self::Answer { status, headers, body } => {
                Answer { status: *status, headers: headers.clone(), body: body.clone() }
            }
            Self::Delay(_)
            | Self::DelayAfterProcessing(_)
            | Self::DropBeforeAnswer
            | Self::DropAfterProcessing
            | Self::DropMidBody
            | Self::TruncatedJson
            | Self::Compressed(_)
            | Self::Trickle(_) => return None,
        })
    }
}

/// Imgur's three ways to say "too many".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// 429, `error` a text: the application's credits of the day are spent.
    Daily,
    /// 429, a list of `errors` in another shape altogether.
    Legacy,
    /// HTTP 400, `error` an object with `code` 429.
    Uploading,
}

impl RateLimit {
    fn answer(self, path: &str, method: &str) -> Answer {
        let path = body::quoted(path);
        match self {
            Self::Daily => body::json(
                429,
                format!(
                    r#"{{"data":{{"error":"Daily client requests exceeded","request":{path},"method":"{method}"}},"status":429,"success":false}}"#
                ),
            ),
            Self::Legacy => body::json(
                429,
                r#"{"errors":[{"id":"legacy-api-0f1e2d","code":"429","status":"Too Many Requests","detail":"Too Many Requests"}]}"#,
            ),
            Self::Uploading => body::json(
                400,
                format!(
                    r#"{{"data":{{"error":{{"code":429,"message":"You are uploading too fast. Please wait 59 more minutes.","type":"ImgurException","exception":[]}},"request":{path},"method":"{method}"}},"success":false,"status":400}}"#
                ),
            ),
        }
    }
}

const PORTAL: &str = "<!DOCTYPE html><html><head><title>Welcome to Free Wi-Fi</title></head>\
    <body><form action=\"/login\"><button>Accept and connect</button></form></body></html>";

fn varnish(status: u16) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<html>\n<head><title>{status} Varnish cache error</title></head>\n\
         <body><h1>Error {status} Varnish cache error</h1></body>\n</html>\n"
    )
}

fn huge() -> Vec<u8> {
    let (open, close) = (br#"{"data":""#, br#""}"#);
    let filling = vec![b'a'; HUGE - open.len() - close.len()];
    [open.as_slice(), &filling, close].concat()
}

/// Which faults the next requests meet.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<HashMap<Endpoint, Plan>>);

#[derive(Debug, Default)]
struct Plan {
    next: VecDeque<Fault>,
    then: Option<Fault>,
}

impl Faults {
    pub(super) fn push(&self, endpoint: Endpoint, times: usize, fault: &Fault) {
        let mut plans = self.0.lock().unwrap();
        let plan = plans.entry(endpoint).or_default();
        plan.next.extend(std::iter::repeat_n(fault.clone(), times));
    }

    pub(super) fn always(&self, endpoint: Endpoint, fault: Fault) {
        self.0.lock().unwrap().entry(endpoint).or_default().then = Some(fault);
    }

    pub(super) fn clear(&self, endpoint: Endpoint) {
        self.0.lock().unwrap().remove(&endpoint);
    }

    pub(super) fn take(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut plans = self.0.lock().unwrap();
        let plan = plans.get_mut(&endpoint)?;
        plan.next.pop_front().or_else(|| plan.then.clone())
    }
}
