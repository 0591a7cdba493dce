//! `imgurctl logout`.

use imgurd_proto::{Account, Logout};

use super::account::user;
use super::revocation::{at_the_server, is_imgurs};
use crate::app::App;
use crate::failure::Failure;
use crate::terminal::input;

pub(crate) fn logout(app: &App, account: Option<&str>, yes: bool) -> Result<(), Failure> {
    let account = app.account(account)?;
    if !yes && input::is_interactive() && !app.output.json {
        confirm(&account)?;
    }
    let name = &account.name;
    let waits = || "Asking the server to revoke the grants; wait a moment.".to_owned();
    let ended = app.call_patiently(&Logout { account: Some(name.clone()) }, waits)?;
    app.output.conclude(&ended, || {
        format!("Signed out: imgurd deleted the grants of {name}. {}", at_the_server(&account, &ended))
    })
}

fn confirm(account: &Account) -> Result<(), Failure> {
    let cost = if is_imgurs(account) {
        "Imgur has often refused new sign-ins since 2025, so it may take months to get a new grant. To keep a copy, answer no \
         and run `imgurctl export`."
    } else {
        "Programs get no tokens until you sign in again."
    };
    let question =
        format!("{cost}\nSign {} out of {} and delete its grants? [y/N] ", user(account), account.name);
    if input::agrees(&question)? {
        return Ok(());
    }
    Err(Failure::Cancelled)
}
