//! `imgurctl status --watch`.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use imgurd_proto::{Account, Watch};

use super::status;
use crate::app::App;
use crate::failure::Failure;
use crate::terminal::output::Output;

/// How often the screen is drawn again, to update times such as "in 52 min".
const TICK: Duration = Duration::from_secs(30);

/// Clears the screen and moves the cursor to its upper left corner (ECMA-48, ED and CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

pub(crate) fn watch(app: &App, account: Option<String>) -> Result<(), Failure> {
    if app.output.json {
        for change in app.connect()?.stream(&Watch { account })? {
            Output::print_json(&change?.account)?;
        }
        return Err(Failure::stream_ended());
    }
    let in_place = io::stdout().is_terminal();
    let mut screen = Screen { app, account: account.clone(), in_place, shown: None };
    screen.refresh()?;
    let (sender, changes) = mpsc::channel();
    app.stream(Watch { account }, move |change| {
        let _ = sender.send(change);
    })?;
    loop {
        match changes.recv_timeout(TICK) {
            // The list shows which accounts were removed; the stream does not.
            Ok(change) => change.and_then(|_| screen.refresh())?,
            Err(RecvTimeoutError::Timeout) if in_place => screen.draw()?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::stream_ended()),
        }
    }
}

struct Screen<'a> {
    app: &'a App,
    account: Option<String>,
    /// Whether a page replaces the previous one.
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

    fn draw(&self) -> Result<(), Failure> {
        let page = match self.shown.as_deref() {
            None | Some([]) => status::NO_ACCOUNTS.to_owned(),
            Some(accounts) => status::page(self.app, accounts),
        };
        Output::print(&if self.in_place { format!("{CLEAR}{page}") } else { page })
    }
}
