//! The pages of the callback. They repeat nothing from the request, and load nothing from anywhere.
//!
//! The script sends the fragment with `fetch`, not with a form: a form's navigation would put the tokens into the data from
//! which a browser restores a window. All pages share one template, so the layout stays when the outcome appears.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName};
use hyper::{Response, StatusCode};
use imgurd_proto::Secret;
use serde::Serialize;

use crate::loopback::http::response;
use crate::random;

/// How a visit to the callback ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The answer is in the fragment. A script sends it, with this nonce.
    Waiting {
        account: String,
        nonce: Secret,
    },
    SignedIn {
        account: String,
        username: Option<String>,
        note: Option<String>,
    },
    /// The new grant is set aside, because the account has the grant of another user.
    Another {
        account: String,
        username: String,
        holder: String,
    },
    Denied {
        account: String,
    },
    WrongState,
    Underway,
    Complete,
    Expired {
        account: String,
    },
    Cancelled {
        account: String,
    },
    Failed {
        account: String,
        reason: String,
    },
    NotHere,
    Refused,
    /// The answer came as a form.
    Posted,
}

/// The content of a page, which the script of the waiting page can show in its place. Text between backticks is a command.
#[derive(Debug, Default, Serialize)]
struct View {
    /// The symbol above the title: `good`, `bad`, `careful`, `none` or `wait`.
    mark: &'static str,
    title: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lead: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<&'static str>,
}

impl View {
    fn new(mark: &'static str, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { mark, title: title.into(), text: text.into(), ..Self::default() }
    }

    fn then(self, lead: impl Into<String>, command: String) -> Self {
        Self { lead: Some(lead.into()), command: Some(command), ..self }
    }

    fn last(self, last: &'static str) -> Self {
        Self { last: Some(last), ..self }
    }
}

const IGNORED: &str = "imgurd used the first answer and ignored this one.";
const TOO_LATE: &str = "It took too long, so imgurd did not use this answer. Nothing has changed.";
const UNUSED: &str = "imgurd did not use this answer. Nothing has changed.";
const UNRELATED: &str = "It did not come from the sign-in page, so imgurd ignored it.";
const AS_A_FORM: &str = "imgurd only reads the answer from the address. Remove `response_mode` from the account's \
                         auth_params or auth_url, then sign in again.";

impl Page {
    fn status(&self) -> StatusCode {
        match self {
            Self::Waiting { .. }
            | Self::SignedIn { .. }
            | Self::Denied { .. }
            | Self::Underway
            | Self::Complete => StatusCode::OK,
            Self::Another { .. } => StatusCode::CONFLICT,
            Self::WrongState | Self::Refused | Self::Posted => StatusCode::BAD_REQUEST,
            Self::Expired { .. } | Self::Cancelled { .. } => StatusCode::GONE,
            Self::Failed { .. } => StatusCode::BAD_GATEWAY,
            Self::NotHere => StatusCode::NOT_FOUND,
        }
    }

    fn view(&self) -> View {
        let view = self.said();
        let login = |account| format!("imgurctl login {account}");
        match self {
            Self::Waiting { .. } => view,
            Self::Denied { account } | Self::Failed { account, .. } => {
                view.then("To try again:", login(account))
            }
            Self::Expired { account } | Self::Cancelled { account } => {
                view.then("To start again:", login(account))
            }
            Self::Another { account, username, .. } => view
                .then(
                    format!("To switch to {username}, answer yes where you started the sign-in, or run:"),
                    format!("imgurctl restore {account}"),
                )
                .last("To change nothing, close this page."),
            Self::WrongState => view.last("Go back to the page that the current sign-in opened."),
            _ => view.last("You can close this page."),
        }
    }

    /// What happened, without what to do now.
    fn said(&self) -> View {
        let (mark, title, text) = match self {
            Self::Waiting { .. } => ("wait", "Completing the sign-in", "imgurd is receiving the answer."),
            Self::SignedIn { account, username, note } => {
                return signed_in(account, username.as_deref(), note.as_deref());
            }
            Self::Another { account, username, holder } => {
                let title = format!("You signed in as {username}");
                let text = format!(
                    "But `{account}` holds the grant of {holder}, which stays in use. imgurd set the new grant aside."
                );
                return View::new("careful", title, text);
            }
            Self::Failed { reason, .. } => {
                return View::new("bad", "The sign-in could not be completed", sentence(reason));
            }
            Self::Denied { .. } => {
                ("none", "Access was denied", "You did not allow access. Nothing has changed.")
            }
            Self::WrongState => (
                "careful",
                "This answer belongs to another sign-in",
                "It comes from an old page or from another program. imgurd did not use it, and the current sign-in \
                 continues.",
            ),
            Self::Underway => ("none", "This sign-in is already being completed", IGNORED),
            Self::Complete => ("good", "This sign-in is already complete", IGNORED),
            Self::Expired { .. } => ("careful", "This sign-in has expired", TOO_LATE),
            Self::Cancelled { .. } => ("none", "This sign-in was cancelled", UNUSED),
            Self::NotHere => {
                ("none", "This page does not exist", "imgurd uses this address only for sign-ins.")
            }
            Self::Refused => ("bad", "This request was refused", UNRELATED),
            Self::Posted => ("bad", "The server sent the answer as a form", AS_A_FORM),
        };
        View::new(mark, title, text)
    }

