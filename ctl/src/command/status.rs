//! `imgurctl status` and `imgurctl status --watch`.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use imgurd_proto::text::printable;
use imgurd_proto::{Account, SomeAccounts, State, Watch};

use crate::app::App;
use crate::failure::Failure;
use crate::terminal::advice::{self, Entry};
use crate::terminal::output::{Output, is_dumb};
use crate::terminal::{table, time};

const NO_ACCOUNTS: &str = "There is no account yet; add one with `imgurctl account add NAME`.";

/// How often the screen is drawn again, to update times such as "in 52 min".
const TICK: Duration = Duration::from_secs(30);

/// Clears the screen and moves the cursor to its upper left corner (ECMA-48, ED and CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

pub(crate) fn status(app: &App, account: Option<&str>) -> Result<(), Failure> {
    let accounts = app.accounts(account)?;
    print(app, accounts, |accounts| page(app, accounts))
}

/// Prints accounts: as JSON, or as the table that `table` makes of them.
pub(super) fn print(
    app: &App,
    accounts: Vec<Account>,
    table: impl FnOnce(&[Account]) -> String,
) -> Result<(), Failure> {
    if app.output.json {
        Output::print_json(&SomeAccounts { accounts })
    } else if accounts.is_empty() {
        app.output.say(NO_ACCOUNTS);
        Ok(())
    } else {
        Output::print(&table(&accounts))
    }
}

/// The table, and below it each account's problem with what to do.
fn page(app: &App, accounts: &[Account]) -> String {
    let color = app.output.is_colored();
    let page = table::accounts(accounts, time::now(), color);
    let problems: Vec<_> = accounts.iter().filter_map(entry).collect();
    if problems.is_empty() {
        return page;
    }
    format!("{page}\n\n{}", advice::list(&problems, color, Output::width()))
}

fn entry(account: &Account) -> Option<Entry> {
    let label = (account.name.clone(), Some(table::state_color(account.state)));
    Some(Entry::of_error(vec![label], account.reason.as_deref()?))
}

/// Why an account is not fresh, and what to do.
pub(super) fn trouble(account: &Account) -> Option<String> {
    match &account.reason {
        Some(reason) => Some(format!("{}: {}", account.name, printable(reason))),
        None if account.state == State::Fresh => None,
        None => Some(format!("{}: {}", account.name, account.state)),
    }
}

pub(crate) fn watch(app: &App, account: Option<String>) -> Result<(), Failure> {
    if app.output.json {
        for change in app.connect()?.stream(&Watch { account })? {
            Output::print_json(&change?.account)?;
        }
        return Err(Failure::stream_ended());
    }
    let in_place = io::stdout().is_terminal() && !is_dumb();
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
            None | Some([]) => NO_ACCOUNTS.to_owned(),
            Some(accounts) => page(self.app, accounts),
        };
        Output::print(&if self.in_place { format!("{CLEAR}{page}") } else { page })
    }
}
