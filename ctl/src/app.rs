//! What every command needs: where the daemon is, and how to print.

use std::path::{Path, PathBuf};
use std::time::Duration;

use imgurd_proto::{Account, Client, ClientError, Error, ListAccounts, Method, socket_path};

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Output;

/// How long nobody wonders yet.
const PATIENCE: Duration = Duration::from_secs(1);

/// The global options, put to use.
pub(crate) struct App {
    /// How to print.
    pub(crate) output: Output,
    socket: PathBuf,
}

impl App {
    pub(crate) fn new(global: &Global) -> Self {
        Self { output: Output::new(global), socket: global.socket.clone().unwrap_or_else(socket_path) }
    }

    /// Where the daemon is to be.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Result<Client, ClientError> {
        Client::connect_to(&self.socket)
    }

    /// One call on one connection, which is what most commands come down to.
    pub(crate) fn call<M: Method>(&self, call: &M) -> Result<M::Reply, ClientError> {
        self.connect()?.call(call)
    }

    /// A call that may take a while: then somebody at a terminal is told what is awaited.
    pub(crate) fn call_patiently<M: Method>(
        &self,
        call: &M,
        awaited: impl FnOnce() -> String,
    ) -> Result<M::Reply, ClientError> {
        let mut keeper = self.connect()?;
        if self.output.is_watched() {
            keeper.call_noticing(call, PATIENCE, || self.output.say(awaited()))
        } else {
            keeper.call(call)
        }
    }

    /// All accounts, or the one named.
    pub(crate) fn accounts(&self, account: Option<&str>) -> Result<Vec<Account>, ClientError> {
        let call = ListAccounts { account: account.map(Into::into) };
        Ok(self.call(&call)?.accounts)
    }

    /// The account named, or the default one.
    pub(crate) fn account(&self, name: Option<&str>) -> Result<Account, Failure> {
        self.accounts(name)?
            .into_iter()
            .find(|account| name.map_or(account.is_default, |name| account.name == name))
            .ok_or_else(|| no_such_account(name).into())
    }
}

fn no_such_account(name: Option<&str>) -> Error {
    let reason = match name {
        Some(name) => format!("there is no account {name}; see `imgurctl account list`"),
        None => "no account is the default; add one with `imgurctl account add NAME`, \
                 or choose one with `imgurctl account default NAME`"
            .into(),
    };
    Error::NoSuchAccount { account: name.unwrap_or_default().into(), reason }
}
