//! `POST /oauth2/token` and `POST /oauth2/revoke` (RFC 6749, sections 4.1.3, 4.4 and 6; RFC 7009).

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderMap;
use imgurd_proto::{Error, GetToken, Method as _, RejectToken, Secret, Token};
use oauth2::{PkceCodeChallenge, PkceCodeVerifier};
use serde_json::{Map, Value};

use super::clients::Client;
use super::codes::{Redeemed, Request};
use super::oauth_error::{OauthError, failed};
use super::parameters::Parameters;
use super::reply::{self, Reply};
use super::server::Server;
use crate::access::{Caller, Handle, Rotated, gateway_title, unix_time};

const KNOWN: [&str; 9] = [
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "token",
    "token_type_hint",
];

impl Server {
    pub(super) async fn token(&self, headers: &HeaderMap, body: &[u8]) -> Result<Reply, OauthError> {
        let given = Parameters::read(body, &KNOWN)?;
        let client = self.authenticate(headers, &given).await?;
        match given.get("grant_type") {
            Some("authorization_code") => self.redeem(&client, &given).await,
            Some("refresh_token") => self.refresh(&client, &given).await,
            Some("client_credentials") if !client.settings.public => self.identify(&client).await,
            Some("client_credentials") => Err(OauthError::new(
                "unauthorized_client",
                "this client is public; client_credentials needs a client secret",
            )),
            Some(_) => Err(OauthError::new(
                "unsupported_grant_type",
                "use authorization_code, refresh_token or client_credentials",
            )),
            None => Err(OauthError::request("grant_type is missing")),
        }
    }

    async fn identify(&self, client: &Client) -> Result<Reply, OauthError> {
        let account = self.account_of(&client.settings).map_err(failed)?;
        let token = self.current(client, &account).await;
        if !self.is_for(&self.again(client)?.settings, &account) {
            return Err(OauthError::unavailable(MOVED.to_owned(), Duration::from_secs(1)));
        }
        Ok(self.granted(&*token.map_err(failed)?, None))
    }

    async fn redeem(&self, client: &Client, given: &Parameters) -> Result<Reply, OauthError> {
        let code = given.get("code").ok_or_else(|| OauthError::request("code is missing"))?;
        let request = match self.codes.redeem(&client.name, code) {
            Redeemed::For(request) if self.is_current(&request) => request,
            Redeemed::For(_) => return Err(OauthError::grant(CHANGED)),
            Redeemed::Again(family) => {
                if let Some(family) = family {
                    self.void(client, &family).await?;
                }
                return Err(OauthError::grant(USED));
            }
            Redeemed::Unknown => {
                return Err(OauthError::grant(
                    "this code is unknown, has expired or belongs to another client",
                ));
            }
        };
        check_request(&request, given)?;
        let (token, (handle, Handle { family, .. })) =
            self.issue(client, &request).await.inspect_err(|_| self.codes.release(code))?;
        if !self.codes.note_use(code, &family) {
            self.void(client, &family).await?;
            return Err(OauthError::grant(USED));
        }
        self.last_tokens.note(&family, &token.access_token);
        Ok(self.granted(&token, Some(&handle)))
    }

    async fn issue(
        &self,
        client: &Client,
        request: &Request,
    ) -> Result<(Arc<Token>, (Secret, Handle)), OauthError> {
        let token = self.current(client, &request.account).await;
        self.again(client)?;
        if !self.is_current(request) {
            return Err(OauthError::grant(CHANGED));
        }
        let token = token.map_err(failed)?;
        let issued = self.api.clients.issue(&client.name, &request.account).await;
        Ok((token, issued.map_err(failed)?))
    }

    /// A client that refreshes while the token that it was given is still the current one says that this is of no use.
    async fn refresh(&self, client: &Client, given: &Parameters) -> Result<Reply, OauthError> {
        let shown =
            given.secret("refresh_token").ok_or_else(|| OauthError::request("refresh_token is missing"))?;
        let found = self.api.clients.find(&client.name, shown).await.map_err(failed)?;
        let handle = found.ok_or_else(|| OauthError::grant(VOID))?;
        self.check(client, &handle).await?;
        let token = match self.last_tokens.of(&handle.family) {
            Some(last) => {
                let call =
                    RejectToken { account: Some(handle.account.clone()), access_token: last, wait_ms: None };
                self.api.reject_token(&Caller::gateway_client(&client.name), call).await
            }
            None => self.current(client, &handle.account).await,
        };
        // The client, its account and its permit may have changed while it waited.
        self.check(&self.again(client)?, &handle).await?;
        let token = token.map_err(failed)?;
        self.last_tokens.note(&handle.family, &token.access_token);
        let family = handle.family.clone();
        match self.api.clients.rotate(&client.name, handle).await.map_err(failed)? {
            // Said again, since some clients forget a refresh token that an answer does not repeat.
            Rotated::Kept => Ok(self.granted(&token, Some(shown))),
            Rotated::Replaced(new) => Ok(self.granted(&token, Some(&new))),
            // Somebody has used it at the same time: RFC 9700, section 4.14.2.
            Rotated::Void => {
                self.void(client, &family).await?;
                Err(OauthError::grant(VOID))
            }
        }
    }

