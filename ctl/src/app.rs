//! What every command needs: where the daemon is, and how to print.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use imgurd_proto::{Account, Client, ClientError, Error, ListAccounts, Method, socket_path};

use crate::cli::Global;
use crate::failure::Failure;
use crate::terminal::output::Output;

/// The time after which a user at a terminal learns what a call waits for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The global options.
#[derive(Clone)]
pub(crate) struct App {
    /// How to print.
    pub(crate) output: Output,
    /// The daemon's socket.
    pub(crate) socket: PathBuf,
}

impl App {
    pub(crate) fn new(global: &Global) -> Self {
        let Global { json, quiet, color, .. } = *global;
        let socket = global.socket.clone().unwrap_or_else(socket_path);
        Self { output: Output { json, color, quiet }, socket }
    }

    pub(crate) fn connect(&self) -> Result<Client, ClientError> {
        Client::connect_to(&self.socket)
    }

    /// Makes a call on its own connection.
    pub(crate) fn call<M: Method>(&self, call: &M) -> Result<M::Reply, ClientError> {
        self.connect()?.call(call)
    }

    /// A call that may take a while: if it does, prints at a terminal what it waits for.
    pub(crate) fn call_patiently<M: Method>(
        &self,
        call: &M,
        reason: impl FnOnce() -> String,
    ) -> Result<M::Reply, ClientError> {
        let mut keeper = self.connect()?;
        if self.output.is_watched() {
            keeper.call_noticing(call, PATIENCE, || self.output.say(reason()))
        } else {
            keeper.call(call)
        }
    }

    /// Passes the replies of a stream, and then the error that ended it, to `event`, in its own thread.
    pub(crate) fn stream<M>(
        &self,
        call: M,
        mut event: impl FnMut(Result<M::Reply, Failure>) + Send + 'static,
    ) -> Result<(), ClientError>
    where
        M: Method + Send + 'static,
    {
        let mut keeper = self.connect()?;
        thread::spawn(move || match keeper.stream(&call) {
            Ok(replies) => {
                replies.for_each(|reply| event(reply.map_err(Failure::from)));
                event(Err(Failure::stream_ended()));
            }
            Err(error) => event(Err(error.into())),
        });
        Ok(())
    }

    /// All accounts, or only the named account.
    pub(crate) fn accounts(&self, account: Option<&str>) -> Result<Vec<Account>, ClientError> {
        let call = ListAccounts { account: account.map(Into::into) };
        Ok(self.call(&call)?.accounts)
    }

    /// The named account, or the default account.
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
        None => "there is no default account; add one with `imgurctl account add NAME`, \
                 or choose one with `imgurctl account default NAME`"
            .into(),
    };
    Error::NoSuchAccount { account: name.unwrap_or_default().into(), reason }
}
