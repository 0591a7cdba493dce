//! Asks an API about the holder of a token, and interprets its answers and errors.

use std::path::PathBuf;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};
use imgurd_proto::{Secret, rejects_token};
use oauth2::{HttpRequest, HttpResponse};
use url::Url;

use super::Answer;
use super::classify::{is_missing, is_web_page, passing_trouble};
use super::complaint::Complaint;
use super::form_request::get_request;
use super::response::text;
use super::transport::{Timeouts, Transport};

/// The API's answer about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiAnswer<T> {
    /// It accepts the token, and answers this.
    Known(T),
    /// It rejects the token.
    Rejected,
    /// Neither is known. The reason is the beginning of a sentence.
    Unknown(String),
    /// This API does not answer such questions, because it is not Imgur's.
    Unsupported,
}

/// The endpoint that answers questions about a token.
#[derive(Clone, Debug)]
pub enum Who {
    /// Imgur's API, or a similar one, at this address.
    Api(Url),
    /// A userinfo endpoint (OpenID Connect Core, section 5.3).
    Userinfo(Url),
}

/// A question to an API about a token.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The endpoint to ask.
    pub who: Who,
    /// As in [`Client`](super::Client).
    pub ca_file: Option<PathBuf>,
    /// The token.
    pub access_token: Secret,
}

impl Inquiry {
    pub(super) async fn ask<T>(
        self,
        path: &str,
        read: fn(&str) -> Option<T>,
        timeouts: Timeouts,
    ) -> ApiAnswer<T> {
        let url = match &self.who {
            Who::Api(url) => url.join(path).ok(),
            Who::Userinfo(url) => Some(url.clone()),
        };
        let Some(url) = url else { return ApiAnswer::Unsupported };
        let Some(request) = request(&url, &self.access_token) else { return ApiAnswer::Unsupported };
        match Transport::get(&url, self.ca_file, timeouts, request).await {
            Ok(response) => understand(&response, read, &[self.access_token]),
            Err(Answer::Transient(trouble)) => ApiAnswer::Unknown(trouble.reason),
            Err(Answer::Misconfigured { setting: "ca_file", reason }) => ApiAnswer::Unknown(reason),
            Err(_) => ApiAnswer::Unsupported,
        }
    }
}

fn request(url: &Url, access_token: &Secret) -> Option<HttpRequest> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", access_token.expose())).ok()?;
    authorization.set_sensitive(true);
    let mut request = get_request(url)?;
    request.headers_mut().insert(AUTHORIZATION, authorization);
    Some(request)
}

pub(crate) fn understand<T>(
    response: &HttpResponse,
    read: fn(&str) -> Option<T>,
    secrets: &[Secret],
) -> ApiAnswer<T> {
    let (status, body) = (response.status(), &text(response.body()));
    if status == StatusCode::OK
        && let Some(said) = read(body)
    {
        return ApiAnswer::Known(said);
    }
    if rejects_token(status.as_u16(), body.as_bytes()) {
        return ApiAnswer::Rejected;
    }
    let complaint = Complaint::parse(body, secrets);
    let is_known_trouble = complaint.as_ref().is_some_and(|complaint| complaint.known_trouble().is_some());
    let is_elsewhere = status.is_success() || is_missing(status);
    if is_elsewhere && !is_known_trouble {
        return ApiAnswer::Unsupported;
    }
    let page = is_web_page(response.headers(), body);
    ApiAnswer::Unknown(passing_trouble(status, complaint.as_ref(), page).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_the_token_to_the_api_only_and_does_not_show_it() {
        let url = Url::parse("https://api.example/3/account/me").unwrap();
        let request = request(&url, &Secret::from("fake-token")).unwrap();
        assert_eq!(request.uri(), "https://api.example/3/account/me");
        assert!(!format!("{request:?}").contains("fake-token"));
        let readable = Url::parse("http://api.example/").unwrap();
        assert!(super::request(&readable, &Secret::from("t")).is_none());
    }
}
