//! The token endpoint over HTTP: `oauth2` writes the requests, `reqwest` carries them.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use imgurd_proto::{ClientAuth, Secret};
use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, TokenUrl,
};
use url::{Host, Url};

use super::carrier::Carrier;
use super::credits::{self, Tally};
use super::identity::{self, Identity};
use super::told::Inquiry;
use super::{Answer, Client, Provider, Reply, TokenRequest};

/// How long the steps of a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Until there is a connection.
    pub(super) connect: Duration,
    /// Until the answer is whole.
    pub(super) total: Duration,
}

/// The real token endpoint.
#[derive(Clone, Debug)]
pub struct HttpProvider {
    timeouts: Timeouts,
    /// Where a relative `ca_file` begins.
    directory: PathBuf,
}

impl HttpProvider {
    /// One that connects within 10 s and has its answer within 30 s.
    #[must_use]
    pub fn new() -> Self {
        Self::with_timeouts(Timeouts { connect: Duration::from_secs(10), total: Duration::from_secs(30) })
    }

    pub(super) fn with_timeouts(timeouts: Timeouts) -> Self {
        Self { timeouts, directory: PathBuf::new() }
    }

    fn inquiry(&self, api_url: Url, ca_file: Option<PathBuf>, access_token: Secret) -> Inquiry {
        let ca_file = ca_file.map(|file| self.directory.join(file));
        Inquiry { api_url, ca_file, access_token, timeouts: self.timeouts }
    }

    /// One for which a relative `ca_file` begins at `directory`.
    #[must_use]
    pub fn with_files_in(self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..self }
    }
}

impl Default for HttpProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for HttpProvider {
    fn token(&self, client: Client, request: TokenRequest) -> BoxFuture<'static, Reply> {
        let timeouts = self.timeouts;
        let ca_file = client.ca_file.as_ref().map(|file| self.directory.join(file));
        async move {
            if !is_protected(&client.token_url) {
                return misconfigured(
                    "the token URL is not https, so tokens would cross the network readable",
                )
                .into();
            }
            match Carrier::new(&client.token_url, ca_file, timeouts).await {
                Ok(carrier) => {
                    let is_refresh = matches!(request, TokenRequest::Refresh(_));
                    let carrier = carrier.for_proven_refresh(client.proven && is_refresh);
                    let Reply { answer, date } = ask(&client, &request, &carrier).await;
                    Reply { answer: redact(answer, &secrets(&client, &request)), date }
                }
                Err(answer) => answer.into(),
            }
        }
        .boxed()
    }

    fn identify(
        &self,
        api_url: Url,
        ca_file: Option<PathBuf>,
        access_token: Secret,
    ) -> BoxFuture<'static, Identity> {
        self.inquiry(api_url, ca_file, access_token).ask(identity::PATH, identity::username).boxed()
    }

    fn credits(
        &self,
        api_url: Url,
        ca_file: Option<PathBuf>,
        access_token: Secret,
    ) -> BoxFuture<'static, Tally> {
        self.inquiry(api_url, ca_file, access_token).ask(credits::PATH, credits::credits).boxed()
    }
}

/// Whether what is sent there stays between this machine and the server (RFC 6749, section 3.2).
pub(super) fn is_protected(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether the server is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub(super) fn misconfigured(reason: &str) -> Answer {
    Answer::Misconfigured { setting: "token_url", reason: reason.into() }
}

/// An answer, in the place where `oauth2` expects a failure.
///
/// What that crate would do to an answer is wrong here: it drops the status of every error it cannot parse, which all of
/// Imgur's are, and refuses tokens over a string where it wants a number. So an answer is classified as it arrives and
/// goes round the crate's parser, always.
#[derive(Debug, thiserror::Error)]
#[error("classified")]
pub(super) struct Classified(Box<Reply>);

impl<'c> AsyncHttpClient<'c> for Carrier {
    type Error = Classified;
    type Future = BoxFuture<'c, Result<HttpResponse, Classified>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.carry(as_pin_grant(request)).map(|reply| Err(Classified(Box::new(reply)))).boxed()
    }
}

type OauthClient = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

fn oauth_client(client: &Client) -> OauthClient {
    let oauth = BasicClient::new(ClientId::new(client.id.clone()))
        .set_auth_type(match client.auth {
            ClientAuth::Body => AuthType::RequestBody,
            ClientAuth::Basic => AuthType::BasicAuth,
        })
        .set_token_uri(TokenUrl::from_url(client.token_url.clone()));
    match &client.secret {
        Some(secret) => oauth.set_client_secret(ClientSecret::new(secret.expose().into())),
        None => oauth,
    }
}

async fn ask(client: &Client, request: &TokenRequest, carrier: &Carrier) -> Reply {
    let oauth = oauth_client(client);
    let outcome = match request {
        TokenRequest::Refresh(token) => {
            let token = RefreshToken::new(token.expose().into());
            oauth.exchange_refresh_token(&token).request_async(carrier).await
        }
        TokenRequest::Code { code, verifier, redirect_uri } => {
            let mut exchange = oauth.exchange_code(AuthorizationCode::new(code.expose().into()));
            if let Some(verifier) = verifier {
                exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().into()));
            }
            if let Some(uri) = redirect_uri {
                exchange = exchange.set_redirect_uri(Cow::Owned(RedirectUrl::from_url(uri.clone())));
            }
            exchange.request_async(carrier).await
        }
        TokenRequest::Pin(pin) => {
            oauth
                .exchange_client_credentials()
                .add_extra_param("pin", pin.expose())
                .request_async(carrier)
                .await
        }
    };
    match outcome {
        Err(RequestTokenError::<_, BasicErrorResponse>::Request(Classified(reply))) => *reply,
        _ => misconfigured("no request can be made out of the token URL").into(),
    }
}

/// Imgur's own grant type, which `oauth2` does not know: a grant that has no credential but the client's, renamed.
fn as_pin_grant(request: HttpRequest) -> HttpRequest {
    request.map(|body| {
        let renamed =
            String::from_utf8_lossy(&body).replacen("grant_type=client_credentials", "grant_type=pin", 1);
        renamed.into_bytes()
    })
}

/// What must not come back in a reason.
fn secrets(client: &Client, request: &TokenRequest) -> Vec<Secret> {
    let of_the_request = match request {
        TokenRequest::Refresh(secret) | TokenRequest::Pin(secret) => vec![secret.clone()],
        TokenRequest::Code { code, verifier, .. } => {
            [Some(code.clone()), verifier.clone()].into_iter().flatten().collect()
        }
    };
    client.secret.iter().cloned().chain(of_the_request).filter(|secret| !secret.is_empty()).collect()
}

/// A server may send back what it was sent, as a part of its `error_description`.
fn redact(answer: Answer, secrets: &[Secret]) -> Answer {
    let redact = |reason: String| {
        if secrets.iter().any(|secret| reason.contains(secret.expose())) {
            "the server refused the request".to_owned()
        } else {
            reason
        }
    };
    match answer {
        Answer::Refused { reason } => Answer::Refused { reason: redact(reason) },
        Answer::Misconfigured { setting, reason } => {
            Answer::Misconfigured { setting, reason: redact(reason) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
