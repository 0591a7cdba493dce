//! Asks whose token it is: Imgur's `GET /3/account/me`, which also shows whether the token works, or a userinfo endpoint.

use imgurd_proto::text::name;
use serde_json::Value;

use super::id_token::Identity;
use super::inquiry::{ApiAnswer, Inquiry, Who};
use super::transport::Timeouts;

/// The owner of a token.
pub type TokenOwner = ApiAnswer<Owner>;

/// A user, with the name that the endpoint reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name that people know.
    pub username: String,
    /// The server's ID of the user, if it gives one.
    pub account_id: Option<String>,
}

impl From<&str> for Owner {
    fn from(username: &str) -> Self {
        Self { username: username.to_owned(), account_id: None }
    }
}

pub(super) async fn ask(inquiry: Inquiry, timeouts: Timeouts) -> TokenOwner {
    let is_userinfo = matches!(inquiry.who, Who::Userinfo(_));
    let read = if is_userinfo { claims } else { username };
    match inquiry.ask("account/me", read, timeouts).await {
        // It also rejects valid tokens of another scope (OpenID Connect Core, section 5.3.1).
        TokenOwner::Rejected if is_userinfo => TokenOwner::Unsupported,
        owner => owner,
    }
}

/// Reads Imgur's answer. Its field for the name is `url`.
pub(crate) fn username(body: &str) -> Option<Owner> {
    let body: Value = serde_json::from_str(body).ok()?;
    body["data"]["url"].as_str().and_then(name).map(|username| Owner { username, account_id: None })
}

fn claims(body: &str) -> Option<Owner> {
    let user = Identity::from_claims(&serde_json::from_str(body).ok()?)?;
    Some(Owner { username: user.name().to_owned(), account_id: Some(user.subject) })
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use oauth2::HttpResponse;
    use rstest::rstest;

    use super::*;
    use crate::provider::complaint::BLOCKED;
    use crate::provider::inquiry::understand;

    const OVER_CAPACITY: &str = r#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"success":false,"status":403}"#;

    #[rstest]
    #[case(200, r#"{"data":{"id":48437714,"url":"alice","bio":null},"success":true,"status":200}"#, TokenOwner::Known("alice".into()))]
    #[case(
        403,
        r#"{"data":{"error":"The access token provided is invalid."},"success":false,"status":403}"#,
        TokenOwner::Rejected
    )]
    #[case(200, r#"{"data":{"url":"\u0000ali\u001b[2Jce\u202e\n"}}"#, TokenOwner::Known("ali[2Jce".into()))]
    #[case(200, r#"{"data":{"url":"\u0000\n"}}"#, TokenOwner::Unsupported)]
    #[case(401, "", TokenOwner::Rejected)]
    #[case(400, r#"{"error":{"code":1016,"message":"Banned country attempt"}}"#, TokenOwner::Unknown(BLOCKED.into()))]
    #[case(403, OVER_CAPACITY, TokenOwner::Unknown("the server is over capacity".into()))]
    #[case(200, OVER_CAPACITY, TokenOwner::Unknown("the server is over capacity".into()))]
    #[case(404, "not found", TokenOwner::Unsupported)]
    #[case(200, r#"{"sub":"somebody"}"#, TokenOwner::Unsupported)]
    fn reads_the_owner_of_a_token_or_why_it_is_unknown(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: TokenOwner,
    ) {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(understand(&response, username, &[]), expected);
    }

    #[test]
    fn reads_the_id_and_name_from_a_userinfo_endpoint() {
        let owner = claims(r#"{"sub":"u1","preferred_username":"alice"}"#);
        assert_eq!(owner, Some(Owner { account_id: Some("u1".into()), ..Owner::from("alice") }));
        assert_eq!(
            claims(r#"{"preferred_username":"alice"}"#),
            None,
            "a name alone does not identify a user"
        );
    }

    #[test]
    fn a_403_without_a_token_error_does_not_reject_the_token() {
        let mut response = HttpResponse::new(br#"{"data":{"error":"Unauthorized"},"status":403}"#.to_vec());
        *response.status_mut() = StatusCode::FORBIDDEN;
        assert!(matches!(understand(&response, username, &[]), TokenOwner::Unknown(_)));
    }
}
