//! The error that a server reports in a body: RFC 6749's `error` (section 5.2), or Imgur's texts in their different
//! formats.

use hyper::StatusCode;
use imgurd_proto::text::{LONGEST_NAME, letters, printable};
use imgurd_proto::{Secret, error_texts};
use serde_json::{Map, Value};

use super::Answer;
use super::lenient_json::lenient_json;
use super::response::form;

/// Imgur's texts about an invalid refresh token, code or PIN. They count only with HTTP 400, the only status with which
/// they were ever recorded.
const REFUSALS: [&str; 4] = [
    "Invalid refresh token",
    "Refresh token doesn't exist or is invalid for the client",
    "Refresh token has expired",
    "Invalid Pin",
];

/// The beginnings of Imgur's errors about the client or the request, and the invalid setting.
const MISTAKES: [(&str, &str); 4] = [
    ("The client credentials are invalid", "client_secret"),
    ("Invalid client_id", "client_id"),
    ("Invalid grant_type parameter or parameter missing", "token_url"),
    ("Missing parameter", "token_url"),
];

/// RFC 6749's error codes about the client or the request, and the invalid setting.
const ERROR_CODES: [(&str, &str); 6] = [
    ("invalid_client", "client_secret"),
    ("unauthorized_client", "client_secret"),
    ("invalid_scope", "scope"),
    ("unsupported_grant_type", "token_url"),
    ("redirect_uri_mismatch", "redirect_uri"),
    ("invalid_request", "token_url"),
];

/// Errors about an invalid grant that servers send in other places than RFC 6749's `error`, or in other forms.
const GRANT_ERRORS: [&str; 8] = [
    "invalid_grant",
    "invalid_token",
    "invalid_refresh_token",
    "bad_refresh_token",
    "expired_token",
    "token_expired",
    "invalid_request",
    "OAuthException",
];

/// Words for a refresh token that a server does not accept any more.
const FAULTS: [&str; 7] =
    ["invalid", "expired", "revoked", "not found", "not exist", "already used", "not recognized"];

/// Members that describe an error; the first is RFC 6749's, the last RFC 9457's.
const DESCRIPTIONS: [&str; 4] = ["error_description", "error_message", "message", "detail"];

/// OAuth errors that do not count against the grant: the client's own, temporary ones (RFC 6749, section 4.1.2.1; RFC
/// 8628, section 3.5), and those of gateways in front of a server.
const PASSING_CODES: [&str; 14] = [
    "invalid_client",
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "authorization_pending",
    "not_found",
    "method_not_allowed",
    "too_many_requests",
    "rate_limited",
    "rate_limit_exceeded",
    "internal_error",
    "internal_server_error",
    "service_unavailable",
    "timeout",
];

pub(super) const BLOCKED: &str = "the server blocks the country of this network";
pub(super) const TOO_MANY: &str = "the server limits the number of requests";

/// Temporary problems, by a part of the text that indicates them.
const TROUBLES: [(&str, &str); 5] = [
    ("over capacity", "the server is over capacity"),
    ("banned country", BLOCKED),
    ("these actions are forbidden", "the server's own network rejected the request"),
    ("too fast", TOO_MANY),
    ("requests exceeded", TOO_MANY),
];

/// The longest run of letters and digits that counts as a word. A longer one may be a token.
const WORD_MAX: usize = 19;

pub(super) struct Complaint {
    /// Its texts, from all places where a server may put them.
    texts: Vec<String>,
    number: Option<i64>,
    /// RFC 6749's `error`, if it looks like a code.
    code: Option<String>,
    /// The first text and the `error_description`, as far as they may be shown.
    shown: Option<String>,
    description: Option<String>,
    /// Whether one of its sentences says that the refresh token is not valid.
    names_the_grant: bool,
}

