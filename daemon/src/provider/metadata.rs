//! The metadata of an authorization server (RFC 8414, section 2; OpenID Connect Discovery 1.0, section 3), as settings.

use imgurd_proto::text::{is_credential, printable_name};
use imgurd_proto::{ClientAuth, Discovery, ParameterValue, Settings};
use serde_json::Value;
use url::Url;

use super::{is_loopback, is_protected};

/// How many scopes are shown at most.
const MOST_SCOPES: usize = 64;

/// Why a document is not the metadata of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is not metadata, so another address may have it.
    NoMetadata(String),
    /// It is metadata, but must not be used.
    Wrong(String),
    /// It is that of another issuer. The reason says what to do.
    OfAnother(String),
}

impl Unfit {
    /// The error about the document at `place`: whether it is specific, why the document cannot be used, and what to do.
    pub(crate) fn at(self, place: &Url) -> (bool, String) {
        match self {
            Self::NoMetadata(reason) => (false, advised(&format!("{reason} ({place})"))),
            Self::Wrong(reason) => (true, advised(&reason)),
            Self::OfAnother(reason) => (true, reason),
        }
    }
}

/// A reason that does not say what to do, with that.
pub(super) fn advised(reason: &str) -> String {
    format!("{reason}; check the issuer, or set the endpoints with --auth-url and --token-url")
}

/// Combines both kinds of metadata of one server. If they differ, the first one counts.
pub(super) fn joined(first: Discovery, second: Discovery) -> Discovery {
    let (one, other) = (first.settings, second.settings);
    let settings = Settings {
        require_iss: one.require_iss.or(other.require_iss),
        revoke_url: one.revoke_url.or(other.revoke_url),
        device_auth_url: one.device_auth_url.or(other.device_auth_url),
        userinfo_url: one.userinfo_url.or(other.userinfo_url),
        ..one
    };
    let scopes = if first.scopes.is_empty() { second.scopes } else { first.scopes };
    Discovery { settings, scopes, pkce: first.pkce.or(second.pkce) }
}

/// Reads the metadata of `issuer`, which has to name exactly that (RFC 8414, section 3.3).
pub(crate) fn read(text: &str, issuer: &str) -> Result<Discovery, Unfit> {
    let document: Value =
        serde_json::from_str(text).map_err(|_| Unfit::NoMetadata("the answer is not JSON".to_owned()))?;
    let Some(named) = document["issuer"].as_str() else {
        return Err(Unfit::NoMetadata("the answer names no issuer".to_owned()));
    };
    if named != issuer {
        let named = printable_name(named);
        return Err(Unfit::OfAnother(format!(
            "the server calls itself {named}; if you mean that server, use --issuer {named}"
        )));
    }
    let metadata =
        Metadata { document: &document, is_local: Url::parse(issuer).is_ok_and(|url| is_loopback(&url)) };
    metadata.settings(issuer).map_err(Unfit::Wrong)
}

struct Metadata<'a> {
    document: &'a Value,
    /// Whether the issuer is this machine. Then its endpoints may be on this machine too.
    is_local: bool,
}

impl Metadata<'_> {
    fn settings(&self, issuer: &str) -> Result<Discovery, String> {
        let scopes = self.texts("scopes_supported").unwrap_or_default();
        let scope = usual(&scopes);
        let is_offline = scope.contains("offline_access") && scope.contains("openid");
        // Offline access requires that the server asks the user (OpenID Connect Core, section 11).
        let prompt = is_offline.then(|| [("prompt".to_owned(), ParameterValue::from("consent"))].into());
        let settings = Settings {
            issuer: Some(issuer.to_owned()),
            auth_url: Some(self.needed("authorization_endpoint")?),
            token_url: Some(self.needed("token_endpoint")?),
            client_auth: Some(self.client_auth()?),
            require_iss: self.flag("authorization_response_iss_parameter_supported").then_some(true),
            revoke_url: self.endpoint("revocation_endpoint")?,
            device_auth_url: self.endpoint("device_authorization_endpoint")?,
            userinfo_url: self.endpoint("userinfo_endpoint")?,
            scope: Some(scope).filter(|scope| !scope.is_empty()),
            auth_params: prompt,
            ..Settings::default()
        };
        let methods = self.texts("code_challenge_methods_supported");
        let pkce = methods.map(|methods| methods.iter().any(|method| method == "S256"));
        Ok(Discovery { settings, scopes, pkce })
    }

    fn needed(&self, key: &str) -> Result<String, String> {
        self.endpoint(key)?.ok_or_else(|| format!("its metadata has no {key}, which imgurd needs"))
    }

    fn endpoint(&self, key: &str) -> Result<Option<String>, String> {
        let Some(text) = self.document[key].as_str() else { return Ok(None) };
        let url = Url::parse(text)
            .ok()
            .filter(|url| is_protected(url) && (self.is_local || url.scheme() == "https"));
        match url {
            Some(_) => Ok(Some(text.to_owned())),
            None => Err(format!("its {key} ({}) is not an https URL", printable_name(text))),
        }
    }

    /// How the client authenticates. If the server accepts several ways or does not say (RFC 8414, section 2), by
    /// Basic, which every server must support (RFC 6749, section 2.3.1). A client without a secret sends its ID in
    /// any case.
    fn client_auth(&self) -> Result<ClientAuth, String> {
        let Some(methods) = self.texts("token_endpoint_auth_methods_supported") else {
            return Ok(ClientAuth::Basic);
        };
        let takes = |method: &str| methods.iter().any(|known| known == method);
        if takes("client_secret_basic") {
            Ok(ClientAuth::Basic)
        } else if takes("client_secret_post") || takes("none") {
            Ok(ClientAuth::Body)
        } else {
            Err(format!(
                "it accepts only {} as client authentication, and imgurd supports only a client secret or none",
                printable_name(&methods.join(", "))
            ))
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.document[key].as_bool() == Some(true)
    }

    fn texts(&self, key: &str) -> Option<Vec<String>> {
        let texts = self.document[key].as_array()?.iter().filter_map(Value::as_str);
        let texts = texts.filter(|text| is_credential(text) && !text.contains(' '));
        Some(texts.take(MOST_SCOPES).map(printable_name).collect())
    }
}

/// The scopes, of those that the server supports, that give a refresh token and the user's name.
fn usual(scopes: &[String]) -> String {
    let is_usual = |scope: &&String| ["openid", "offline_access"].contains(&scope.as_str());
    scopes.iter().filter(is_usual).map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
