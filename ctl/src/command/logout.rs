//! `imgurctl logout`.

use imgurd_proto::text::printable;
use imgurd_proto::{Account, DEFAULT_TOKEN_URL, Logout, SignedOut};

use super::account::user;
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

/// Describes the result in one or two sentences.
pub(super) fn at_the_server(account: &Account, ended: &SignedOut) -> String {
    match (ended.revoked, &ended.note) {
        (Some(true), _) => "The server has revoked them.".to_owned(),
        (Some(false), note) => {
            let why = note.as_deref().unwrap_or("it gave no reason");
            format!("The server did not revoke them: {}. Revoke the access on the server's own page.", printable(why))
        }
        (None, _) if account.settings.revoke_url.is_some() => "There was nothing to revoke at the server.".to_owned(),
        (None, _) if is_imgurs(account) => {
            "Imgur offers no way to revoke them automatically; to revoke the access there, see https://imgur.com/account/settings/apps.".to_owned()
        }
        (None, _) => "The account has no revoke_url, so the server still accepts them; revoke the access on the server's own page."
            .to_owned(),
    }
}

pub(super) fn is_imgurs(account: &Account) -> bool {
    account.settings.token_url.as_deref().is_none_or(|url| url == DEFAULT_TOKEN_URL)
}
