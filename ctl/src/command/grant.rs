//! `imgurctl import`, `restore`, `logout` and `unlock`.

use std::io::{self, IsTerminal};

use imgurd_proto::{Account, Error, ImportGrant, Logout, RestoreGrant, State, UnlockStore};

use super::account;
use super::export::{self, Opened};
use crate::app::App;
use crate::cli::ImportArgs;
use crate::failure::Failure;
use crate::terminal::input;

pub(crate) fn import(app: &App, args: ImportArgs) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        app.output.say(
            "Paste the grant: what `imgurctl export` wrote, the JSON answer of a token endpoint, what Postman exports, a \
             redirect URL with its fragment, or a refresh token.\nEnd it with Enter and Ctrl-D.",
        );
    }
    let text = input::everything("the grant to import", "text")?;
    let opened = export::open(app, &text, args.account.as_deref(), args.passphrase_file.as_deref())?;
    let (account, text) = match opened {
        Opened::Account(name, text) => (Some(name), text),
        Opened::Grant(text) => (args.account, text),
    };
    let call = ImportGrant { account, text, replace: args.replace.then_some(true) };
    let reason = || "The grant is being tried by a refresh; wait a moment".to_owned();
    conclude(app, &app.call_patiently(&call, reason)?.account, "Imported")
}

pub(crate) fn restore(app: &App, account: Option<String>) -> Result<(), Failure> {
    conclude(app, &app.call(&RestoreGrant { account })?.account, "Restored")
}

/// A grant that no refresh has verified yet is no failure; only a refused one is.
fn conclude(app: &App, account: &Account, done: &str) -> Result<(), Failure> {
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

pub(crate) fn logout(app: &App, account: Option<String>) -> Result<(), Failure> {
    let call = Logout { account };
    app.call(&call)?;
    let whose = call.account.as_deref().unwrap_or("the default account");
    app.output
        .done(format!("Signed out: the grants of {whose} are forgotten. `imgurctl login` signs in again."))
}

pub(crate) fn unlock(app: &App) -> Result<(), Failure> {
    let reason = || "Answer the keyring's dialog, which may be behind other windows.".to_owned();
    app.call_patiently(&UnlockStore::default(), reason)?;
    app.output.done("The store is unlocked.")
}
