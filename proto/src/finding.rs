//! What `imgurctl doctor` and the daemon find out about what imgurd depends on.

use serde::{Deserialize, Serialize};

/// How something is that imgurd depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Something is missing, and tokens are handed out all the same.
    Warn,
    /// Tokens are not handed out, or will not be for long.
    Fail,
}

impl Health {
    /// Its name on the wire and for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was found out about one thing. Nothing secret is in it, and no username.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, in a word: `bus`, `store`, `notifications`, `token_url`.
    pub check: String,
    /// How it is.
    pub result: Health,
    /// The beginning of a sentence.
    pub detail: String,
    /// Its end: what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    /// It is as it should be.
    #[must_use]
    pub fn ok(check: &str, detail: impl Into<String>) -> Self {
        Self { check: check.to_owned(), result: Health::Ok, detail: detail.into(), mend: None }
    }

    /// It works, though not as well as it might.
    #[must_use]
    pub fn warn(check: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Self { check: check.to_owned(), result: Health::Warn, detail: detail.into(), mend }
    }

    /// It keeps tokens from being had or kept.
    #[must_use]
    pub fn fail(check: &str, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { result: Health::Fail, ..Self::warn(check, detail, mend) }
    }

    /// By a sentence that ends with what to do, as all of the daemon's do.
    #[must_use]
    pub fn told(check: &str, result: Health, sentence: &str) -> Self {
        let (detail, mend) = match sentence.split_once("; ") {
            Some((detail, mend)) => (detail, Some(mend.to_owned())),
            None => (sentence, None),
        };
        Self { check: check.to_owned(), result, detail: detail.to_owned(), mend }
    }
}
