//! Classifies the answers of the token endpoint. Every answer is one of four kinds, and only an explicit error of the server counts
//! against the grant.

use std::time::{Duration, SystemTime};

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use imgurd_proto::Secret;
use imgurd_proto::text::printable_name;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::complaint::Complaint;
use super::response::{has_odd_token, text};
use super::{Answer, Delivery, TokenResponse, Transient};
use crate::grant::Timestamp;

const READ_CODINGS: [&str; 4] = ["identity", "gzip", "x-gzip", "deflate"];
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Classifies an answer. The reasons contain nothing of the body except known texts and the server's `error` and
/// `error_description`, shortened and without anything that looks like a secret or is one of `secrets`.
/// `is_proven_refresh`: the request is a refresh by a client whose settings have worked before, so any other OAuth
/// error counts against the grant.
pub(crate) fn classify(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    is_proven_refresh: bool,
    secrets: &[Secret],
) -> Answer {
    let body = &*text(body);
    let tokens = status.is_success().then(|| TokenResponse::from_text(body)).flatten();
    let complaint = Complaint::parse(body, secrets);
    if let Some(tokens) = tokens.filter(|tokens| counts(tokens, complaint.as_ref(), secrets)) {
        return Answer::Granted(tokens);
    }
    let objection = complaint.as_ref().filter(|_| is_proven_refresh && !asks_for_patience(status));
    let objection = objection.and_then(|complaint| complaint.objection(status));
    let verdict = if status.is_client_error() && !asks_for_patience(status) {
        complaint.as_ref().and_then(|complaint| complaint.verdict(status, objection.is_some()))
    } else {
        None
    };
    let verdict = verdict.or(objection.map(|reason| Answer::Refused { reason }));
    verdict.unwrap_or_else(|| {
        let (reason, delivery) = if status.is_success() && has_odd_token(body) {
            let reason = "the access_token in the server's answer contains invalid characters";
            (reason.to_owned(), Delivery::InDoubt)
        } else if let Some(coding) = unread_coding(headers).filter(|_| complaint.is_none()) {
            let reason = format!("the server compressed its answer as “{coding}”, which imgurd cannot read");
            (reason, if status.is_success() { Delivery::InDoubt } else { Delivery::Answered })
        } else {
            let (reason, delivery) = passing_trouble(status, complaint.as_ref(), is_web_page(headers, body));
            (reason, refine(delivery, status, body, complaint.as_ref()))
        };
        Answer::Transient(Transient { reason, retry_after: retry_after(headers), delivery })
    })
}

/// Whether an answer with these tokens grants them. Without an access token, only a new refresh token counts: it has
/// probably replaced the one that was sent, and may be in no other answer.
fn counts(tokens: &TokenResponse, complaint: Option<&Complaint>, secrets: &[Secret]) -> bool {
    let is_new = || tokens.refresh_token.as_ref().is_some_and(|token| !secrets.contains(token));
    tokens.access_token.is_some() || (is_new() && !complaint.is_some_and(Complaint::has_an_error))
}

/// Distinguishes refusals without an error text, and answers that are not from a token endpoint, from other answers.
fn refine(delivery: Delivery, status: StatusCode, body: &str, complaint: Option<&Complaint>) -> Delivery {
    if delivery != Delivery::Answered || status.is_server_error() || asks_for_patience(status) {
        return delivery;
    }
    let is_refused = status.is_client_error();
    match complaint.filter(|complaint| complaint.has_an_error()) {
        _ if is_about_the_address(status) => Delivery::NotOauth,
        Some(complaint) if is_refused && !complaint.is_passing() => Delivery::Unclear,
        Some(_) => delivery,
        None if is_refused && body.trim_ascii().is_empty() => Delivery::Wordless,
        None => Delivery::NotOauth,
    }
}

/// Whether the status alone says that the server did not process the request.
fn asks_for_patience(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS)
}

