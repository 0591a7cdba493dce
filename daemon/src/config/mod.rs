//! The configuration: config.toml, its defaults, and changes to it. It contains no secret.

mod access;
mod account;
mod file;
mod gateway;
mod notifications;
mod redirect_uri;
mod settings_editor;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::Settings;
use jiff::{Span, SpanRelativeTo};
use serde::Deserialize;
use toml_edit::Document;

pub use access::{Access, Class, Rule};
pub use account::{AccountConfig, RefreshPolicy};
pub(crate) use account::{check_name, issuer};
pub use file::ConfigFile;
pub use gateway::{Gateway, GatewayClient};
pub(crate) use gateway::{check_gateway_client, gateway_address};
pub use notifications::Notifications;
pub use settings_editor::SettingsEditor;

pub use imgurd_proto::StoreKind;

/// The checked config.toml, with defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where imgurd saves grants.
    pub store: StoreKind,
    /// The path of the encrypted file's key; `None` means next to config.toml.
    pub key_file: Option<PathBuf>,
    /// The account for calls that name none.
    pub default_account: Option<String>,
    /// Whether and when imgurd shows notifications.
    pub notifications: Notifications,
    /// Which callers get tokens.
    pub access: Access,
    /// The gateway for programs that can only use OAuth 2.0.
    pub gateway: Gateway,
    /// The accounts, by name.
    pub accounts: BTreeMap<String, Arc<AccountConfig>>,
}

/// The problem in config.toml, its place, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ConfigError {
    /// The invalid setting, if it is one.
    pub setting: String,
    /// One sentence that ends with what to do.
    pub reason: String,
}

impl ConfigError {
    fn new(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { setting: setting.into(), reason: reason.into() }
    }
}

impl From<ConfigError> for imgurd_proto::Error {
    fn from(error: ConfigError) -> Self {
        Self::Misconfigured { setting: error.setting, reason: error.reason }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    #[serde(default)]
    store: StoreKind,
    key_file: Option<PathBuf>,
    default_account: Option<String>,
    #[serde(default)]
    refresh: RefreshSection,
    #[serde(default)]
    notifications: notifications::Section,
    #[serde(default)]
    access: access::Section,
    #[serde(default)]
    gateway: gateway::Section,
    #[serde(default)]
    accounts: BTreeMap<String, Settings>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshSection {
    margin: Option<String>,
    max_age: Option<String>,
}

/// Reads the text of config.toml.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let document: Document<String> =
        text.parse().map_err(|error: toml_edit::TomlError| in_file(&error.to_string()))?;
    let sections: Sections =
        toml_edit::de::from_document(document.clone()).map_err(|error| in_file(&error.to_string()))?;
    let at = |section: &[&str], error: ConfigError| at_line(&error, &document, text, section);
    let policy = policy(&sections.refresh).map_err(|error| at(&["refresh"], error))?;
    let mut accounts = BTreeMap::new();
    for (name, settings) in sections.accounts {
        let found = account::check_name(&name)
            .and_then(|()| {
                account::check_keys(document.get("accounts").and_then(|accounts| accounts.get(&name)))
            })
            .and_then(|()| AccountConfig::new(settings, policy));
        let config = found.map_err(|error| at(&["accounts", &name], error))?;
        accounts.insert(name, Arc::new(config));
    }
    let default_account =
        default_account(sections.default_account, &accounts).map_err(|error| at(&[], error))?;
    Ok(Config {
        store: sections.store,
        key_file: sections.key_file,
        default_account,
        notifications: sections.notifications.check().map_err(|error| at(&["notifications"], error))?,
        access: sections.access.check(&document)?,
        gateway: sections.gateway.check(&accounts, at)?,
        accounts,
    })
}

/// Chooses the default account: a single account is the default if the file does not name one.
fn default_account(
    named: Option<String>,
    accounts: &BTreeMap<String, Arc<AccountConfig>>,
) -> Result<Option<String>, ConfigError> {
    match named {
        // The default account may have been removed. That must not stop the others.
        Some(name) if accounts.is_empty() || accounts.contains_key(&name) => Ok(Some(name)),
        Some(name) => {
            let reason = format!(
                "default_account names {name}, but there is no section [accounts.{name}]; name another account"
            );
            Err(ConfigError::new("default_account", reason))
        }
        None => Ok(accounts.keys().next().filter(|_| accounts.len() == 1).cloned()),
    }
}

fn policy(section: &RefreshSection) -> Result<RefreshPolicy, ConfigError> {
    let span = |name: &str, text: &Option<String>| -> Result<Option<Duration>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        let reason = || {
            format!("[refresh] {name} = \"{text}\" is not a duration; write for example \"28d\" or \"10m\"")
        };
        duration(text).map(Some).ok_or_else(|| ConfigError::new(name, reason()))
    };
    let default = RefreshPolicy::default();
    let max_age = span("max_age", &section.max_age)?.unwrap_or(default.max_age).max(Duration::from_mins(1));
    Ok(RefreshPolicy { margin: span("margin", &section.margin)?, max_age })
}

