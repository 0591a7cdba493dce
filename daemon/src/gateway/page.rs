//! The gateway's pages: the question, or why there is none. They look like the consent pages, load nothing and run no script.

use std::borrow::Cow;
use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::{self, HeaderName};

use super::reply::{self, Reply};
use crate::consent::page::{STYLE, escape, with_commands};
use crate::random;

/// Whether a program may have an account's token.
pub(super) struct Question {
    pub(super) client: String,
    pub(super) account: String,
    pub(super) username: Option<String>,
    pub(super) is_signed_in: bool,
    /// Where the answer goes.
    pub(super) goes_to: String,
    pub(super) id: String,
}

pub(super) enum Page {
    Question(Box<Question>),
    /// The request cannot be answered, and its author cannot be told.
    Refused(Cow<'static, str>),
    /// The keeper's own reason.
    Failed(String),
}

impl Page {
    pub(super) fn refused(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(reason.into())
    }

    pub(super) fn reply(&self) -> Reply {
        let nonce = random::hex::<16>();
        let (status, mark, title, body) = match self {
            Self::Question(question) => (StatusCode::OK, "careful", question.title(), question.body()),
            Self::Refused(reason) => {
                (StatusCode::BAD_REQUEST, "bad", "This request was refused".to_owned(), text(reason))
            }
            Self::Failed(reason) => {
                let body = text(&format!("{}.", reason.trim_end_matches('.')));
                (StatusCode::SERVICE_UNAVAILABLE, "bad", "imgurd cannot answer".to_owned(), body)
            }
        };
        let page = format!(
            include_str!("../consent/page.html"),
            title = escape(&title),
            mark = mark,
            style = STYLE,
            nonce = nonce,
            head = format!("<style nonce=\"{nonce}\">{BUTTONS}</style>\n"),
            attributes = "",
            body = body,
            script = "",
        );
        // No `form-action`: browsers apply it to the redirect after the form as well, which may lead to any application.
        let policy =
            format!("default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'");
        reply::reply(
            status,
            "text/html; charset=utf-8",
            page,
            &[
                (header::CONTENT_SECURITY_POLICY, &policy),
                (header::X_FRAME_OPTIONS, "DENY"),
                // Without a referrer, browsers call the origin of a form `null`.
                (header::REFERRER_POLICY, "same-origin"),
                (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            ],
        )
    }
}

impl Question {
    fn title(&self) -> String {
        format!("Allow {} to use {}?", self.client, self.account)
    }

    fn body(&self) -> String {
        let user = self.username.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let mut body = text(&format!(
            "The gateway client `{}` wants the access token of `{}`{user}, now and whenever it asks again. With it, \
             the client can do whatever that token allows.",
            self.client, self.account
        ));
        body += &text(&format!(
            "imgurd sends the answer to `{}`. Allow it only if you just started this in that program.",
            self.goes_to
        ));
        if !self.is_signed_in {
            body += &text(&format!(
                "Nobody is signed in to the account. Run `imgurctl login {}` first.",
                self.account
            ));
        }
        body += "<form method=\"post\" action=\"/oauth2/authorize\">\n";
        let _ = writeln!(body, "<input type=\"hidden\" name=\"id\" value=\"{}\">", self.id);
        body += "<button name=\"decision\" value=\"allow\">Allow</button>\n";
        body += "<button name=\"decision\" value=\"deny\" class=\"deny\">Deny</button>\n</form>\n";
        body + &text(&format!(
            "To undo this later, run `imgurctl permit revoke gateway:{} {}`.",
            self.client, self.account
        ))
    }
}

fn text(text: &str) -> String {
    format!("<p class=\"text\">{}</p>\n", with_commands(text))
}

const BUTTONS: &str = include_str!("page.css");
