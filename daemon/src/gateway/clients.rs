//! Client authentication at the token endpoint (RFC 6749, section 2.3).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{self, HeaderMap};
use imgurd_proto::{Error, Secret};
use url::form_urlencoded::parse;

use super::oauth_error::{OauthError, failed};
use super::parameters::Parameters;
use super::server::Server;
use crate::config::GatewayClient;

/// A client that has authenticated, as far as it can.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) settings: GatewayClient,
}

impl Server {
    pub(super) fn configured(&self, name: &str) -> Option<GatewayClient> {
        self.api.editor.current().gateway.clients.get(name).cloned()
    }

    /// The account that a client is for now: the one that its settings name, or else the default account.
    pub(super) fn account_of(&self, client: &GatewayClient) -> Result<String, Error> {
        self.api.keeper.resolve(client.account.as_deref())
    }

    /// Whether a client is still for this account.
    pub(super) fn is_for(&self, client: &GatewayClient, account: &str) -> bool {
        self.account_of(client).is_ok_and(|now| now == account)
    }

    /// The client as it is now, after it waited.
    pub(super) fn again(&self, client: &Client) -> Result<Client, OauthError> {
        let settings = self.configured(&client.name).ok_or_else(|| OauthError::client(UNKNOWN))?;
        Ok(Client { name: client.name.clone(), settings })
    }

    /// The client that `headers` or `given` name. It must authenticate in exactly one way.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        given: &Parameters,
    ) -> Result<Client, OauthError> {
        let (name, secret) = match (basic(headers)?, given.secret("client_secret")) {
            (Some(_), Some(_)) => {
                return Err(OauthError::request(
                    "the client identifies itself twice; use either the Authorization header or the body",
                ));
            }
            // An empty secret is none (RFC 6749, section 2.3.1).
            (Some((name, secret)), None) => (name, Some(secret).filter(|secret| !secret.is_empty())),
            (None, secret) => {
                let name = given.get("client_id").ok_or_else(|| {
                    OauthError::client(
                        "client_id is missing; send it and client_secret, in the Authorization header or in the body",
                    )
                })?;
                (name.to_owned(), secret.cloned())
            }
        };
        if given.get("client_id").is_some_and(|id| id != name) {
            return Err(OauthError::request("client_id differs from the one in the Authorization header"));
        }
        let settings = self.configured(&name).ok_or_else(|| OauthError::client(UNKNOWN))?;
        let is_known = match &secret {
            Some(secret) => self.api.clients.knows(&name, secret).await.map_err(failed)?,
            None => settings.public,
        };
        if is_known { Ok(Client { name, settings }) } else { Err(OauthError::client(UNKNOWN)) }
    }
}

/// The same whichever of them is wrong.
const UNKNOWN: &str = "no gateway client has this client_id and client_secret; run `imgurctl gateway list` to see the clients, or \
                       `imgurctl gateway add NAME` to add one, or to get a new secret if imgurd has lost it";

/// The credentials in the header `Authorization: Basic`, both form-encoded (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, OauthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(OauthError::request("the Authorization header occurs twice; send it once"));
    }
    let odd = || OauthError::client("the Authorization header is not valid; use Basic");
    let value = value.to_str().map_err(|_| odd())?;
    let (scheme, encoded) = value.split_once(' ').ok_or_else(odd)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(odd());
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(odd)?;
    let (name, secret) = decoded.split_once(':').ok_or_else(odd)?;
    let part =
        |text: &str| parse(format!("part={text}").as_bytes()).next().map(|(_, part)| part.into_owned());
    let (name, secret) = part(name).zip(part(secret)).ok_or_else(odd)?;
    Ok(Some((name, secret.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basic_header_is_read_as_forms_are() {
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            basic(&headers).map(|found| found.map(|(name, secret)| (name, secret.expose().to_owned())))
        };
        let ours = || Ok(Some(("postman".to_owned(), "a b:+".to_owned())));
        assert_eq!(read("Basic cG9zdG1hbjphJTIwYiUzQSUyQg=="), ours());
        assert_eq!(read("basic cG9zdG1hbjphK2I6JTJC"), ours());
        for odd in ["Bearer abc", "Basic", "Basic !!!", "Basic cG9zdG1hbg=="] {
            assert_eq!(read(odd).unwrap_err().code, "invalid_client", "{odd}");
        }
        assert_eq!(basic(&HeaderMap::new()), Ok(None));
    }
}