    /// Voids the refresh token if the user's answer that it is based on is no longer valid.
    async fn check(&self, client: &Client, handle: &Handle) -> Result<(), OauthError> {
        if self.is_allowed(client, handle)? {
            return Ok(());
        }
        self.void(client, &handle.family).await?;
        Err(OauthError::grant(VOID))
    }

    async fn void(&self, client: &Client, family: &str) -> Result<(), OauthError> {
        self.api.clients.revoke_family(&client.name, family).await.map_err(failed)
    }

    fn is_allowed(&self, client: &Client, handle: &Handle) -> Result<bool, OauthError> {
        let (gate, caller) = (&self.api.gate, Caller::gateway_client(&client.name));
        gate.check_permits(&caller, &handle.account).map_err(failed)?;
        let since = gate.permits().allowed_since(&gateway_title(&client.name), &handle.account);
        Ok(self.is_for(&client.settings, &handle.account)
            && gate.may_see(&caller, &handle.account)
            && since.is_none_or(|since| since <= handle.since))
    }

    pub(super) async fn revoke(&self, headers: &HeaderMap, body: &[u8]) -> Result<Reply, OauthError> {
        let given = Parameters::read(body, &KNOWN)?;
        let client = self.authenticate(headers, &given).await?;
        let token = given.secret("token").ok_or_else(|| OauthError::request("token is missing"))?;
        // What is not known is void already, and what is another client's is refused (RFC 7009, sections 2.1 and 2.2).
        if self.api.clients.revoke(&client.name, token).await.map_err(failed)? {
            // Some clients read each answer as JSON.
            Ok(reply::json(&Value::Object(Map::new())))
        } else {
            Err(OauthError::grant("this refresh token is another client's"))
        }
    }

    async fn current(&self, client: &Client, account: &str) -> Result<Arc<Token>, Error> {
        let caller = Caller::gateway_client(&client.name);
        self.api.gate.check_permits(&caller, account)?;
        let call = GetToken { account: Some(account.to_owned()), ..GetToken::default() };
        self.api.get_token(&caller, GetToken::NAME, call).await
    }

    fn granted(&self, token: &Token, handle: Option<&Secret>) -> Reply {
        let mut answer = Map::new();
        answer.insert("access_token".into(), token.access_token.expose().into());
        answer.insert("token_type".into(), token.token_type.as_str().into());
        if let Some(at) = token.expires_at {
            // Some clients take 0 for "unknown".
            answer.insert("expires_in".into(), (at - unix_time()).max(1).into());
        }
        if let Some(handle) = handle {
            answer.insert("refresh_token".into(), handle.expose().into());
        }
        // Required if it is not the one that the client asked for. A server may ignore that (RFC 6749, section 3.3), and
        // an unknown one, such as Imgur's, limits nothing.
        if let Some(scope) = self.api.keeper.scope(&token.account) {
            answer.insert("scope".into(), scope.into());
        }
        reply::json(&Value::Object(answer))
    }
}

const USED: &str = "this code was used before and is invalid, and so is its refresh token; sign in again";
const MOVED: &str = "this client uses another account now; ask again";
const CHANGED: &str =
    "the gateway's clients or permits have changed since this code was given; sign in again";
const VOID: &str = "this refresh token is unknown, was revoked or belongs to another client; sign in again";

/// Whether the token request matches the authorization request (RFC 6749, section 4.1.3; RFC 7636, section 4.6).
fn check_request(request: &Request, given: &Parameters) -> Result<(), OauthError> {
    let redirect_uri = given.get("redirect_uri");
    let is_same = redirect_uri == Some(&request.redirect_uri)
        || (redirect_uri.is_none() && !request.names_redirect_uri);
    if !is_same {
        return Err(OauthError::grant("redirect_uri differs from the one in the authorization request"));
    }
    match (&request.challenge, given.get("code_verifier")) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if is_verifier(verifier) => {
            let verifier = PkceCodeVerifier::new(verifier.to_owned());
            let is_its = PkceCodeChallenge::from_code_verifier_sha256(&verifier).as_str() == challenge;
            if is_its {
                Ok(())
            } else {
                Err(OauthError::grant("code_verifier does not match code_challenge"))
            }
        }
        (Some(_), _) => Err(OauthError::grant("code_verifier is missing or not valid (RFC 7636)")),
        // RFC 9700, section 2.1.1: otherwise an attacker could leave the challenge out.
        (None, Some(_)) => Err(OauthError::grant(
            "the request has a code_verifier, but the authorization request had no code_challenge",
        )),
    }
}

/// RFC 7636, section 4.1. Another one makes `oauth2` panic.
pub(super) fn is_verifier(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}
