//! The authorization request (RFC 6749, sections 4.1.1 and 4.2.1), with PKCE (RFC 7636).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use imgurd_proto::{Flow, ParameterValue, Secret};
use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, ResponseType, Scope};
use url::Url;

/// Random bytes in a `state` or `nonce`: twice what RFC 6749, section 10.10, requires.
const STATE_BYTES: u32 = 32;

/// The parameters that this module sets itself: an additional one with the same name would be sent twice, or weaken the
/// request.
pub const OWN_PARAMETERS: [&str; 7] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];

/// The parameters of the page on which a user consents.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// The application's id.
    pub client_id: String,
    /// The authorization endpoint.
    pub auth_url: Url,
    /// How the answer returns.
    pub flow: Flow,
    /// The callback URL, if it has to be sent: Imgur knows it from the registration.
    pub redirect_uri: Option<RedirectUrl>,
    /// Scopes, separated by spaces.
    pub scope: Option<String>,
    /// Text before the random part of the state.
    pub state_prefix: Option<String>,
    /// The resources that the tokens are for (RFC 8707, section 2.1).
    pub resource: Vec<String>,
    /// Further parameters. Those that the request sets itself are ignored.
    pub params: BTreeMap<String, ParameterValue>,
}

impl AuthorizationRequest {
    /// Creates a request with its own random `state` and PKCE verifier.
    #[must_use]
    pub fn build(&self) -> Authorization {
        let client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(self.auth_url.clone()));
        let mut request = client
            .authorize_url(|| self.state())
            .set_response_type(&ResponseType::new(self.flow.as_str().into()))
            .add_scopes(self.scopes());
        if let Some(uri) = &self.redirect_uri {
            request = request.set_redirect_uri(Cow::Borrowed(uri));
        }
        let mut verifier = None;
        if self.flow == Flow::Code {
            let (challenge, secret) = PkceCodeChallenge::new_random_sha256();
            request = request.set_pkce_challenge(challenge);
            verifier = Some(Secret::from(secret.into_secret()));
        }
        let nonce = self.nonce();
        let nonce_pair = nonce.iter().map(|nonce| ("nonce", nonce.expose()));
        for (name, value) in nonce_pair.chain(self.resource.iter().map(|uri| ("resource", uri.as_str()))) {
            request = request.add_extra_param(name, value);
        }
        let is_own = |name: &str| OWN_PARAMETERS.contains(&name) || (name == "nonce" && nonce.is_some());
        for (name, parameter) in self.params.iter().filter(|(name, _)| !is_own(name)) {
            for value in parameter.values() {
                request = request.add_extra_param(name, value);
            }
        }
        let (url, state) = request.url();
        Authorization { url, state: state.into_secret().into(), verifier, nonce }
    }

    /// A nonce, which binds an ID token to this request (OpenID Connect Core, section 3.1.2.1). Some servers require
    /// it.
    fn nonce(&self) -> Option<Secret> {
        let is_openid = self.scopes().any(|scope| scope.as_str() == "openid");
        is_openid.then(|| CsrfToken::new_random_len(STATE_BYTES).into_secret().into())
    }

    fn state(&self) -> CsrfToken {
        let prefix = self.state_prefix.as_deref().unwrap_or_default();
        CsrfToken::new(format!("{prefix}{}", CsrfToken::new_random_len(STATE_BYTES).secret()))
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scope.iter().flat_map(|scope| scope.split_whitespace()).map(|scope| Scope::new(scope.into()))
    }
}

/// An authorization request in progress.
#[derive(Clone)]
pub struct Authorization {
    /// The page to open.
    pub url: Url,
    /// The value that the answer must repeat.
    pub state: Secret,
    /// Proves to the token endpoint that imgurd requested the code; only for the flow `code`.
    pub verifier: Option<Secret>,
    /// The value that an ID token must contain; only if the scope has `openid`.
    pub nonce: Option<Secret>,
}

impl Authorization {
    /// A page whose answer does not return to imgurd. Its state matches no other.
    pub(crate) fn elsewhere(url: Url) -> Self {
        let state = CsrfToken::new_random_len(STATE_BYTES).into_secret().into();
        Self { url, state, verifier: None, nonce: None }
    }
}

impl fmt::Debug for Authorization {
    /// Leaves out the query, which contains the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("page", &self.url.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