impl Complaint {
    /// Parses JSON, a form with an `error` (from servers that also send tokens as a form), or a grant error in plain
    /// text. A text that contains one of the sent `secrets` is never shown.
    pub(super) fn parse(text: &str, secrets: &[Secret]) -> Option<Self> {
        let body = lenient_json(text).and_then(|text| serde_json::from_str(&text).ok()).and_then(object);
        let body = body.or_else(|| from_form(text)).or_else(|| from_plain(text))?;
        let error = &body["error"];
        let numbers = [&error["code"], &body["data"]["error"]["code"], &body["errors"][0]["code"]];
        let elsewhere = if error.is_string() { None } else { grant_error(&body) };
        let texts: Vec<_> = error_texts(&body).chain(elsewhere).collect();
        let mut descriptions = DESCRIPTIONS.iter().filter_map(|name| body[name].as_str());
        let description = descriptions.find(|text| texts.first() != Some(text));
        Some(Self {
            number: numbers.iter().find_map(|number| integer(number)),
            shown: texts.first().and_then(|text| shown(text, secrets)),
            description: description.and_then(|text| shown(text, secrets)),
            code: error.as_str().filter(|code| is_code(code)).or(elsewhere).map(str::to_owned),
            // Imgur's format and its texts are known.
            names_the_grant: !body["data"].is_object() && any_text(&body, &names_the_grant),
            texts: texts.into_iter().map(|text| text.trim().to_owned()).collect(),
        })
    }

    pub(super) fn has_an_error(&self) -> bool {
        !self.texts.is_empty() || self.number.is_some()
    }

    /// The server's explicit error about the grant, the client or the request, if this is one. If it counts as an
    /// objection to the grant, it is not about a setting.
    pub(super) fn verdict(&self, status: StatusCode, is_objection: bool) -> Option<Answer> {
        if self.known_trouble().is_some() {
            return None;
        }
        let mistake = || self.mistake().filter(|_| !is_objection);
        self.refusal(status)
            .map(|reason| Answer::Refused { reason })
            .or_else(|| mistake().map(|(setting, reason)| Answer::Misconfigured { setting, reason }))
    }

    /// An OAuth error that is neither the client's nor temporary, in a 2xx or 4xx answer to a refresh whose settings
    /// have worked before: GitHub sends `bad_refresh_token` with 200, others send `invalid_token` or `invalid_request`.
    pub(super) fn objection(&self, status: StatusCode) -> Option<String> {
        let counts = status.is_success() || status.is_client_error();
        let is_status = |code: &String| status.canonical_reason().is_some_and(|name| is_alike(name, code));
        let is_explicit = self.code.as_ref().is_some_and(|code| !is_status(code)) || self.names_the_grant;
        (counts && is_explicit && !self.is_passing())
            .then(|| self.said().unwrap_or_else(|| "the server answered with an unknown error".to_owned()))
    }

    /// Whether it is not about the grant: it reports a known temporary failure, or has a code for one.
    pub(super) fn is_passing(&self) -> bool {
        let is_passing = |code: &String| PASSING_CODES.iter().any(|passing| is_alike(passing, code));
        self.known_trouble().is_some() || self.code.as_ref().is_some_and(is_passing)
    }

    fn refusal(&self, status: StatusCode) -> Option<String> {
        if matches!(status.as_u16(), 400 | 401 | 403) && self.says("invalid_grant") {
            return Some(self.quote("invalid_grant"));
        }
        let imgurs = || REFUSALS.into_iter().find(|text| self.says(text)).map(|text| self.quote(text));
        (status == StatusCode::BAD_REQUEST).then(imgurs).flatten()
    }

    fn mistake(&self) -> Option<(&'static str, String)> {
        let is_about_the_callback = self.description.as_deref().is_some_and(names_the_callback);
        let codes = ERROR_CODES.into_iter().find(|(code, _)| self.says(code));
        let codes = codes.map(|(code, setting)| match code {
            "invalid_request" if is_about_the_callback => (code, "redirect_uri"),
            _ => (code, setting),
        });
        codes
            .or_else(|| MISTAKES.into_iter().find(|(beginning, _)| self.begins(beginning)))
            .map(|(text, setting)| (setting, self.quote(text)))
    }