    /// The response to a browser that requests the page itself.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let nonce = random::hex::<16>();
        let script = match self {
            Self::Waiting { .. } => format!(" script-src 'nonce-{nonce}'; connect-src 'self';"),
            _ => String::new(),
        };
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}';{script} base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        self.respond("text/html; charset=utf-8", &policy, self.html(&nonce))
    }

    /// The response to the script of [`Page::Waiting`].
    pub(super) fn answer(&self) -> Response<Full<Bytes>> {
        let json = serde_json::to_string(&self.view()).unwrap_or_default();
        self.respond("application/json", "default-src 'none'; frame-ancestors 'none'", json)
    }

    fn respond(&self, kind: &str, policy: &str, body: String) -> Response<Full<Bytes>> {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        response(self.status(), &headers, body)
    }

    fn html(&self, nonce: &str) -> String {
        let view = self.view();
        let (mut head, mut attributes, mut body, mut script) =
            (String::new(), String::new(), view.paragraphs(), String::new());
        if let Self::Waiting { account, nonce: pass } = self {
            head = format!("<noscript><style nonce=\"{nonce}\">{WITHOUT_SCRIPT}</style></noscript>\n");
            attributes = format!(
                " aria-live=\"polite\" data-login=\"{}\" data-nonce=\"{}\"",
                escape(&format!("imgurctl login {account}")),
                pass.expose()
            );
            body = format!("{body}<noscript>\n{}</noscript>\n", without_script(account).paragraphs());
            script = format!("<script nonce=\"{nonce}\">{SCRIPT}</script>\n");
        }
        format!(
            include_str!("page.html"),
            title = escape(&view.title),
            mark = view.mark,
            style = STYLE,
            nonce = nonce,
            head = head,
            attributes = attributes,
            body = body,
            script = script,
        )
    }
}

/// `note` says that the token could not be tested.
fn signed_in(account: &str, username: Option<&str>, note: Option<&str>) -> View {
    let title = username.map_or_else(|| "Signed in".to_owned(), |name| format!("Signed in as {name}"));
    let (mark, text) = match note {
        Some(note) => ("careful", sentence(note)),
        None => ("good", format!("imgurd now keeps the token of `{account}` fresh.")),
    };
    View::new(mark, title, text)
}

/// Ends the text with a full stop. Reasons and notes have none at their end unless they have several sentences.
fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

fn without_script(account: &str) -> View {
    View::new(
        "careful",
        "",
        "To complete the sign-in, this page needs JavaScript, which is off in this browser. The answer is in this \
         page's address.",
    )
    .then(
        "Cancel the sign-in where you started it (Ctrl-C), run this command, and paste the address:",
        format!("imgurctl login {account} --paste"),
    )
}

impl View {
    /// All paragraphs, including empty ones, which the script may fill.
    fn paragraphs(&self) -> String {
        let paragraph = |class, text: &str| {
            let hidden = if text.is_empty() { " hidden" } else { "" };
            format!("<p class=\"{class}\"{hidden}>{}</p>\n", with_commands(text))
        };
        let (lead, command) =
            (self.lead.as_deref().unwrap_or_default(), self.command.as_deref().unwrap_or_default());
        let hidden = if command.is_empty() { " hidden" } else { "" };
        [
            paragraph("text", &self.text),
            paragraph("lead", lead),
            format!("<pre class=\"command\"{hidden}><code>{}</code></pre>\n", escape(command)),
            paragraph("last", self.last.unwrap_or_default()),
        ]
        .concat()
    }
}

pub(crate) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const WITHOUT_SCRIPT: &str =
    "main > .text, .mark .wait { display: none !important; } .mark .careful { display: inline !important; }";

/// Formats every second piece between backticks as a command.
pub(crate) fn with_commands(text: &str) -> String {
    let mark_up = |(index, piece)| {
        let piece = escape(piece);
        if index % 2 == 0 { piece } else { format!("<code>{piece}</code>") }
    };
    text.split('`').enumerate().map(mark_up).collect()
}

/// Escapes text, such as names from a server.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
