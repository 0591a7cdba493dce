//! Reads the text of config.toml.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use imgurd_proto::{Settings, StoreKind};
use serde::Deserialize;
use toml_edit::{Document, TomlError};

use super::access::{self, Access};
use super::account::{self, AccountConfig};
use super::error::{ConfigError, at_line, in_file};
use super::gateway::{self, Gateway};
use super::notifications::{self, Notifications};
use super::refresh;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    #[serde(default)]
    store: StoreKind,
    key_file: Option<PathBuf>,
    default_account: Option<String>,
    #[serde(default)]
    refresh: refresh::Section,
    #[serde(default)]
    notifications: notifications::Section,
    #[serde(default)]
    access: access::Section,
    #[serde(default)]
    gateway: gateway::Section,
    #[serde(default)]
    accounts: BTreeMap<String, Settings>,
}

/// Reads the text of config.toml.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let document: Document<String> = text.parse().map_err(|error: TomlError| in_file(&error.to_string()))?;
    let sections: Sections =
        toml_edit::de::from_document(document.clone()).map_err(|error| in_file(&error.to_string()))?;
    let at = |section: &[&str], error: ConfigError| at_line(&error, &document, text, section);
    let policy = sections.refresh.check().map_err(|error| at(&["refresh"], error))?;
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
    let gateway = sections.gateway.check(&accounts, at)?;
    let access = sections.access.check(&document)?;
    access.check_clients(&gateway.clients, at)?;
    Ok(Config {
        store: sections.store,
        key_file: sections.key_file,
        default_account,
        notifications: sections.notifications.check().map_err(|error| at(&["notifications"], error))?,
        access,
        gateway,
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
