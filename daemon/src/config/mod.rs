//! The configuration: config.toml, its defaults, and changes to it. It contains no secret.

mod access;
mod account;
mod error;
mod file;
mod gateway;
mod gateway_editing;
mod notifications;
mod parse;
mod redirect_uri;
mod refresh;
mod settings_editor;

pub use imgurd_proto::StoreKind;

pub use access::{Access, Class, Rule};
pub use account::{AccountConfig, RefreshPolicy};
pub(crate) use account::{check_name, issuer};
pub use error::ConfigError;
pub use file::ConfigFile;
pub use gateway::{Gateway, GatewayClient};
pub(crate) use gateway_editing::{check_gateway_client, gateway_address};
pub use notifications::Notifications;
pub use parse::{Config, parse};
pub use settings_editor::SettingsEditor;

#[cfg(test)]
mod tests;
