//! The accounts, by name.

use std::collections::BTreeMap;

use imgurd_proto::text::printable_name;
use imgurd_proto::{Account, Error};
use tokio::sync::watch;

use super::account::Snapshot;

/// The existing accounts.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) default: Option<String>,
    pub(super) accounts: BTreeMap<String, watch::Receiver<Snapshot>>,
}

impl Directory {
    /// The account with this name, or the default account.
    pub(super) fn find(&self, account: Option<&str>) -> Result<(String, watch::Receiver<Snapshot>), Error> {
        let name = named(account).or(self.default.as_deref());
        match name.and_then(|name| self.accounts.get_key_value(name)) {
            Some((name, snapshots)) => Ok((name.clone(), snapshots.clone())),
            None => Err(self.no_such(name)),
        }
    }

    pub(super) fn info(&self, name: &str, snapshot: &Snapshot) -> Account {
        Account { is_default: self.default.as_deref() == Some(name), ..(*snapshot.info).clone() }
    }

    fn no_such(&self, name: Option<&str>) -> Error {
        let name = name.map(printable_name);
        let name = name.as_deref();
        let reason = match name {
            Some(name) => format!(
                "There is no account {name}; see `imgurctl account list`, or add it with `imgurctl account add`"
            ),
            None if self.accounts.is_empty() => {
                "There is no account yet; add one with `imgurctl account add NAME`".to_owned()
            }
            None => {
                "There is no default account; name an account, or choose the default with `imgurctl account default \
                 NAME`"
                    .to_owned()
            }
        };
        Error::NoSuchAccount { account: name.unwrap_or_default().to_owned(), reason }
    }
}

/// The account that a call names. An empty name means none, because D-Bus has no absent arguments.
pub(crate) fn named(account: Option<&str>) -> Option<&str> {
    account.filter(|name| !name.is_empty())
}
