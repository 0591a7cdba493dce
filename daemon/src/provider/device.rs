//! The device authorization grant (RFC 8628): the user enters a code at the server's page, on any device.

use std::fmt;
use std::time::Duration;

use imgurd_proto::text::{credential, name};
use imgurd_proto::{ClientAuth, Secret};
use oauth2::HttpResponse;
use serde_json::Value;
use url::Url;

use super::classify::{classify, is_missing};
use super::complaint::{Complaint, TOO_MANY};
use super::form_request::{form_request, unsendable};
use super::response::text;
use super::transport::{Timeouts, Transport};
use super::{Answer, Client, Delivery, is_protected};

/// The `grant_type` of a poll (section 3.4).
pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The pause between two polls if the server gives none (section 3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// The longest pause that a server can request.
const LONGEST_INTERVAL: Duration = Duration::from_mins(5);
/// The longest time that imgurd waits for the user to enter a code.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

/// The request for a code.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// The client.
    pub client: Client,
    /// The device authorization endpoint.
    pub url: Url,
    /// Scopes, separated by spaces.
    pub scope: Option<String>,
}

/// A code, and where the user enters it (section 3.2).
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceAuthorization {
    /// The code with which imgurd polls the token endpoint.
    pub device_code: Secret,
    /// The code that the user enters.
    pub user_code: String,
    /// The page where the user enters it.
    pub verification_uri: Url,
    /// The same page with the code filled in.
    pub verification_uri_complete: Option<Url>,
    /// How long the code is valid.
    pub expires_in: Duration,
    /// The pause between two polls.
    pub interval: Duration,
}

impl fmt::Debug for DeviceAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceAuthorization")
            .field("page", &self.verification_uri.path())
            .finish_non_exhaustive()
    }
}

impl DeviceRequest {
    pub(super) async fn send(self, timeouts: Timeouts) -> Result<DeviceAuthorization, Box<Answer>> {
        let scope = self.scope.as_deref().map(|scope| ("scope", scope));
        let fields = scope.into_iter().chain(common_fields(&self.client));
        let request = form_request(&self.client, &self.url, fields);
        let request = request.ok_or_else(unsendable)?;
        let response = Transport::get(&self.url, self.client.ca_file.clone(), timeouts, request).await?;
        let secrets: Vec<_> = self.client.secret.into_iter().collect();
        understand(&response, &secrets)
    }
}

/// The fields of all requests of this grant. A client that authenticates by a header need not identify itself in the
/// form (section 3.1), but some servers look for its ID there.
pub(super) fn common_fields(client: &Client) -> impl Iterator<Item = (&str, &str)> {
    let is_in_header = client.auth == ClientAuth::Basic && client.secret.is_some();
    let id = is_in_header.then_some(("client_id", client.id.as_str()));
    id.into_iter().chain(client.resource.iter().map(|uri| ("resource", uri.as_str())))
}

pub(crate) fn understand(
    response: &HttpResponse,
    secrets: &[Secret],
) -> Result<DeviceAuthorization, Box<Answer>> {
    let (status, headers) = (response.status(), response.headers());
    let read = status.is_success().then(|| DeviceAuthorization::read(&text(response.body()))).flatten();
    read.ok_or_else(|| {
        let reason = if is_missing(status) {
            format!("device_auth_url does not exist (HTTP {})", status.as_u16())
        } else if status.is_success() {
            "the answer has no device code, user code or https page".to_owned()
        } else {
            match classify(status, headers, response.body(), false, secrets) {
                Answer::Misconfigured { setting: "token_url", reason } => reason,
                other => return Box::new(other),
            }
        };
        Box::new(Answer::Misconfigured { setting: "device_auth_url", reason })
    })
}

impl DeviceAuthorization {
    fn read(body: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(body).ok()?;
        let page = |key: &str| body[key].as_str().and_then(|url| Url::parse(url).ok()).filter(is_protected);
        let seconds = |key: &str| {
            let number = &body[key];
            let number = number.as_u64().or_else(|| number.as_str()?.parse().ok())?;
            Some(Duration::from_secs(number))
        };
        Some(Self {
            device_code: credential(body["device_code"].as_str()?)?.into(),
            user_code: body["user_code"].as_str().and_then(name)?,
            // Some servers use the name in earlier drafts.
            verification_uri: page("verification_uri").or_else(|| page("verification_url"))?,
            verification_uri_complete: page("verification_uri_complete"),
            expires_in: seconds("expires_in").unwrap_or(LONGEST_LIFETIME).min(LONGEST_LIFETIME),
            interval: seconds("interval").unwrap_or(INTERVAL).clamp(Duration::from_secs(1), LONGEST_INTERVAL),
        })
    }
}

