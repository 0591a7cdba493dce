//! How the accounts are, again and again.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use imgurd_proto::{Account, Client, ClientError, Watch};

use crate::app::App;
use crate::failure::Failure;
use crate::output::Output;
use crate::{status, time};

/// How often "in 52 min" is put right on a screen.
const TICK: Duration = Duration::from_secs(30);

/// Erases the screen and goes to its upper left corner (ECMA-48, ED and CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

pub(crate) fn watch(app: &App, account: Option<String>) -> Result<(), Failure> {
    let mut keeper = app.connect()?;
    let call = Watch { account };
    if app.output.json {
        for change in keeper.stream(&call)? {
            Output::print_json(&change?.account)?;
        }
        return Err(ended());
    }
    let mut screen =
        Screen { app, account: call.account.clone(), in_place: io::stdout().is_terminal(), shown: None };
    screen.refresh()?;
    let changes = follow(keeper, call);
    loop {
        match changes.recv_timeout(TICK) {
            Ok(change) => {
                change?;
                screen.refresh()?;
            }
            Err(RecvTimeoutError::Timeout) => screen.redraw()?,
            Err(RecvTimeoutError::Disconnected) => return Err(ended()),
        }
    }
}

/// The stream says *that* something changed. What there is then comes from a list, which knows of accounts removed.
fn follow(mut keeper: Client, call: Watch) -> Receiver<Result<(), ClientError>> {
    let (sender, changes) = mpsc::channel();
    thread::spawn(move || match keeper.stream(&call) {
        Ok(stream) => {
            for change in stream {
                if sender.send(change.map(drop)).is_err() {
                    break;
                }
            }
        }
        Err(error) => drop(sender.send(Err(error))),
    });
    changes
}

struct Screen<'a> {
    app: &'a App,
    account: Option<String>,
    in_place: bool,
    shown: Option<Vec<Account>>,
}

impl Screen<'_> {
    fn refresh(&mut self) -> Result<(), Failure> {
        let accounts = self.app.accounts(self.account.as_deref())?;
        if self.shown.as_ref() == Some(&accounts) {
            return Ok(());
        }
        self.shown = Some(accounts);
        self.draw()
    }

    /// Only a screen is put right by the clock; elsewhere each page is a change.
    fn redraw(&self) -> Result<(), Failure> {
        if self.in_place { self.draw() } else { Ok(()) }
    }

    fn draw(&self) -> Result<(), Failure> {
        let page = match self.shown.as_deref() {
            None | Some([]) => status::NO_ACCOUNTS.to_owned(),
            Some(accounts) => status::page(accounts, time::now(), self.app.output.is_colored()),
        };
        Output::print(&if self.in_place { format!("{CLEAR}{page}") } else { page })
    }
}

/// A watch has no end of its own.
pub(crate) fn ended() -> Failure {
    ClientError::from(io::Error::from(io::ErrorKind::UnexpectedEof)).into()
}
