//! The token endpoint over HTTP.
//!
//! imgurd does not let `oauth2` send these requests, because it would parse the answers: it drops the status of an error body that
//! it cannot parse, which includes all of Imgur's, and refuses a token if a number is written as a string.

use std::path::PathBuf;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use imgurd_proto::Secret;

use super::classify::{classify, server_time};
use super::credits::{self, Tally};
use super::device::{self, DeviceAuthorization, DeviceRequest};
use super::form_request::{form_request, unsendable};
use super::inquiry::Inquiry;
use super::token_owner::{self, TokenOwner};
use super::transport::{Timeouts, Transport};
use super::{Answer, Client, Provider, Reply, Revocation, TokenRequest, is_protected};

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
    fn token(&self, mut client: Client, request: TokenRequest) -> BoxFuture<'static, Reply> {
        client.ca_file = self.ca_file(client.ca_file);
        ask(client, request, self.timeouts).boxed()
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

async fn ask(client: Client, request: TokenRequest, timeouts: Timeouts) -> Reply {
    let url = &client.token_url;
    if !is_protected(url) {
        let reason = "the token URL is not https, so others on the network could read the tokens";
        return Answer::misconfigured_url(reason).into();
    }
    let Some(form) = form_request(&client, url, fields(&client, &request)) else {
        return unsendable().into();
    };
    let response = match Transport::get(url, client.ca_file.clone(), timeouts, form).await {
        Ok(response) => response,
        Err(answer) => return answer.into(),
    };
    let (headers, body, secrets) = (response.headers(), response.body(), secrets(&client, &request));
    let is_poll = matches!(request, TokenRequest::Device(_));
    let polled = is_poll.then(|| device::polled(&response, &secrets)).flatten();
    let is_proven_refresh = client.proven && matches!(request, TokenRequest::Refresh(_));
    let judge = || classify(response.status(), headers, body, is_proven_refresh, &secrets);
    Reply { answer: polled.unwrap_or_else(judge), date: server_time(headers) }
}

/// The fields of a request, without those that authenticate the client.
fn fields<'a>(client: &'a Client, request: &'a TokenRequest) -> Vec<(&'a str, &'a str)> {
    let resource = client.resource.iter().map(|uri| ("resource", uri.as_str()));
    match request {
        TokenRequest::Refresh(token) => {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
            fields.into_iter().chain(resource).collect()
        }
        TokenRequest::Code { code, verifier, redirect_uri, .. } => {
            let fields = [("grant_type", "authorization_code"), ("code", code.expose())];
            let verifier = verifier.iter().map(|verifier| ("code_verifier", verifier.expose()));
            let redirect_uri = redirect_uri.iter().map(|uri| ("redirect_uri", uri.as_str()));
            fields.into_iter().chain(verifier).chain(redirect_uri).chain(resource).collect()
        }
        // Imgur's own grant type.
        TokenRequest::Pin(pin) => vec![("grant_type", "pin"), ("pin", pin.expose())],
        TokenRequest::Device(code) => {
            let fields = [("grant_type", device::GRANT_TYPE), ("device_code", code.expose())];
            fields.into_iter().chain(device::common_fields(client)).collect()
        }
    }
}

/// The sent secrets. They are not shown if the server returns them.
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