/// Whether the status is about the address or the form of the request, and so not about the grant.
fn is_about_the_address(status: StatusCode) -> bool {
    is_missing(status) || matches!(status.as_u16(), 406 | 411 | 413..=415 | 417 | 421 | 426 | 431)
}

/// Whether nothing at that address accepts such a request.
pub(super) fn is_missing(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE)
}

/// Describes a temporary failure: the cause, and whether the server may have processed the request anyway.
pub(super) fn passing_trouble(
    status: StatusCode,
    complaint: Option<&Complaint>,
    page: bool,
) -> (String, Delivery) {
    if let Some(reason) = complaint.and_then(Complaint::known_trouble) {
        return (reason.into(), Delivery::Answered);
    }
    let code = status.as_u16();
    if page && (status.is_success() || status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED) {
        let reason = "the answer is a web page: the network may require you to sign in";
        return (reason.into(), Delivery::Answered);
    }
    if status.is_success() {
        // An unreadable success may have been a refresh: its tokens are lost, and the refresh token may have been
        // replaced.
        return match complaint {
            Some(complaint) if complaint.has_an_error() => {
                let said = complaint.said().unwrap_or_else(|| "the server answered with an error".to_owned());
                (format!("{said} with a success status (HTTP {code})"), Delivery::Answered)
            }
            _ => {
                (format!("the server's answer was incomplete or unreadable (HTTP {code})"), Delivery::InDoubt)
            }
        };
    }
    let said = complaint.and_then(Complaint::said);
    let reason = match (code, said) {
        (300..=399, _) => format!(
            "the server answered with a redirect (HTTP {code}), which imgurd does not follow, because it could send \
             the token elsewhere"
        ),
        (408 | 425, _) => format!("the server asks imgurd to try again (HTTP {code})"),
        (429, _) => "the server limits the number of requests (HTTP 429)".into(),
        _ if is_missing(status) => format!("the server issues no tokens at the token URL (HTTP {code})"),
        (_, Some(said)) => format!("{said} (HTTP {code})"),
        (400..=499, None) => format!("the server rejected the request without a reason (HTTP {code})"),
        _ if page => format!("the server answered with an error page (HTTP {code})"),
        _ => format!("the server has a problem (HTTP {code})"),
    };
    (reason, Delivery::Answered)
}

/// The content coding of an answer, if imgurd cannot read it.
fn unread_coding(headers: &HeaderMap) -> Option<String> {
    let coding = printable_name(headers.get(CONTENT_ENCODING)?.to_str().ok()?);
    let is_read = READ_CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known));
    (!is_read).then_some(coding)
}

pub(super) fn is_web_page(headers: &HeaderMap, body: &str) -> bool {
    let says_so = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("html"));
    let looks_so = body.trim_ascii_start().starts_with('<');
    looks_so || (says_so && !body.trim_ascii().is_empty())
}

pub(crate) fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    let since = date(headers)?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
}

fn date(headers: &HeaderMap) -> Option<SystemTime> {
    parse_date(headers.get(DATE)?.to_str().ok()?.trim())
}

/// Parses an HTTP date. The last two formats are obsolete (RFC 9110, section 5.6.7).
fn parse_date(text: &str) -> Option<SystemTime> {
    const FORMATS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = FORMATS.iter().find_map(|format| DateTime::strptime(format, text).ok())?;
    let seconds = TimeZone::UTC.to_timestamp(date).ok()?.as_second();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// `Retry-After` as seconds or as a date (RFC 9110, section 10.2.3). A date is compared with the server's own clock, if
/// the answer has its time.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = value.parse().ok().map(Duration::from_secs).or_else(|| {
        let now = date(headers).unwrap_or_else(SystemTime::now);
        let at = parse_date(value)?;
        Some(at.duration_since(now).unwrap_or_default())
    });
    let too_many_digits = || value.bytes().all(|byte| byte.is_ascii_digit()).then_some(RETRY_AFTER_MAX);
    wait.or_else(too_many_digits).map(|wait| wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
