//! Changes to the section `[gateway]`.

use std::net::SocketAddr;

use imgurd_proto::Error;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::account::check_name;
use super::error::ConfigError;
use super::file::{ConfigFile, parent};
use super::gateway::{ODD_NAME, address, check_redirect_uri};
use super::parse::Config;

impl ConfigFile {
    /// Opens the gateway at this address, or closes it.
    pub fn set_gateway(&self, listen: Option<&str>) -> Result<Config, Error> {
        if let Some(text) = listen {
            address(text).map_err(as_argument)?;
        }
        self.edit(|document| {
            let section = section(document)?;
            match listen {
                Some(text) => section.insert("listen", value(text)),
                None => section.remove("listen"),
            };
            Ok(())
        })
    }

    /// Adds or changes a gateway client. Without new redirect URIs, the old ones stay.
    pub fn set_gateway_client(
        &self,
        name: &str,
        account: Option<&str>,
        redirect_uris: Option<&[String]>,
        public: bool,
    ) -> Result<Config, Error> {
        check_gateway_client(name, redirect_uris)?;
        self.edit(|document| {
            let client = clients(document)?.entry(name).or_insert_with(|| Item::Table(Table::new()));
            let client = client.as_table_like_mut().ok_or_else(|| written_inline("clients"))?;
            if let Some(account) = account {
                client.insert("account", value(account));
            }
            if let Some(uris) = redirect_uris {
                client.insert("redirect_uris", value(uris.iter().collect::<Array>()));
            }
            if public {
                client.insert("public", value(true));
            }
            Ok(())
        })
    }

    /// Removes a gateway client.
    pub fn remove_gateway_client(&self, name: &str) -> Result<Config, Error> {
        self.edit(|document| {
            clients(document)?.remove(name).map(drop).ok_or_else(|| {
                Error::invalid(
                    "name",
                    "There is no gateway client with this name; see `imgurctl gateway list`",
                )
            })
        })
    }
}

/// The address to listen on, from an argument.
pub(crate) fn gateway_address(text: &str) -> Result<SocketAddr, Error> {
    address(text).map_err(as_argument)
}

/// Fails if a client cannot have this name, or one of these redirect URIs.
pub(crate) fn check_gateway_client(name: &str, redirect_uris: Option<&[String]>) -> Result<(), Error> {
    check_name(name).map_err(|_| Error::invalid("name", ODD_NAME))?;
    let mut uris = redirect_uris.unwrap_or_default().iter();
    uris.try_for_each(|uri| check_redirect_uri(uri)).map_err(as_argument)
}

fn as_argument(error: ConfigError) -> Error {
    Error::invalid(error.setting, error.reason)
}

fn section(document: &mut DocumentMut) -> Result<&mut Table, Error> {
    let item = document.entry("gateway").or_insert_with(|| Item::Table(Table::new()));
    item.as_table_mut().ok_or_else(|| written_inline("gateway"))
}

fn clients(document: &mut DocumentMut) -> Result<&mut Table, Error> {
    let item = section(document)?.entry("clients").or_insert_with(parent);
    item.as_table_mut().ok_or_else(|| written_inline("clients"))
}

fn written_inline(setting: &str) -> Error {
    let reason = "config.toml has the gateway in an inline table; write it as sections [gateway] and \
                  [gateway.clients.NAME], then try again";
    Error::Misconfigured { setting: setting.to_owned(), reason: reason.to_owned() }
}
