//! Faults between a request and its answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use super::Endpoint;
use super::body::{self, Answer, OVER_CAPACITY};

/// The size of [`Fault::Huge`], in bytes.
pub const HUGE: usize = 10 * 1024 * 1024;

/// What goes wrong with a request.
///
/// A fault that says *processed* does what the request asks and then spoils the answer: tokens are replaced, codes
/// are used. The other faults change nothing.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The correct answer, after a delay.
    Delay(Duration),
    /// Processed. The correct answer, after a delay.
    DelayAfterProcessing(Duration),
    /// The connection ends without an answer, and nothing was processed.
    DropBeforeAnswer,
    /// Processed. The connection ends without an answer, so the client cannot know.
    DropAfterProcessing,
    /// Processed. The connection ends in the middle of the body.
    DropMidBody,
    /// Processed. Half of the JSON, in an HTTP answer that is complete.
    TruncatedJson,
    /// Processed. The correct answer, but its access token is empty.
    NoAccessToken,
    /// Processed. An answer in this content coding, which the client did not ask for.
    Compressed(&'static str),
    /// Processed. The correct body, with this pause before each byte.
    Trickle(Duration),
    /// "Temporarily over capacity" in JSON, with this status. 500 and 403 have been seen.
    OverCapacity(u16),
    /// A proxy's HTML error page with this status.
    Html(u16),
    /// One of Imgur's rate limit errors, with this `Retry-After` if given.
    RateLimited(RateLimit, Option<String>),
    /// Imgur's error with this status and message.
    Error(u16, String),
    /// The CDN's 400, with `Retry-After: 0`.
    Forbidden,
    /// An error of RFC 6749, section 5.2: status and code.
    Rfc6749(u16, String),
    /// Status 200 and a page that asks the user to log in to the network.
    CaptivePortal,
    /// Status 200 and an empty body.
    Empty,
    /// Status 302 to this URL.
    Redirect(String),
    /// Status 200 and JSON of [`HUGE`] bytes.
    Huge,
    /// This answer.
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
    /// Imgur's error with status 400 and this message.
    pub fn refused(text: &str) -> Self {
        Self::Error(400, text.to_owned())
    }

    /// The refusal of an invalid refresh token.
    pub fn invalid_refresh_token() -> Self {
        Self::refused("Invalid refresh token")
    }

    /// An answer with this JSON body.
    pub fn json(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.into(),
        }
    }

    /// The answer of a fault without processing. `None` for the other faults.
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
            | Self::NoAccessToken
            | Self::Compressed(_)
            | Self::Trickle(_) => return None,
        })
    }
}

/// Imgur's three rate limit errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// Status 429 with `error` as a string: the application has used its credits for the day.
    Daily,
    /// Status 429 with a list of `errors` in a different format.
    Legacy,
    /// Status 400 with `error` as an object, whose `code` is 429.
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

/// The faults of the next requests.
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
