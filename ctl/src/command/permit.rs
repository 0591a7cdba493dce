//! `imgurctl permit`: which programs may use which accounts.

use imgurd_proto::{ListPermits, Permit, RemovePermit, SetPermit};

use crate::app::App;
use crate::cli::PermitArgs;
use crate::failure::Failure;
use crate::terminal::{table, time};

pub(crate) fn list(app: &App) -> Result<(), Failure> {
    let listed = app.call(&ListPermits::default())?;
    if listed.permits.is_empty() && !app.output.json {
        app.output.say("There are no decisions yet; see `imgurctl permit --help`.");
        return Ok(());
    }
    let now = time::now();
    let row = |permit: &Permit| {
        let answer = if permit.allow { "allow" } else { "deny" };
        let since = time::relative(permit.since, now);
        [permit.application.clone(), permit.account.clone(), answer.to_owned(), since]
    };
    app.output.print_value(&listed, |listed| {
        table::plain(["APPLICATION", "ACCOUNT", "ANSWER", "SINCE"], listed.permits.iter().map(row))
    })
}

pub(crate) fn set(app: &App, args: PermitArgs, allow: bool) -> Result<(), Failure> {
    let PermitArgs { application, account } = args;
    let may = if allow { "may now use" } else { "may no longer use" };
    let done = format!("{application} {may} {}.", account_text(account.as_deref()));
    app.call(&SetPermit { application, account, allow })?;
    app.output.done(done)
}

pub(crate) fn revoke(app: &App, args: PermitArgs) -> Result<(), Failure> {
    let PermitArgs { application, account } = args;
    let account_text = account_text(account.as_deref());
    let done = format!("Deleted the decision about {application} and {account_text}.");
    app.call(&RemovePermit { application, account })?;
    app.output.done(done)
}

fn account_text(name: Option<&str>) -> String {
    name.map_or_else(|| "the default account".to_owned(), |name| format!("the account {name}"))
}
