//! An ID token (OpenID Connect Core, section 2): who signed in, and for which request.
//!
//! imgurd does not check its signature: it came from the token endpoint over TLS, which authenticates it (section 3.1.3.7). It
//! says whose grant this is, and gives no access.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use imgurd_proto::Secret;
use imgurd_proto::text::name;
use serde_json::Value;

/// The claims of an ID token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// The user who signed in.
    pub user: Identity,
    /// The nonce of the authorization request that it answers.
    pub nonce: Option<Secret>,
}

/// A user, from the claims of OpenID Connect (section 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The server's ID of the user, which never changes: `sub`.
    pub subject: String,
    /// A name that people know, if the server gives one.
    pub username: Option<String>,
}

impl IdToken {
    /// Reads the claims of a signed token; `None` if it is encrypted or unreadable.
    pub(super) fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload) = (parts.next()?, parts.next()?);
        if parts.count() != 1 {
            return None; // five parts mean an encrypted one (RFC 7516, section 3)
        }
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        let nonce = claims["nonce"].as_str().map(Secret::from);
        Some(Self { user: Identity::from_claims(&claims)?, nonce })
    }
}

impl Identity {
    pub(super) fn from_claims(claims: &Value) -> Option<Self> {
        let claim = |key: &str| claims[key].as_str().and_then(name);
        let subject = claim("sub").or_else(|| claims["sub"].as_i64().map(|number| number.to_string()))?;
        Some(Self { subject, username: ["preferred_username", "email", "name"].into_iter().find_map(claim) })
    }

    /// The name of the user, for display.
    #[must_use]
    pub fn name(&self) -> &str {
        self.username.as_deref().unwrap_or(&self.subject)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[rstest]
    #[case(
        r#"{"sub":"248289761001","nonce":"n","preferred_username":"alice"}"#,
        "248289761001",
        "alice",
        Some("n")
    )]
    #[case(r#"{"sub":"u1","email":"a@example.org","name":"Alice"}"#, "u1", "a@example.org", None)]
    #[case(r#"{"sub":7}"#, "7", "7", None)]
    #[case("{\"sub\":\"al\\u001b[2Jice\"}", "al[2Jice", "al[2Jice", None)]
    fn reads_the_user_and_nonce_of_an_id_token(
        #[case] claims: &str,
        #[case] subject: &str,
        #[case] called: &str,
        #[case] nonce: Option<&str>,
    ) {
        let read = IdToken::read(&token(claims)).expect("an ID token");
        assert_eq!((read.user.subject.as_str(), read.user.name()), (subject, called));
        assert_eq!(read.nonce.as_ref().map(Secret::expose), nonce);
    }

    #[test]
    fn rejects_texts_that_are_not_signed_id_tokens() {
        let encrypted = format!("{}.a.b", token(r#"{"sub":"x"}"#));
        for text in ["", "e.y.J", "a.b", "not a token", &token("[]"), &token(r#"{"sub":""}"#), &encrypted] {
            assert_eq!(IdToken::read(text), None, "{text}");
        }
    }
}
