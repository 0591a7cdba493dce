//! The findings of `imgurctl doctor` and of the daemon.

use std::fmt;

use serde::{Deserialize, Serialize};

choice! {
    /// How well something works that imgurd depends on.
    pub enum Health {
        /// It works.
        Ok = "ok",
        /// There is a problem, but imgurd still hands out tokens.
        Warn = "warn",
        /// imgurd cannot hand out tokens, or will not be able to for long.
        Fail = "fail",
    }
}

record! {
    /// The finding of one check. It contains no secret and no username.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Finding {
        /// The subject of the check, in a word: `bus`, `store`, `notifications`, `token_url`.
        check: String,
        /// The result.
        result: Health,
        /// The finding, as a sentence. The sentence of an error ends with what to do.
        detail: String,
        /// What to do, unless `detail` says it: an imperative that ends the sentence.
        hint?: String,
    }
}

impl Finding {
    /// A finding that all is well.
    #[must_use]
    pub fn ok(check: &str, detail: impl Into<String>) -> Self {
        Self::new(check, Health::Ok, detail)
    }

    /// A finding about a problem that does not prevent tokens.
    #[must_use]
    pub fn warn(check: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(check, Health::Warn, detail) }
    }

    /// A finding about a problem that prevents getting or saving tokens.
    #[must_use]
    pub fn fail(check: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { result: Health::Fail, ..Self::warn(check, detail, hint) }
    }

    /// The finding for an error, whose sentence already ends with what to do.
    #[must_use]
    pub fn error(check: &str, result: Health, error: impl fmt::Display) -> Self {
        Self::new(check, result, error.to_string())
    }

    fn new(check: &str, result: Health, detail: impl Into<String>) -> Self {
        Self { check: check.to_owned(), result, detail: detail.into(), hint: None }
    }
}

/// The whole sentence.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}
