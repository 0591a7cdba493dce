//! `imgurctl status`.

use imgurd_proto::text::printable;
use imgurd_proto::{Account, SomeAccounts, State};

use crate::app::App;
use crate::failure::Failure;
use crate::terminal::output::Output;
use crate::terminal::{table, time};

pub(super) const NO_ACCOUNTS: &str = "There is no account yet; add one with `imgurctl account add NAME`.";

pub(crate) fn status(app: &App, account: Option<&str>) -> Result<(), Failure> {
    let accounts = app.accounts(account)?;
    print(app, accounts, |accounts| page(accounts, time::now(), app.output.is_colored()))
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

/// The table, and below it a line for each account that is not fresh.
pub(super) fn page(accounts: &[Account], now: i64, color: bool) -> String {
    let page = table::accounts(accounts, now, color);
    let troubles: Vec<_> = accounts.iter().filter_map(trouble).collect();
    if troubles.is_empty() { page } else { format!("{page}\n\n{}", troubles.join("\n")) }
}

/// Why an account is not fresh, and what to do.
pub(super) fn trouble(account: &Account) -> Option<String> {
    match &account.reason {
        Some(reason) => Some(format!("{}: {}", account.name, printable(reason))),
        None if account.state == State::Fresh => None,
        None => Some(format!("{}: {}", account.name, account.state)),
    }
}
