//! The token endpoint over HTTP: `oauth2` builds the requests, `reqwest` sends them.
//!
//! imgurd does not let `oauth2` parse the answers: it drops the status of an error body that it cannot parse, and it cannot parse
//! any of Imgur's.

use std::borrow::Cow;
use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use imgurd_proto::{ClientAuth, Secret};
use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    HttpRequest, HttpResponse, PkceCodeVerifier, RefreshToken, RequestTokenError, TokenUrl,
};

use super::classify::server_time;
use super::credits::{self, Tally};
use super::device::{self, DeviceAuthorization, DeviceRequest};
use super::endpoint::is_protected;
use super::form_request::{form_request, unsendable};
use super::inquiry::Inquiry;
use super::token_owner::{self, TokenOwner};
use super::transport::{Timeouts, Transport};
use super::{Answer, Client, Provider, Reply, Revocation, TokenRequest};

/// The real token endpoint.
#[derive(Clone, Debug)]
pub struct HttpProvider {
    timeouts: Timeouts,
    /// The directory that a relative `ca_file` starts from.
    directory: PathBuf,
}

impl HttpProvider {
    pub(super) fn with_timeouts(timeouts: Timeouts) -> Self {
        Self { timeouts, directory: PathBuf::new() }
    }

    fn ca_file(&self, ca_file: Option<PathBuf>) -> Option<PathBuf> {
        ca_file.map(|file| self.directory.join(file))
    }

    /// Creates a provider for which a relative `ca_file` starts from `directory`.
    #[must_use]
    pub fn with_files_in(self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..self }
    }
}

impl Default for HttpProvider {
    /// Connects within 10 s and gets the answer within 30 s.
    fn default() -> Self {
        Self::with_timeouts(Timeouts::from_secs(10, 30))
    }
}

impl Provider for HttpProvider {
    fn token(&self, client: Client, request: TokenRequest) -> BoxFuture<'static, Reply> {
        let timeouts = self.timeouts;
        let ca_file = self.ca_file(client.ca_file.clone());
        async move {
            if !is_protected(&client.token_url) {
                let reason = "the token URL is not https, so others on the network could read the tokens";
                return Answer::misconfigured_url(reason).into();
            }
            match Transport::new(&client.token_url, ca_file, timeouts).await {
                Ok(transport) => {
                    let is_refresh = matches!(request, TokenRequest::Refresh(_));
                    let is_proven_refresh = client.proven && is_refresh;
                    let transport = transport.of_request(is_proven_refresh, secrets(&client, &request));
                    ask(&client, &request, &transport).await
                }
                Err(answer) => answer.into(),
            }
        }
        .boxed()
    }

    fn authorize_device(
        &self,
        mut request: DeviceRequest,
    ) -> BoxFuture<'static, Result<DeviceAuthorization, Box<Answer>>> {
        request.client.ca_file = self.ca_file(request.client.ca_file);
        request.send(self.timeouts).boxed()
    }

    fn revoke(&self, mut revocation: Revocation) -> BoxFuture<'static, Result<(), String>> {
        revocation.client.ca_file = self.ca_file(revocation.client.ca_file);
        revocation.send(self.timeouts).boxed()
    }

    fn identify(&self, inquiry: Inquiry) -> BoxFuture<'static, TokenOwner> {
        let inquiry = Inquiry { ca_file: self.ca_file(inquiry.ca_file), ..inquiry };
        token_owner::ask(inquiry, self.timeouts).boxed()
    }

    fn credits(&self, inquiry: Inquiry) -> BoxFuture<'static, Tally> {
        let inquiry = Inquiry { ca_file: self.ca_file(inquiry.ca_file), ..inquiry };
        inquiry.ask(credits::PATH, credits::credits, self.timeouts).boxed()
    }
}

/// An answer, in the place where `oauth2` expects a failure.
///
/// `oauth2` must not parse answers: it drops the status of every error that it cannot parse, which includes all of
/// Imgur's, and refuses a token if a number is written as a string. So imgurd classifies each answer as it arrives, and
/// it always bypasses the crate's parser.
#[derive(Debug, thiserror::Error)]
#[error("classified")]
pub(super) struct Classified(Box<Reply>);

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = Classified;
    type Future = BoxFuture<'c, Result<HttpResponse, Classified>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.classify(request).map(|reply| Err(Classified(Box::new(reply)))).boxed()
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

async fn ask(client: &Client, request: &TokenRequest, transport: &Transport) -> Reply {
    let oauth = oauth_client(client);
    let outcome = match request {
        TokenRequest::Refresh(token) => {
            let token = RefreshToken::new(token.expose().into());
            let mut refresh = oauth.exchange_refresh_token(&token);
            for uri in &client.resource {
                refresh = refresh.add_extra_param("resource", uri);
            }
            refresh.request_async(transport).await
        }
        TokenRequest::Code { code, verifier, redirect_uri, .. } => {
            let mut exchange = oauth.exchange_code(AuthorizationCode::new(code.expose().into()));
            if let Some(verifier) = verifier {
                exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().into()));
            }
            if let Some(uri) = redirect_uri {
                exchange = exchange.set_redirect_uri(Cow::Borrowed(uri));
            }
            for uri in &client.resource {
                exchange = exchange.add_extra_param("resource", uri);
            }
            exchange.request_async(transport).await
        }
        // Imgur's own grant type, which `oauth2` does not support.
        TokenRequest::Pin(pin) => {
            let fields = [("grant_type", "pin"), ("pin", pin.expose())];
            return match form_request(client, &client.token_url, fields) {
                Some(request) => transport.classify(request).await,
                None => unsendable().into(),
            };
        }
        TokenRequest::Device(code) => return poll(client, code, transport).await,
    };
    match outcome {
        Err(RequestTokenError::<_, BasicErrorResponse>::Request(Classified(reply))) => *reply,
        _ => unsendable().into(),
    }
}

async fn poll(client: &Client, code: &Secret, transport: &Transport) -> Reply {
    let fields = [("grant_type", device::GRANT_TYPE), ("device_code", code.expose())];
    let fields = fields.into_iter().chain(device::common_fields(client));
    let Some(request) = form_request(client, &client.token_url, fields) else {
        return unsendable().into();
    };
    match transport.fetch(request).await {
        Ok(response) => {
            match device::polled(&response, &secrets(client, &TokenRequest::Device(code.clone()))) {
                Some(answer) => Reply { answer, date: server_time(response.headers()) },
                None => transport.judge(&response),
            }
        }
        Err(answer) => answer.into(),
    }
}

fn secrets(client: &Client, request: &TokenRequest) -> Vec<Secret> {
    let of_the_request = match request {
        TokenRequest::Refresh(secret) | TokenRequest::Pin(secret) | TokenRequest::Device(secret) => {
            vec![secret.clone()]
        }
        TokenRequest::Code { code, verifier, .. } => {
            [Some(code.clone()), verifier.clone()].into_iter().flatten().collect()
        }
    };
    client.secret.iter().cloned().chain(of_the_request).filter(|secret| !secret.is_empty()).collect()
}

#[cfg(test)]
mod tests;
