//! What a server says in the body of an error: RFC 6749's `error` (section 5.2), or Imgur's texts in its several shapes.

use hyper::StatusCode;
use imgurd_proto::text::{LONGEST_NAME, printable};
use imgurd_proto::{Secret, error_texts};
use serde_json::{Map, Value};

use super::Answer;
use super::response::form;

/// Imgur's words against a refresh token, code or PIN. They count with HTTP 400 alone, the only status they were ever
/// recorded with.
const REFUSALS: [&str; 4] = [
    "Invalid refresh token",
    "Refresh token doesn't exist or is invalid for the client",
    "Refresh token has expired",
    "Invalid Pin",
];

/// Imgur's words against the client or the request, as they begin, and the setting at fault.
const MISTAKES: [(&str, &str); 4] = [
    ("The client credentials are invalid", "client_secret"),
    ("Invalid client_id", "client_id"),
    ("Invalid grant_type parameter or parameter missing", "token_url"),
    ("Missing parameter", "token_url"),
];

/// RFC 6749's words against the client or the request, and the setting at fault.
const ERROR_CODES: [(&str, &str); 5] = [
    ("invalid_client", "client_secret"),
    ("unauthorized_client", "client_secret"),
    ("invalid_scope", "scope"),
    ("unsupported_grant_type", "token_url"),
    ("invalid_request", "token_url"),
];

/// OAuth errors that say nothing against the grant: the client's own, those that pass (RFC 6749, section 4.1.2.1; RFC 8628,
/// section 3.5), and what gateways in front of a server say.
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

pub(super) const BLOCKED: &str = "the server blocks the country that this network is in";

/// Trouble that passes, by a part of the text that tells of it.
const TROUBLES: [(&str, &str); 5] = [
    ("over capacity", "the server is over capacity"),
    ("banned country", BLOCKED),
    ("these actions are forbidden", "the server's own network turned the request away"),
    ("too fast", "the server wants fewer requests"),
    ("requests exceeded", "the server wants fewer requests"),
];

/// Letters and digits in a row that may be a token rather than a word.
const WORD_MAX: usize = 19;

#[derive(Debug)]
pub(super) struct Complaint {
    /// What it says, in all the places where a server may say it.
    texts: Vec<String>,
    number: Option<i64>,
    /// RFC 6749's `error`, where it has the form of a code.
    code: Option<String>,
    /// The first of the texts and the `error_description`, as far as they may be shown.
    shown: Option<String>,
    description: Option<String>,
}

impl Complaint {
    /// Reads JSON, or a form with an `error` in it, as servers send that answer with tokens in a form. What holds one of
    /// `secrets`, which were sent, is never shown.
    pub(super) fn parse(text: &str, secrets: &[Secret]) -> Option<Self> {
        let body: Value = serde_json::from_str(text).ok().or_else(|| from_form(text))?;
        let body = Some(body).filter(Value::is_object)?;
        let error = &body["error"];
        let numbers = [&error["code"], &body["data"]["error"]["code"], &body["errors"][0]["code"]];
        Some(Self {
            texts: error_texts(&body).map(|text| text.trim().to_owned()).collect(),
            number: numbers.iter().find_map(|number| integer(number)),
            shown: error_texts(&body).next().and_then(|text| shown(text, secrets)),
            description: body["error_description"].as_str().and_then(|text| shown(text, secrets)),
            code: error.as_str().filter(|code| is_code(code)).map(str::to_owned),
        })
    }

    pub(super) fn has_an_error(&self) -> bool {
        !self.texts.is_empty() || self.number.is_some()
    }

    /// The server's explicit word against the grant, the client or the request, if this is one. Where it counts as an
    /// objection to the grant, it is not said against a setting.
    pub(super) fn verdict(&self, status: StatusCode, is_objection: bool) -> Option<Answer> {
        if self.known_trouble().is_some() {
            return None;
        }
        let mistake = || self.mistake().filter(|_| !is_objection);
        self.refusal(status)
            .map(|reason| Answer::Refused { reason })
            .or_else(|| mistake().map(|(setting, reason)| Answer::Misconfigured { setting, reason }))
    }

    /// An OAuth error that is neither the client's nor passing, in a 2xx or 4xx answer to a refresh whose settings have
    /// worked before: GitHub's `bad_refresh_token` comes with 200, others say `invalid_token` or `invalid_request`.
    pub(super) fn objection(&self, status: StatusCode) -> Option<String> {
        let code = self.code.as_deref()?;
        let counts = status.is_success() || status.is_client_error();
        let is_status = status.canonical_reason().is_some_and(|name| is_alike(name, code));
        let is_passing = PASSING_CODES.iter().any(|passing| is_alike(passing, code));
        (counts && !is_status && !is_passing && self.known_trouble().is_none())
            .then(|| self.said().unwrap_or_else(|| "the server answered with an error of its own".to_owned()))
    }

    fn refusal(&self, status: StatusCode) -> Option<String> {
        if matches!(status.as_u16(), 400 | 401 | 403) && self.says("invalid_grant") {
            return Some(self.quote("invalid_grant"));
        }
        let imgurs = || REFUSALS.into_iter().find(|text| self.says(text)).map(|text| self.quote(text));
        (status == StatusCode::BAD_REQUEST).then(imgurs).flatten()
    }

    fn mistake(&self) -> Option<(&'static str, String)> {
        let codes = ERROR_CODES.into_iter().find(|(code, _)| self.says(code));
        codes
            .or_else(|| MISTAKES.into_iter().find(|(beginning, _)| self.begins(beginning)))
            .map(|(text, setting)| (setting, self.quote(text)))
    }

    pub(super) fn known_trouble(&self) -> Option<&'static str> {
        match self.number {
            Some(429) => return Some("the server wants fewer requests"),
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

    /// What it says in the server's own words.
    pub(super) fn said(&self) -> Option<String> {
        match (&self.shown, &self.description) {
            (Some(shown), _) => Some(self.quote(shown)),
            (None, Some(description)) => Some(format!("the server says “{description}”")),
            (None, None) => None,
        }
    }

    /// `sentence` with what the server adds to its error.
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

/// Whether a text is an error code rather than a sentence.
fn is_code(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !text.is_empty() && text.len() <= 64 && text.bytes().all(is_part)
}

/// Whether two names are the same but for case and what stands between words.
fn is_alike(one: &str, other: &str) -> bool {
    let plain = |text: &str| {
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
        letters.map(|byte| byte.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    plain(one) == plain(other)
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// What may be shown of a text: neither long runs of letters and digits nor words with a digit in them, any of which may be
/// a token, code or PIN sent back, and nothing at all where one of `secrets` is in it.
fn shown(text: &str, secrets: &[Secret]) -> Option<String> {
    let is_shown = |word: &&str| {
        let run = word.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max().unwrap_or_default();
        run <= WORD_MAX && !word.bytes().any(|byte| byte.is_ascii_digit())
    };
    // In our sentences, what is between backticks is a command.
    let printable = printable(text).replace('`', "'");
    let words: Vec<&str> = printable.split_whitespace().filter(is_shown).collect();
    let shown: String = words.join(" ").chars().take(LONGEST_NAME).collect();
    let is_secret = |secret: &Secret| text.contains(secret.expose()) || shown.contains(secret.expose());
    (!shown.is_empty() && !secrets.iter().any(is_secret)).then_some(shown)
}
