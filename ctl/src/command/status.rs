//! `imgurctl status`.

use imgurd_proto::text::printable;
use imgurd_proto::{Account, SomeAccounts, State};

use crate::app::App;
use crate::failure::Failure;
use crate::terminal::advice::{self, Entry};
use crate::terminal::output::Output;
use crate::terminal::{table, time};

pub(super) const NO_ACCOUNTS: &str = "There is no account yet; add one with `imgurctl account add NAME`.";

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
pub(super) fn page(app: &App, accounts: &[Account]) -> String {
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
