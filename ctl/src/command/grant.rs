//! `imgurctl restore` and `unlock`.

use imgurd_proto::{Account, Error, RestoreGrant, State, UnlockStore};

use super::account;
use crate::app::App;
use crate::failure::Failure;

pub(crate) fn restore(app: &App, account: Option<String>) -> Result<(), Failure> {
    conclude(app, &app.call(&RestoreGrant { account })?.account, "Restored")
}

/// Prints the result. Only a refused grant is a failure, and not one that no refresh has verified yet.
pub(super) fn conclude(app: &App, account: &Account, done: &str) -> Result<(), Failure> {
    let reason = account.reason.clone().unwrap_or_else(|| account.state.to_string());
    if account.refused {
        let reason = format!("the grant is kept, but it does not work: {reason}");
        return Err(Error::ConsentNeeded { account: account.name.clone(), reason }.into());
    }
    let text = match account.state {
        State::Fresh => format!("{done}: signed in as {}.", account::user(account)),
        _ => format!("{done}, but not verified yet."),
    };
    account::conclude(app, account, text)
}

pub(crate) fn unlock(app: &App) -> Result<(), Failure> {
    let reason = || "Answer the keyring's dialog, which may be behind other windows.".to_owned();
    app.call_patiently(&UnlockStore::default(), reason)?;
    app.output.done("The store is unlocked.")
}
