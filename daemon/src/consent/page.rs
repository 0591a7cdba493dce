//! What the browser shows. Nothing from the request is repeated in it, and it loads nothing from anywhere.

use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;

/// How a visit to the callback ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    SignedIn { account: String, username: Option<String>, note: Option<String> },
    Denied,
    WrongState,
    Underway,
    Failed { reason: String },
    NotHere,
    Refused,
}

impl Page {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignedIn { .. } | Self::Denied | Self::Underway => StatusCode::OK,
            Self::WrongState | Self::Refused => StatusCode::BAD_REQUEST,
            Self::Failed { .. } => StatusCode::BAD_GATEWAY,
            Self::NotHere => StatusCode::NOT_FOUND,
        }
    }

    fn title(&self) -> String {
        match self {
            Self::SignedIn { username: Some(name), .. } => format!("Signed in as {name}"),
            Self::SignedIn { .. } => "Signed in".to_owned(),
            Self::Denied => "Access was denied".to_owned(),
            Self::WrongState => "This answer belongs to another sign-in".to_owned(),
            Self::Underway => "This sign-in is already being completed".to_owned(),
            Self::Failed { .. } => "The sign-in could not be completed".to_owned(),
            Self::NotHere => "There is nothing here".to_owned(),
            Self::Refused => "This request is not understood".to_owned(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::SignedIn { note: Some(note), .. } => format!("{note}. You can close this page."),
            Self::SignedIn { account, .. } => {
                format!(
                    "imgurd keeps the tokens of the account {account} fresh from now on. You can close this page."
                )
            }
            Self::Denied => {
                "You chose not to allow access, and nothing was changed. To try again, run imgurctl login."
                    .to_owned()
            }
            Self::WrongState => {
                "It may be an old page, or another program sent it. Nothing was changed, and the \
                                 sign-in that is open goes on. Use the page that the current sign-in opened."
                    .to_owned()
            }
            Self::Underway => "The first answer counts. You can close this page.".to_owned(),
            Self::Failed { reason } => reason.clone(),
            Self::NotHere | Self::Refused => {
                "Only the sign-in page leads here. You can close this page.".to_owned()
            }
        }
    }

    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let nonce: String = format!("{:032x}", rand::random::<u128>());
        let (title, text) = (escape(&self.title()), escape(&self.text()));
        let html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
             content=\"width=device-width\">\n<title>{title} – imgurd</title>\n<style nonce=\"{nonce}\">{STYLE}</style>\n\
             </head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{text}</p>\n</main>\n</body>\n</html>\n"
        );
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let mut response = Response::new(Full::from(html));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, &policy),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        }
        response
    }
}

const STYLE: &str = "
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { max-width: 32rem; padding: 2rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
p { margin: 0; overflow-wrap: anywhere; }
";

/// A name that a server gave is text, whatever it looks like.
fn escape(text: &str) -> String {
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
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn html(page: Page) -> String {
        let body = page.response().into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_username_that_looks_like_markup_is_shown_as_text() {
        let html = html(Page::SignedIn {
            account: "a".into(),
            username: Some("<script>alert(1)</script>".into()),
            note: None,
        })
        .await;
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("Signed in as &lt;script&gt;"));
    }

    #[test]
    fn every_page_forbids_storing_framing_and_loading() {
        let headers = Page::Denied.response().headers().clone();
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
}
