//! Whose token it is: Imgur's `GET /3/account/me`, which also shows whether the token works.

use std::path::PathBuf;

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderValue};
use imgurd_proto::Secret;
use oauth2::{HttpRequest, HttpResponse};
use serde_json::Value;
use url::Url;

use super::Answer;
use super::carrier::Carrier;
use super::classify::{is_web_page, passing_trouble};
use super::complaint::Complaint;
use super::http::{Timeouts, is_protected};

/// What the API says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It works, and is this user's.
    Known(String),
    /// It is refused, although the token endpoint has just given it out.
    Rejected,
    /// Neither is known, for this reason, which is the beginning of a sentence.
    Untold(String),
    /// This API does not tell: it is not Imgur's.
    Unsupported,
}

pub(super) async fn identify(
    api_url: Url,
    ca_file: Option<PathBuf>,
    access_token: Secret,
    timeouts: Timeouts,
) -> Identity {
    let Some(request) = request(&api_url, &access_token) else {
        return Identity::Unsupported;
    };
    let fetched = match Carrier::new(&api_url, ca_file, timeouts).await {
        Ok(carrier) => carrier.fetch(request).await,
        Err(answer) => Err(answer),
    };
    match fetched {
        Ok(response) => understand(&response),
        Err(Answer::Transient(trouble)) => Identity::Untold(trouble.reason),
        Err(Answer::Misconfigured { setting: "ca_file", reason }) => Identity::Untold(reason),
        Err(_) => Identity::Unsupported,
    }
}

fn request(api_url: &Url, access_token: &Secret) -> Option<HttpRequest> {
    let url = api_url.join("account/me").ok().filter(is_protected)?;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", access_token.expose())).ok()?;
    authorization.set_sensitive(true);
    let mut request = HttpRequest::new(Vec::new());
    *request.uri_mut() = url.as_str().parse().ok()?;
    request.headers_mut().insert(AUTHORIZATION, authorization);
    Some(request)
}

pub(super) fn understand(response: &HttpResponse) -> Identity {
    let (status, body) = (response.status(), response.body().as_slice());
    if status == StatusCode::OK
        && let Some(username) = username(body)
    {
        return Identity::Known(username);
    }
    let complaint = Complaint::parse(body);
    let is_about_the_token = complaint.as_ref().is_some_and(Complaint::is_about_the_token);
    if status == StatusCode::UNAUTHORIZED || (status.is_client_error() && is_about_the_token) {
        return Identity::Rejected;
    }
    let is_known_trouble = complaint.as_ref().is_some_and(|complaint| complaint.known_trouble().is_some());
    let is_elsewhere = status.is_success() || matches!(status.as_u16(), 404 | 405 | 410);
    if is_elsewhere && !is_known_trouble {
        return Identity::Unsupported;
    }
    let page = is_web_page(response.headers(), body);
    Identity::Untold(passing_trouble(status, complaint.as_ref(), page).0)
}

/// `url` is what Imgur calls the name.
fn username(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["data"]["url"].as_str().filter(|name| !name.is_empty()).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OVER_CAPACITY: &str = r#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"success":false,"status":403}"#;

    #[rstest]
    #[case(200, r#"{"data":{"id":48437714,"url":"alice","bio":null},"success":true,"status":200}"#, Identity::Known("alice".into()))]
    #[case(
        403,
        r#"{"data":{"error":"The access token provided is invalid."},"success":false,"status":403}"#,
        Identity::Rejected
    )]
    #[case(401, "", Identity::Rejected)]
    #[case(400, r#"{"error":{"code":1016,"message":"Banned country attempt"}}"#, Identity::Untold("the server blocks the country that this network is in".into()))]
    #[case(403, OVER_CAPACITY, Identity::Untold("the server is over capacity".into()))]
    #[case(200, OVER_CAPACITY, Identity::Untold("the server is over capacity".into()))]
    #[case(404, "not found", Identity::Unsupported)]
    #[case(200, r#"{"sub":"somebody"}"#, Identity::Unsupported)]
    fn the_api_tells_whose_token_it_is_or_why_not(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: Identity,
    ) {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(understand(&response), expected);
    }

    #[test]
    fn a_403_that_says_nothing_of_the_token_proves_nothing_against_it() {
        let mut response = HttpResponse::new(br#"{"data":{"error":"Unauthorized"},"status":403}"#.to_vec());
        *response.status_mut() = StatusCode::FORBIDDEN;
        assert!(matches!(understand(&response), Identity::Untold(_)));
    }

    #[test]
    fn the_token_goes_to_the_api_and_is_not_shown() {
        let url = Url::parse("https://api.example/3/").unwrap();
        let request = request(&url, &Secret::from("fake-token")).unwrap();
        assert_eq!(request.uri(), "https://api.example/3/account/me");
        assert!(!format!("{request:?}").contains("fake-token"));
        assert!(super::request(&Url::parse("http://api.example/").unwrap(), &Secret::from("t")).is_none());
    }
}
