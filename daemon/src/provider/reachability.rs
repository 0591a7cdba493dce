//! Checks whether a server is reachable and answers like an OAuth 2.0 server.

use std::path::PathBuf;

use hyper::StatusCode;
use oauth2::{HttpRequest, HttpResponse};
use url::Url;

use super::Answer;
use super::classify::{is_web_page, passing_trouble};
use super::complaint::{BLOCKED, Complaint};
use super::form_request::get_request;
use super::response::text;
use super::transport::{Timeouts, Transport};

/// The time limits. Callers on D-Bus wait 25 s.
const TIMEOUTS: Timeouts = Timeouts::from_secs(5, 15);

/// Texts on web pages for which the API would use JSON, in lower case. Imgur's consent page is one.
const PAGES: [(&str, &str); 3] = [
    ("over capacity", "the server is over capacity"),
    ("error (1024)", "the server is over capacity"),
    ("not available in your region", BLOCKED),
];

/// The result of a request without a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// It answers, with this status.
    Answers(u16),
    /// It answers with a temporary failure. The text is the beginning of a sentence.
    Troubled(String),
    /// It blocks the country of this network.
    Blocked(String),
    /// The certificates of the account's `ca_file` cannot be read.
    Mistaken(String),
    /// It does not answer.
    Unreachable(String),
}

/// Requests `url` itself, without private data. `is_page` means that the address is a page for users.
pub async fn check_reachability(url: &Url, ca_file: Option<PathBuf>, is_page: bool) -> Reachability {
    let Some(request) = request(url) else {
        return Reachability::Unreachable("imgurd cannot build a request for this address".to_owned());
    };
    match Transport::get(url, ca_file, TIMEOUTS, request).await {
        Ok(response) => understand(&response, is_page),
        Err(answer) => failure(answer),
    }
}

/// Requests only the path, because the query may contain private data of the user.
fn request(url: &Url) -> Option<HttpRequest> {
    let mut place = url.clone();
    place.set_query(None);
    place.set_fragment(None);
    get_request(&place)
}

fn failure(answer: Answer) -> Reachability {
    match answer {
        Answer::Misconfigured { setting: "ca_file", reason } => Reachability::Mistaken(reason),
        Answer::Transient(trouble) => Reachability::Unreachable(trouble.reason),
        Answer::Misconfigured { reason, .. } | Answer::Refused { reason } => {
            Reachability::Unreachable(reason)
        }
        Answer::Granted(_) => Reachability::Unreachable("its answer is not valid".to_owned()),
    }
}

fn understand(response: &HttpResponse, is_page: bool) -> Reachability {
    let (status, body) = (response.status(), &text(response.body()));
    let page = is_web_page(response.headers(), body);
    let known = match Complaint::parse(body, &[]) {
        Some(complaint) => complaint.known_trouble(),
        None if page => trouble_of_page(body),
        None => None,
    };
    match known {
        Some(BLOCKED) => return Reachability::Blocked(BLOCKED.to_owned()),
        Some(trouble) => return Reachability::Troubled(trouble.to_owned()),
        None if status == StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => {
            return Reachability::Blocked(BLOCKED.to_owned());
        }
        None => {}
    }
    let is_captive =
        status == StatusCode::NETWORK_AUTHENTICATION_REQUIRED || (page && status.is_success() && !is_page);
    if is_captive || status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Reachability::Troubled(passing_trouble(status, None, page).0);
    }
    Reachability::Answers(status.as_u16())
}

fn trouble_of_page(body: &str) -> Option<&'static str> {
    let text = body.to_ascii_lowercase();
    PAGES.into_iter().find(|(part, _)| text.contains(part)).map(|(_, trouble)| trouble)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OVER_CAPACITY: &str = r#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"success":false,"status":500}"#;

    fn answers(status: u16) -> Reachability {
        Reachability::Answers(status)
    }

    fn troubled(reason: &str) -> Reachability {
        Reachability::Troubled(reason.to_owned())
    }

    #[rstest]
    #[case::missing_parameters(
        400,
        r#"{"data":{"error":"client_id and response_type are required"},"status":400}"#,
        true,
        answers(400)
    )]
    #[case::missing_token(
        401,
        r#"{"data":{"error":"Authentication required"},"status":401}"#,
        false,
        answers(401)
    )]
    #[case::method_not_allowed(405, "", false, answers(405))]
    #[case::sign_in_page(200, "<html>Sign in</html>", true, answers(200))]
    #[case::a_redirect_to_a_sign_in(302, "", true, answers(302))]
    #[case::over_capacity(500, OVER_CAPACITY, false, troubled("the server is over capacity"))]
    #[case::over_capacity_on_a_page(
        200,
        "<html>Error (1024)</html>",
        true,
        troubled("the server is over capacity")
    )]
    #[case::a_banned_country(400, r#"{"data":{"error":{"code":1016,"message":"Banned country attempt"}}}"#, false, Reachability::Blocked(BLOCKED.into()))]
    #[case::a_page_for_a_region(403, "<p>Content not available in your region.</p>", true, Reachability::Blocked(BLOCKED.into()))]
    #[case::legal_reasons(451, "", false, Reachability::Blocked(BLOCKED.into()))]
    #[case::a_broken_server(
        503,
        "<html>Varnish cache error</html>",
        false,
        troubled("the server answered with an error page (HTTP 503)")
    )]
    fn classifies_the_answer_of_a_reachable_server(
        #[case] status: u16,
        #[case] body: &str,
        #[case] is_page: bool,
        #[case] expected: Reachability,
    ) {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(understand(&response, is_page), expected);
    }

    #[test]
    fn an_unexpected_page_indicates_a_captive_portal() {
        let mut response = HttpResponse::new(b"<html>Welcome to our hotel</html>".to_vec());
        *response.status_mut() = StatusCode::OK;
        assert!(
            matches!(understand(&response, false), Reachability::Troubled(reason) if reason.contains("sign in"))
        );
    }

    #[test]
    fn sends_only_the_path() {
        let url = Url::parse("https://as.example/authorize?tenant=mine#here").unwrap();
        let request = request(&url).unwrap();
        assert_eq!(request.uri(), "https://as.example/authorize");
        assert!(request.headers().is_empty() && request.body().is_empty());
        assert!(super::request(&Url::parse("http://as.example/").unwrap()).is_none());
    }
}