/// A duration in usual notation; a day has 24 hours.
fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

fn in_file(error: &str) -> ConfigError {
    // toml_edit draws the line and a caret below it. Its first and last lines contain the message.
    let lines: Vec<_> = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (first, last) =
        (lines.first().copied().unwrap_or_default(), lines.last().copied().unwrap_or_default());
    let said = if first == last { first.to_owned() } else { format!("{first}: {last}") };
    ConfigError::new("", format!("config.toml is not valid: {said}; correct it, then run `imgurd --check`"))
}

/// Adds to `error` the line of its setting in this section, or else the line of the section. The top level has no
/// name.
fn at_line(error: &ConfigError, document: &Document<String>, text: &str, section: &[&str]) -> ConfigError {
    let item = section.iter().try_fold(document.as_item(), |item, key| item.get(key));
    let entry = item.and_then(|item| item.get(&error.setting)).or(item);
    let line = entry.and_then(toml_edit::Item::span).map(|span| text[..span.start].matches('\n').count() + 1);
    let line = line.map_or_else(String::new, |line| format!(", line {line}"));
    let section = if section.is_empty() { String::new() } else { format!(", [{}]", section.join(".")) };
    ConfigError::new(error.setting.clone(), format!("config.toml{line}{section}: {}", error.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn a_single_account_is_the_default() {
        let config = parse("[accounts.mine]\nclient_id = \"abc\"\n").unwrap();
        assert_eq!(config.default_account.as_deref(), Some("mine"));
    }

    #[test]
    fn sends_the_redirect_uri_except_to_imgur() {
        let text = "[accounts.a]\nclient_id=\"x\"\n[accounts.b]\nclient_id=\"x\"\nauth_url=\"https://as.example/auth\"\ntoken_url=\"https://as.example/token\"\n";
        let config = parse(text).unwrap();
        assert!(!config.accounts["a"].send_redirect_uri);
        assert!(config.accounts["b"].send_redirect_uri);
    }

    #[test]
    fn an_invalid_file_is_reported_with_its_line() {
        for (text, line) in [
            ("store = \"file\"\nstore = \"memory\"\n", "line 2"),
            ("[accounts.a]\nclient_id = 3\n", "line 2"),
            ("[accounts.a]\nclient_id = \"x\"\nclient_idd = \"y\"\n", "line 3"),
            ("\n[accounts.a]\nclient_id = \"x\"\nredirect_uri = \"nonsense\"\n", "line 4"),
            ("stoer = \"file\"\n", "line 1"),
            ("\ndefault_account = \"b\"\n[accounts.a]\nclient_id = \"x\"\n", "line 2"),
            ("\n[refresh]\nmax_age = \"soon\"\n", "line 3"),
            ("[notifications]\nenabled = true\nagain = [\"1s\"]\n", "line 3"),
        ] {
            let reason = parse(text).unwrap_err().reason;
            assert!(reason.contains(line), "{text:?} gave {reason:?}");
        }
    }

    #[test]
    fn accepts_plain_http_on_loopback_only() {
        for setting in ["auth_url", "token_url", "api_url", "revoke_url", "device_auth_url", "userinfo_url"] {
            let other = match setting {
                "auth_url" => "token_url=\"https://as.example/\"",
                "token_url" => "auth_url=\"https://as.example/\"",
                _ => "",
            };
            let with =
                |url: &str| parse(&format!("[accounts.a]\nclient_id=\"x\"\n{setting}=\"{url}\"\n{other}\n"));
            for url in
                ["http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost:1/", "https://as.example/"]
            {
                assert!(with(url).is_ok(), "{setting} {url}");
            }
            for url in ["http://as.example/", "http://127.0.0.1.example/", "ftp://127.0.0.1/"] {
                let error = with(url).unwrap_err();
                assert!(
                    error.setting == setting && error.reason.contains("https"),
                    "{setting} {url}: {error}"
                );
            }
        }
    }

    #[test]
    fn auth_url_and_token_url_must_be_set_together() {
        for (setting, missing) in [("auth_url", "token_url"), ("token_url", "auth_url")] {
            let text = format!("[accounts.a]\nclient_id=\"x\"\n{setting}=\"https://as.example/\"\n");
            let error = parse(&text).unwrap_err();
            assert_eq!(error.setting, setting);
            let said = format!("line 3, [accounts.a]: {setting} is set and {missing} is not");
            assert!(error.reason.contains(&said), "{error}");
            assert!(parse(&format!("{text}{missing}=\"\"\n")).is_err(), "an empty string counts as not set");
        }
    }

    #[test]
    fn accepts_one_or_several_resource_uris() {
        let read = |value: &str| {
            let config = parse(&format!("[accounts.a]\nclient_id=\"x\"\nresource={value}\n"));
            config.map(|config| config.accounts["a"].resource.clone())
        };
        assert_eq!(read("\"https://api.example/\"").unwrap(), ["https://api.example/"]);
        assert_eq!(read("[\"urn:a\", \"https://b/\"]").unwrap(), ["urn:a", "https://b/"]);
        for wrong in ["\"api\"", "\"https://api.example/#part\"", "\"https://a b/\""] {
            assert_eq!(read(wrong).unwrap_err().setting, "resource", "{wrong}");
        }
    }

    #[test]
    fn rejects_passwords_and_control_characters_in_settings() {
        for (setting, value) in [
            ("auth_url", "http://localhost@as.example/"),
            ("token_url", "https://user:pw@as.example/"),
            ("api_url", "https://user@as.example/"),
            ("scope", "a\\u001bb"),
            ("state", "a\\nb"),
            ("redirect_uri", "http://127.0.0.1:1/ "),
            ("redirect_uri", "http://127.0.0.1:1/\\u200b"),
            ("issuer", "https://as.example/\\t"),
        ] {
            let error =
                parse(&format!("[accounts.a]\nclient_id=\"x\"\n{setting}=\"{value}\"\n")).unwrap_err();
            assert!(error.setting == setting && !error.reason.contains("pw"), "{setting}: {error}");
        }
    }

    #[test]
    fn strips_spaces_and_quotes_around_a_client_id() {
        let read = |id: &str| parse(&format!("[accounts.a]\nclient_id=\"{id}\"\n"));
        for id in ["abc", " abc ", "\\\"abc\\\"", "\\ufeffabc\\r\\n", "“abc”", "\u{a0}abc\\u200b"] {
            assert_eq!(read(id).unwrap().accounts["a"].client_id, "abc", "{id}");
        }
        for id in ["", " ", "a\\u0000", "a\\nb", "é", "a\\u200bb"] {
            assert_eq!(read(id).unwrap_err().setting, "client_id", "{id}");
        }
    }

    #[test]
    fn auth_params_cannot_override_imgurds_own_parameters() {
        let text = "[accounts.a]\nclient_id=\"x\"\n[accounts.a.auth_params]\nstate=\"fixed\"\n";
        let error = parse(text).unwrap_err();
        assert_eq!(error.setting, "auth_params");
        assert!(error.reason.contains("state"), "{error}");
    }

    #[test]
    fn rejects_secrets_and_duplicates_in_the_authorization_url() {
        for (setting, text) in [
            ("auth_params", "auth_params = { client_secret = \"fake\" }"),
            ("auth_params", "auth_params = { code_verifier = \"weak\" }"),
            ("auth_url", "auth_url = \"https://as.example/?client_id=y\""),
            ("auth_url", "auth_url = \"https://as.example/?client_secret=fake\""),
            ("auth_url", "auth_url = \"https://as.example/#a\""),
            ("token_url", "token_url = \"https://as.example/#a\""),
        ] {
            let text = format!("[accounts.a]\nclient_id = \"x\"\n{text}\n");
            let error = parse(&text).unwrap_err();
            assert!(error.setting == setting && !error.reason.contains("fake"), "{text}: {error}");
        }
        let text = "[accounts.a]\nclient_id = \"x\"\nauth_url = \"https://as.example/?tenant=y\"\ntoken_url = \"https://as.example/t\"\n";
        assert_eq!(parse(text).unwrap().accounts["a"].auth_url.query(), Some("tenant=y"));
    }

    #[test]
    fn reads_durations_in_usual_notation() {
        let text = "[refresh]\nmargin = \"5m\"\nmax_age = \"7d\"\n[accounts.a]\nclient_id=\"x\"\n";
        let policy = parse(text).unwrap().accounts["a"].policy;
        assert_eq!(policy.margin, Some(Duration::from_mins(5)));
        assert_eq!(policy.max_age, Duration::from_hours(24 * 7));
        for (text, minutes) in [("28d", 40_320), ("10min", 10), ("1h 30m", 90), ("2 weeks", 20_160)] {
            assert_eq!(duration(text), Some(Duration::from_mins(minutes)), "{text}");
        }
        for text in ["", "soon", "5", "-5m", "5m ago", "1 month", "99999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
