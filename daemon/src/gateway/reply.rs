//! The gateway's HTTP answers. No cache may keep them, and no other website may read them.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::oauth_error::OauthError;
use crate::loopback::http::response;

pub(super) type Reply = Response<Full<Bytes>>;

const JSON: &str = "application/json";

pub(super) fn reply(status: StatusCode, kind: &str, body: String, headers: &[(HeaderName, &str)]) -> Reply {
    let always = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    response(status, &[&always, headers].concat(), body)
}

pub(super) fn json(value: &Value) -> Reply {
    reply(StatusCode::OK, JSON, value.to_string(), &[])
}

pub(super) fn nothing(status: StatusCode, headers: &[(HeaderName, &str)]) -> Reply {
    reply(status, "text/plain", String::new(), headers)
}

/// Sends the browser there with GET, whatever method it used before.
pub(super) fn redirect(to: &str) -> Reply {
    reply(
        StatusCode::SEE_OTHER,
        "text/plain",
        String::new(),
        &[(header::LOCATION, to), (header::REFERRER_POLICY, "no-referrer")],
    )
}

pub(super) fn error(error: &OauthError) -> Reply {
    let body = json!({ "error": error.code, "error_description": described(&error.description) });
    let seconds = error.retry_after.map(|wait| wait.as_secs().to_string());
    let mut headers: Vec<_> = seconds.iter().map(|seconds| (header::RETRY_AFTER, seconds.as_str())).collect();
    if error.status == StatusCode::UNAUTHORIZED {
        headers.push((header::WWW_AUTHENTICATE, "Basic realm=\"imgurd\""));
    }
    reply(error.status, JSON, body.to_string(), &headers)
}

/// A description in the characters that it may have (RFC 6749, section 5.2).
pub(super) fn described(text: &str) -> String {
    let shown = |letter: char| match letter {
        '"' | '\\' | '“' | '”' | '`' => '\'',
        ' '..='~' => letter,
        _ => '?',
    };
    text.chars().map(shown).collect()
}
