//! Revokes a grant at the server (RFC 7009).

use hyper::StatusCode;
use imgurd_proto::Secret;
use oauth2::HttpResponse;
use url::Url;

use super::complaint::Complaint;
use super::form_request::form_request;
use super::response::text;
use super::transport::{Timeouts, Transport};
use super::{Answer, Client};

/// The kind of token, so the server need not search all kinds (section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Revoking it ends the grant.
    Refresh,
    /// Most servers revoke it together with the refresh token.
    Access,
}

/// Tokens to revoke, in this order.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// The client that they were issued to.
    pub client: Client,
    /// The revocation endpoint.
    pub url: Url,
    /// The tokens.
    pub tokens: Vec<(TokenKind, Secret)>,
}

impl Revocation {
    /// Asks the server to revoke each token. The error says why a refresh token is still valid, as the beginning of a
    /// sentence. The error about an access token counts only if there is no refresh token, because not every server
    /// revokes access tokens (section 2.2.1).
    pub(super) async fn send(self, timeouts: Timeouts) -> Result<(), String> {
        let has_refresh_token = self.tokens.iter().any(|(kind, _)| *kind == TokenKind::Refresh);
        let mut outcome = Ok(());
        for (kind, token) in &self.tokens {
            let revoked = self.revoke(*kind, token, timeouts).await;
            match revoked {
                Err(reason) if *kind == TokenKind::Access && has_refresh_token => {
                    tracing::debug!(reason, "the server did not revoke the access token");
                }
                revoked => outcome = outcome.and(revoked),
            }
        }
        outcome
    }

    async fn revoke(&self, kind: TokenKind, token: &Secret, timeouts: Timeouts) -> Result<(), String> {
        let hint = match kind {
            TokenKind::Refresh => "refresh_token",
            TokenKind::Access => "access_token",
        };
        let fields = [("token", token.expose()), ("token_type_hint", hint)];
        let Some(request) = form_request(&self.client, &self.url, fields) else {
            return Err("imgurd cannot build a request for revoke_url".to_owned());
        };
        let response = Transport::get(&self.url, self.client.ca_file.clone(), timeouts, request).await;
        let secrets = self.client.secret.iter().chain([token]).cloned().collect::<Vec<_>>();
        response.map_err(why).and_then(|response| understand(&response, &secrets))
    }
}

fn why(answer: Answer) -> String {
    match answer {
        Answer::Transient(trouble) => trouble.reason,
        Answer::Misconfigured { reason, .. } | Answer::Refused { reason } => reason,
        Answer::Granted(_) => "the server sent tokens instead of an answer".to_owned(),
    }
}

/// Reads an answer. A server that does not know a token counts it as revoked, with 200 too (section 2.2).
fn understand(response: &HttpResponse, secrets: &[Secret]) -> Result<(), String> {
    let status = response.status();
    let complaint = Complaint::parse(&text(response.body()), secrets);
    let said = complaint.filter(Complaint::has_an_error).and_then(|complaint| complaint.said());
    match said {
        None if status.is_success() => Ok(()),
        Some(said) => Err(format!("{said} (HTTP {})", status.as_u16())),
        None if status == StatusCode::NOT_FOUND => Err("revoke_url does not exist (HTTP 404)".to_owned()),
        None if status.is_redirection() => {
            Err(format!("revoke_url redirects (HTTP {}), which imgurd does not follow", status.as_u16()))
        }
        None => Err(format!("the server answered with HTTP {}", status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(200, "", Ok(()))]
    #[case(204, "", Ok(()))]
    #[case(200, "{}", Ok(()))]
    #[case(200, r#"{"error":"invalid_client"}"#, Err("the server says “invalid_client” (HTTP 200)"))]
    #[case(
        400,
        r#"{"error":"unsupported_token_type","error_description":"No JWT"}"#,
        Err("the server says “unsupported_token_type” (No JWT) (HTTP 400)")
    )]
    #[case(404, "<html>", Err("revoke_url does not exist (HTTP 404)"))]
    #[case(302, "", Err("revoke_url redirects (HTTP 302), which imgurd does not follow"))]
    #[case(503, "", Err("the server answered with HTTP 503"))]
    fn says_why_a_token_is_still_valid(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: Result<(), &str>,
    ) {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(understand(&response, &[]), expected.map_err(str::to_owned));
    }
}
