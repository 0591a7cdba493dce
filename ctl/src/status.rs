//! How the accounts are.

use imgurd_proto::text::printable;
use imgurd_proto::{Account, SomeAccounts, State};

use crate::app::App;
use crate::failure::Failure;
use crate::output::Output;
use crate::{table, time};

pub(crate) const NO_ACCOUNTS: &str = "There is no account yet; add one with `imgurctl account add NAME`.";

pub(crate) fn status(app: &App, account: Option<&str>) -> Result<(), Failure> {
    let accounts = app.accounts(account)?;
    if app.output.json {
        return print_json(accounts);
    }
    if accounts.is_empty() {
        app.output.say(NO_ACCOUNTS);
        return Ok(());
    }
    Output::print(&page(&accounts, time::now(), app.output.is_colored()))
}

/// `{"accounts": […]}`, as the daemon says it.
pub(crate) fn print_json(accounts: Vec<Account>) -> Result<(), Failure> {
    Output::print_json(&SomeAccounts { accounts })
}

/// The table, and below it a line for each account that is not fresh.
pub(crate) fn page(accounts: &[Account], now: i64, color: bool) -> String {
    let mut page = table::accounts(accounts, now, color);
    let troubles: Vec<_> = accounts.iter().filter_map(trouble).collect();
    if !troubles.is_empty() {
        page = format!("{page}\n\n{}", troubles.join("\n"));
    }
    page
}

/// Why an account is not fresh, which ends with what to do.
pub(crate) fn trouble(account: &Account) -> Option<String> {
    match &account.reason {
        Some(reason) => Some(format!("{}: {}", account.name, printable(reason))),
        None if account.state == State::Fresh => None,
        None => Some(format!("{}: {}", account.name, account.state)),
    }
}