    pub(super) fn known_trouble(&self) -> Option<&'static str> {
        match self.number {
            Some(429) => return Some(TOO_MANY),
            Some(1016) => return Some(BLOCKED),
            _ => {}
        }
        TROUBLES.into_iter().find(|(part, _)| self.mentions(part)).map(|(_, reason)| reason)
    }

    pub(super) fn says(&self, text: &str) -> bool {
        self.texts.iter().any(|said| said.trim_end_matches('.').eq_ignore_ascii_case(text))
    }

    fn begins(&self, beginning: &str) -> bool {
        let begins = |said: &String| {
            said.get(..beginning.len()).is_some_and(|said| said.eq_ignore_ascii_case(beginning))
        };
        self.texts.iter().any(begins)
    }

    fn mentions(&self, part: &str) -> bool {
        self.texts.iter().any(|said| said.to_ascii_lowercase().contains(part))
    }

    /// The error in the server's own words.
    pub(super) fn said(&self) -> Option<String> {
        match (&self.shown, &self.description) {
            (Some(shown), _) => Some(self.quote(shown)),
            (None, Some(description)) => Some(format!("the server says “{description}”")),
            (None, None) => None,
        }
    }

    /// `sentence` with the server's description of its error.
    pub(super) fn describe(&self, sentence: &str) -> String {
        match &self.description {
            Some(description) => format!("{sentence} ({description})"),
            None => sentence.to_owned(),
        }
    }

    fn quote(&self, text: &str) -> String {
        self.describe(&format!("the server says “{text}”"))
    }
}

fn from_form(text: &str) -> Option<Value> {
    let members: Map<_, _> = form(text)?.map(|(name, value)| (name.into_owned(), value.into())).collect();
    members.contains_key("error").then_some(Value::Object(members))
}

/// Finds a grant error in plain text, at its beginning, or in XML.
fn from_plain(text: &str) -> Option<Value> {
    let text = text.trim_matches(|letter: char| letter.is_whitespace() || letter == '"');
    let inner =
        text.split_once("<error>").and_then(|(_, rest)| rest.split_once("</error>")).map(|(code, _)| code);
    let text = inner.unwrap_or(text);
    if let Some(words) = REFUSALS.iter().find(|words| text.trim_end_matches('.').eq_ignore_ascii_case(words))
    {
        return Some(serde_json::json!({ "error": words }));
    }
    let text = ["error", "Error", "ERROR"].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text);
    let text = text.trim_start_matches([':', '=', ' ']);
    let end =
        text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(text.len());
    let (code, rest) = text.split_at(end);
    let code = GRANT_ERRORS.iter().find(|known| **known == code)?;
    let description = rest.trim_matches(|letter: char| !letter.is_alphanumeric());
    Some(serde_json::json!({ "error": code, "error_description": description }))
}

/// Finds a grant error in another member than `error`, or as the last part of an address, such as the `type` of RFC
/// 9457.
fn grant_error(value: &Value) -> Option<&'static str> {
    let known = |text: &str| {
        let last = text.trim().rsplit(['/', '#', ':']).next().unwrap_or_default();
        GRANT_ERRORS.into_iter().find(|known| last.eq_ignore_ascii_case(known))
    };
    match value {
        Value::String(text) => known(text),
        Value::Array(values) => values.iter().find_map(grant_error),
        Value::Object(members) => members.values().find_map(grant_error),
        _ => None,
    }
}

fn any_text(value: &Value, is_so: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is_so(text),
        Value::Array(values) => values.iter().any(|value| any_text(value, is_so)),
        Value::Object(members) => members.values().any(|value| any_text(value, is_so)),
        _ => false,
    }
}

