//! One account's settings, with defaults: Imgur's, unless other endpoints are set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use imgurd_proto::text::{credential, is_account_name, is_credential, letters, not_a_credential};
use imgurd_proto::{
    ClientAuth, DEFAULT_REDIRECT_URI, DEFAULT_TOKEN_URL, Flow, ParameterValue, RefreshReuse, Settings,
};
use oauth2::RedirectUrl;
use toml_edit::Item;
use url::Url;

use super::error::ConfigError;
use super::redirect_uri;
use crate::grant::Issuer;
use crate::provider::{OWN_PARAMETERS, is_protected};

const AUTH_URL: &str = "https://api.imgur.com/oauth2/authorize";
const API_URL: &str = "https://api.imgur.com/3/";

/// The user's own values for when to refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// How long before expiry; `None` means imgurd's rule.
    pub margin: Option<Duration>,
    /// The maximal age of an access token, whatever its expiry.
    pub max_age: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self { margin: None, max_age: Duration::from_hours(24 * 28) }
    }
}

/// One checked account.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of `Settings`, where they are documented")]
pub struct AccountConfig {
    pub client_id: String,
    pub flow: Flow,
    pub redirect_uri: RedirectUrl,
    pub auto_refresh: bool,
    pub auth_url: Url,
    pub token_url: Url,
    pub api_url: Option<Url>,
    pub scope: Option<String>,
    pub state: Option<String>,
    pub client_auth: ClientAuth,
    pub send_redirect_uri: bool,
    pub refresh_reuse: RefreshReuse,
    pub ca_file: Option<PathBuf>,
    pub issuer: Option<String>,
    pub require_iss: bool,
    pub revoke_url: Option<Url>,
    pub device_auth_url: Option<Url>,
    pub userinfo_url: Option<Url>,
    pub resource: Vec<String>,
    pub auth_params: BTreeMap<String, ParameterValue>,
    pub policy: RefreshPolicy,
}

impl AccountConfig {
    /// Checks `settings` and fills in the defaults.
    pub fn new(settings: Settings, policy: RefreshPolicy) -> Result<Self, ConfigError> {
        let client_id = client_id(given(settings.client_id))?;
        let pair = check_pair(settings.auth_url.as_deref(), settings.token_url.as_deref());
        let auth_url = endpoint("auth_url", settings.auth_url, AUTH_URL)?;
        let token_url = endpoint("token_url", settings.token_url, DEFAULT_TOKEN_URL)?;
        pair?;
        let is_imgur = is_imgur(&token_url);
        let redirect_uri = given(settings.redirect_uri).unwrap_or_else(|| DEFAULT_REDIRECT_URI.to_owned());
        let parsed = parse_exact_url("redirect_uri", &redirect_uri)?;
        let redirect_uri = redirect_uri::check(redirect_uri, &parsed)?;
        let auth_params = settings.auth_params.unwrap_or_default();
        let flow = settings.flow.unwrap_or_default();
        check_added(&auth_params, &auth_url, flow)?;
        // Imgur's API is not for tokens of another server.
        let default_api = is_imgur.then(|| API_URL.to_owned());
        let api_url = optional("api_url", given(settings.api_url).or(default_api))?;
        let device_auth_url = optional("device_auth_url", settings.device_auth_url)?;
        if settings.flow == Some(Flow::Device) && device_auth_url.is_none() {
            let reason = "the flow device needs device_auth_url; set it too, or choose another flow";
            return Err(ConfigError::new("flow", reason));
        }
        let reuse = if is_imgur { RefreshReuse::Tolerated } else { RefreshReuse::Revokes };
        Ok(Self {
            client_id,
            flow,
            redirect_uri,
            auto_refresh: settings.auto_refresh.unwrap_or(true),
            auth_url,
            token_url,
            api_url,
            scope: parameter("scope", settings.scope)?,
            state: parameter("state", settings.state)?,
            client_auth: settings.client_auth.unwrap_or_default(),
            send_redirect_uri: settings.send_redirect_uri.unwrap_or(!is_imgur),
            refresh_reuse: settings.refresh_reuse.unwrap_or(reuse),
            ca_file: given(settings.ca_file).map(PathBuf::from),
            issuer: issuer(settings.issuer)?,
            require_iss: settings.require_iss.unwrap_or(false),
            revoke_url: optional("revoke_url", settings.revoke_url)?,
            device_auth_url,
            userinfo_url: optional("userinfo_url", settings.userinfo_url)?,
            resource: resource(settings.resource)?,
            auth_params,
            policy,
        })
    }