/// Classifies an answer to a poll, if it is specific to this grant (section 3.5).
pub(crate) fn polled(response: &HttpResponse, secrets: &[Secret]) -> Option<Answer> {
    if response.status().is_server_error() {
        return None;
    }
    let complaint = Complaint::parse(&text(response.body()), secrets)?;
    if complaint.says("authorization_pending") {
        Some(Answer::transient("nobody has entered the code yet", Delivery::Undecided))
    } else if complaint.says("slow_down") {
        Some(Answer::transient(TOO_MANY, Delivery::TooSoon))
    } else if complaint.says("access_denied") {
        Some(Answer::Refused { reason: complaint.describe("Access was denied on the sign-in page") })
    } else if complaint.says("expired_token") {
        Some(Answer::Refused {
            reason: complaint.describe("Nobody completed the sign-in before its code expired"),
        })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use rstest::rstest;

    use super::*;

    const WHOLE: &str = r#"{"device_code":"dc","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device",
        "verification_uri_complete":"https://as.example/device?user_code=WDJB-MJHT","expires_in":1800,"interval":7}"#;

    fn response(status: u16, body: &str) -> HttpResponse {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    #[test]
    fn reads_the_device_authorization_response() {
        let read = understand(&response(200, WHOLE), &[]).unwrap();
        assert_eq!((read.user_code.as_str(), read.interval.as_secs()), ("WDJB-MJHT", 7));
        assert_eq!(read.verification_uri.as_str(), "https://as.example/device");
        assert_eq!(read.verification_uri_complete.unwrap().query(), Some("user_code=WDJB-MJHT"));
        assert_eq!(read.expires_in, Duration::from_mins(30));
    }

    #[rstest]
    #[case(
        r#"{"device_code":"d","user_code":"A\u001b[2JB","verification_url":"https://a/","interval":"0"}"#,
        Some("A[2JB")
    )]
    #[case(r#"{"device_code":"d","user_code":"AB","verification_uri":"javascript:alert(1)"}"#, None)]
    #[case(r#"{"device_code":"d","user_code":"AB","verification_uri":"http://as.example/"}"#, None)]
    #[case(r#"{"device_code":"d","verification_uri":"https://a/"}"#, None)]
    #[case(r#"{"device_code":"d\n","user_code":"","verification_uri":"https://a/"}"#, None)]
    #[case("<html>", None)]
    fn accepts_only_a_complete_device_authorization(#[case] body: &str, #[case] user_code: Option<&str>) {
        let read = DeviceAuthorization::read(body);
        assert_eq!(read.as_ref().map(|read| read.user_code.as_str()), user_code);
        assert!(read.is_none_or(|read| read.interval == Duration::from_secs(1)));
    }

    #[rstest]
    #[case(404, "", "device_auth_url")]
    #[case(200, "<html>", "device_auth_url")]
    #[case(400, r#"{"error":"invalid_request"}"#, "device_auth_url")]
    #[case(401, r#"{"error":"invalid_client"}"#, "client_secret")]
    #[case(400, r#"{"error":"invalid_scope"}"#, "scope")]
    fn an_error_names_the_invalid_setting(#[case] status: u16, #[case] body: &str, #[case] expected: &str) {
        let answer = understand(&response(status, body), &[]).unwrap_err();
        assert!(
            matches!(&*answer, Answer::Misconfigured { setting, .. } if *setting == expected),
            "{answer:?}"
        );
    }

    #[test]
    fn distinguishes_polls_from_answers_that_end_the_login() {
        let of = |status, error: &str| {
            let body = format!(r#"{{"error":"{error}","error_description":"Not today"}}"#);
            polled(&response(status, &body), &[])
        };
        for (error, expected) in
            [("authorization_pending", Delivery::Undecided), ("slow_down", Delivery::TooSoon)]
        {
            for status in [200, 400, 401, 428] {
                let Some(Answer::Transient(it)) = of(status, error) else {
                    panic!("{error} does not end the login")
                };
                assert_eq!(it.delivery, expected);
            }
        }
        for error in ["access_denied", "expired_token"] {
            let Some(Answer::Refused { reason }) = of(400, error) else { panic!("{error} ends the login") };
            assert!(reason.ends_with("(Not today)"), "{reason}");
        }
        assert_eq!(of(503, "access_denied"), None);
        assert_eq!(of(400, "invalid_grant"), None);
    }
}