fn names_the_callback(text: &str) -> bool {
    text.to_ascii_lowercase().replace(['_', '-'], " ").contains("redirect uri")
}

/// Whether a text is about the refresh token, such as `Invalid refresh token` or `refresh_token_not_found`.
fn names_the_grant(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace(['_', '-'], " ");
    text.contains("refresh token") && FAULTS.iter().any(|fault| text.contains(fault))
}

/// The object, or the only object in a list.
fn object(value: Value) -> Option<Value> {
    match value {
        Value::Object(_) => Some(value),
        Value::Array(mut values) if values.len() == 1 => values.pop().filter(Value::is_object),
        _ => None,
    }
}

/// Whether a text is an error code rather than a sentence.
fn is_code(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(is_part)
}

/// Whether two names differ only in case and in the characters between words.
fn is_alike(one: &str, other: &str) -> bool {
    letters(one) == letters(other)
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The part of a text that may be shown. It removes long runs of letters and digits, and words that mix both, because
/// they may be tokens, codes or PINs. It shows nothing of a text that contains one of `secrets`.
pub(crate) fn shown(text: &str, secrets: &[Secret]) -> Option<String> {
    let is_shown = |word: &&str| {
        let run = word.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max().unwrap_or_default();
        let is_of_a_secret =
            || word.len() > 2 && secrets.iter().any(|secret| secret.expose().contains(*word));
        run <= WORD_MAX && (!word.contains(is_digit) || (is_number_or_code(word) && !is_of_a_secret()))
    };
    // In imgurd's own sentences, text between backticks is a command.
    let printable = printable(text).replace('`', "'");
    let words: Vec<&str> = printable.split_whitespace().filter(is_shown).collect();
    let shown: String = words.join(" ").chars().take(LONGEST_NAME).collect();
    let is_secret =
        |secret: &Secret| holds_a_part(text, secret.expose()) || holds_a_part(&shown, secret.expose());
    (!shown.is_empty() && !secrets.iter().any(is_secret)).then_some(shown)
}

/// How many consecutive letters and digits of a secret are too many to show. Servers shorten tokens when they quote
/// them.
const PART: usize = 8;
/// How much of a text is examined; much less of it is shown.
const LOOKED_AT: usize = 4096;

/// Whether a part of `secret` is in `text`, in any spelling.
fn holds_a_part(text: &str, secret: &str) -> bool {
    if secret.len() < PART {
        return holds_a_word(text, secret);
    }
    if text.contains(secret) {
        return true;
    }
    let letters = |text: &str| {
        let letters = text.bytes().take(LOOKED_AT).filter(u8::is_ascii_alphanumeric);
        letters.map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let (text, secret) = (letters(text), letters(secret));
    secret.windows(PART).any(|part| text.windows(PART).any(|found| found == part))
}

/// Whether `secret` is in `text` and no part of a longer word: a short one is in many words by chance.
fn holds_a_word(text: &str, secret: &str) -> bool {
    let is_outside = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    !secret.is_empty()
        && text.match_indices(secret).any(|(at, _)| {
            is_outside(text[..at].chars().next_back()) && is_outside(text[at + secret.len()..].chars().next())
        })
}

/// Whether a word is a number, such as `400` or `2026-11-29`, or a code of some product, such as `AADSTS70008` or
/// `ORA-00001`. PINs and tokens have other shapes, or more digits.
fn is_number_or_code(word: &str) -> bool {
    let word = word.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    let digits =
        word.trim_start_matches(|letter: char| letter.is_ascii_uppercase()).trim_start_matches(['-', '_']);
    let is_prefix = !word.starts_with(is_digit);
    let most = if is_prefix { 8 } else { 6 };
    !digits.is_empty()
        && digits.split(['.', ':', '-', '/', ',']).all(|run| run.len() <= most && run.chars().all(is_digit))
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}