    /// The server and client that this account's grants belong to.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        Issuer {
            client_id: self.client_id.clone(),
            origin: self.token_url.origin().ascii_serialization(),
            token_url: Some(self.token_url.to_string()),
            identifier: None,
        }
    }

    /// The service's name, for display.
    #[must_use]
    pub fn service(&self) -> String {
        let host = || self.token_url.host_str().unwrap_or("the server").to_owned();
        if is_imgur(&self.token_url) { "Imgur".to_owned() } else { host() }
    }

    /// The settings, with defaults.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            client_id: Some(self.client_id.clone()),
            flow: Some(self.flow),
            redirect_uri: Some(self.redirect_uri.to_string()),
            auto_refresh: Some(self.auto_refresh),
            auth_url: Some(self.auth_url.to_string()),
            token_url: Some(self.token_url.to_string()),
            api_url: self.api_url.as_ref().map(Url::to_string),
            scope: self.scope.clone(),
            state: self.state.clone(),
            client_auth: Some(self.client_auth),
            send_redirect_uri: Some(self.send_redirect_uri),
            refresh_reuse: Some(self.refresh_reuse),
            ca_file: self.ca_file.as_ref().map(|file| file.display().to_string()),
            issuer: self.issuer.clone(),
            require_iss: self.require_iss.then_some(true),
            revoke_url: self.revoke_url.as_ref().map(Url::to_string),
            device_auth_url: self.device_auth_url.as_ref().map(Url::to_string),
            userinfo_url: self.userinfo_url.as_ref().map(Url::to_string),
            resource: Some(self.resource.clone()).filter(|all| !all.is_empty()).map(ParameterValue::from),
            auth_params: Some(self.auth_params.clone()).filter(|params| !params.is_empty()),
        }
    }
}

fn is_imgur(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "imgur.com" || host.ends_with(".imgur.com"))
}

pub(crate) fn check_name(name: &str) -> Result<(), ConfigError> {
    if is_account_name(name) {
        return Ok(());
    }
    let reason = "an account's name must have 1 to 64 letters, digits, dots, dashes or underscores; choose another \
                  name";
    Err(ConfigError::new("account", reason))
}

/// Rejects unknown keys, because they are probably misspelled.
pub(super) fn check_keys(section: Option<&Item>) -> Result<(), ConfigError> {
    let keys = [Settings::FIELDS, &["access"]].concat();
    let table = section.and_then(Item::as_table_like);
    match table.and_then(|table| table.iter().find(|(key, _)| !keys.contains(key))) {
        Some((key @ "client_secret", _)) => Err(ConfigError::new(
            key,
            "imgurd keeps the client secret in its store; remove it here, and run `imgurctl account set NAME \
             --client-secret-stdin`",
        )),
        Some((key, _)) => {
            Err(ConfigError::new(key, format!("{key} is not a setting; choose one of {}", keys.join(", "))))
        }
        None => Ok(()),
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn parse_url(setting: &str, text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).map_err(|error| {
        ConfigError::new(setting, format!("{setting} is not a URL ({error}); write the whole URL"))
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        let reason = format!(
            "{setting} contains a user name or password, and config.toml must not hold secrets; leave it out"
        );
        return Err(ConfigError::new(setting, reason));
    }
    Ok(url)
}

/// A URL that is sent or compared exactly as written. A URL parser would drop spaces and line ends.
fn parse_exact_url(setting: &str, text: &str) -> Result<Url, ConfigError> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = format!(
            "{setting} contains a space or another character that a URL must not have; copy it again"
        );
        return Err(ConfigError::new(setting, reason));
    }
    parse_url(setting, text)
}

/// Names of secrets. The browser, its history and its extensions see the address.
const SECRET_PARAMETERS: [&str; 9] = [
    "accesstoken",
    "apikey",
    "assertion",
    "clientassertion",
    "clientsecret",
    "codeverifier",
    "password",
    "refreshtoken",
    "token",
];

/// Whether a parameter of this name is a secret, in any spelling.
fn is_secret_parameter(name: &str) -> bool {
    SECRET_PARAMETERS.contains(&letters(name).as_str())
}

/// Checks the parameters that the user adds to the address of the sign-in page.
fn check_added(params: &BTreeMap<String, ParameterValue>, url: &Url, flow: Flow) -> Result<(), ConfigError> {
    for (name, value) in params {
        may_add("auth_params", name)?;
        value.values().iter().try_for_each(|value| may_answer_by("auth_params", flow, name, value))?;
    }
    for (name, value) in url.query_pairs() {
        may_add("auth_url", &name)?;
        may_answer_by("auth_url", flow, &name, &value)?;
    }
    Ok(())
}

/// Checks that the answer comes in a way that imgurd reads: in the query, or for the flow `token` in the fragment.
fn may_answer_by(setting: &str, flow: Flow, name: &str, value: &str) -> Result<(), ConfigError> {
    let is_read = value == "query" || (value == "fragment" && flow == Flow::Token);
    if !name.eq_ignore_ascii_case("response_mode") || is_read {
        return Ok(());
    }
    let reason = format!(
        "{setting} has a response_mode that imgurd does not support; leave it out, or set it to query"
    );
    Err(ConfigError::new(setting, reason))
}

fn may_add(setting: &str, name: &str) -> Result<(), ConfigError> {
    let reason = if OWN_PARAMETERS.contains(&name) {
        format!("{setting} must not contain {name}, which imgurd sends itself; use the setting of that name")
    } else if is_secret_parameter(name) {
        format!(
            "{setting} must not contain {name}, because the browser shows and stores that address; leave it out \
             (`imgurctl account set --client-secret-stdin` sets a client secret)"
        )
    } else {
        return Ok(());
    };
    Err(ConfigError::new(setting, reason))
}

fn client_id(text: Option<String>) -> Result<String, ConfigError> {
    let text = text.ok_or_else(|| {
        ConfigError::new(
            "client_id",
            "client_id is missing; enter the client ID of your registered application",
        )
    })?;
    let id = credential(&text).ok_or_else(|| ConfigError::new("client_id", not_a_credential("client_id")))?;
    if id.contains("://") || id.starts_with("client_id=") {
        let reason = "client_id is an address or starts with its own name; enter only the client ID";
        return Err(ConfigError::new("client_id", reason));
    }
    Ok(id.to_owned())
}

/// A parameter that is sent exactly as written (RFC 6749, appendix A: scope and state).
fn parameter(setting: &str, text: Option<String>) -> Result<Option<String>, ConfigError> {
    let text = given(text);
    if text.as_deref().is_some_and(|text| !is_credential(text)) {
        let reason = format!("{setting} contains characters other than printable ASCII; write it again");
        return Err(ConfigError::new(setting, reason));
    }
    Ok(text)
}

/// Checks that both are set, or neither. With only one of them, imgurd would send one server's secrets to Imgur.
fn check_pair(auth_url: Option<&str>, token_url: Option<&str>) -> Result<(), ConfigError> {
    let is_given = |url: Option<&str>| url.is_some_and(|url| !url.is_empty());
    let (given, missing) = match (is_given(auth_url), is_given(token_url)) {
        (true, false) => ("auth_url", "token_url"),
        (false, true) => ("token_url", "auth_url"),
        _ => return Ok(()),
    };
    let reason =
        format!("{given} is set and {missing} is not, so {missing} would be Imgur's; set both, or neither");
    Err(ConfigError::new(given, reason))
}

/// The resources that the tokens are for (RFC 8707, section 2): absolute URIs without a fragment.
fn resource(given: Option<ParameterValue>) -> Result<Vec<String>, ConfigError> {
    let mut all = given.map(|given| given.values().to_vec()).unwrap_or_default();
    all.retain(|uri| !uri.is_empty());
    let fits = |uri: &str| parse_exact_url("resource", uri).map(|uri| uri.fragment().is_none());
    for uri in &all {
        if !fits(uri)? {
            return Err(ConfigError::new("resource", "resource has a fragment (#…); remove the fragment"));
        }
    }
    Ok(all)
}

/// An endpoint that some servers do not have.
fn optional(setting: &str, text: Option<String>) -> Result<Option<Url>, ConfigError> {
    given(text).map(|text| endpoint(setting, Some(text), "")).transpose()
}

/// An endpoint that secrets are sent to: https, or plain http on this machine.
fn endpoint(setting: &str, text: Option<String>, default: &str) -> Result<Url, ConfigError> {
    let url = parse_url(setting, given(text).as_deref().unwrap_or(default))?;
    if url.fragment().is_some() {
        let reason = format!("{setting} has a fragment (#), which an endpoint must not have; remove it");
        return Err(ConfigError::new(setting, reason));
    }
    if url.query_pairs().any(|(name, _)| is_secret_parameter(&name)) {
        let reason =
            format!("{setting} contains a secret, and config.toml must not hold secrets; leave it out");
        return Err(ConfigError::new(setting, reason));
    }
    if is_protected(&url) {
        return Ok(url);
    }
    Err(ConfigError::new(
        setting,
        format!("{setting} must be an https URL, because imgurd sends secrets to it; change it"),
    ))
}

/// A server's identifier, exactly as written (RFC 8414, section 2), because imgurd compares it character by
/// character.
pub(crate) fn issuer(text: Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(text) = given(text) else { return Ok(None) };
    parse_exact_url("issuer", &text)?;
    let url = endpoint("issuer", Some(text.clone()), "")?;
    if url.query().is_some() || url.fragment().is_some() {
        let reason = "issuer must not have a query or a fragment; copy it from the server's metadata";
        return Err(ConfigError::new("issuer", reason));
    }
    Ok(Some(text))
}
