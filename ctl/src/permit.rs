//! What was decided about programs that want to use accounts.

use imgurd_proto::{ListPermits, Permit, RemovePermit, SetPermit};

use crate::app::App;
use crate::cli::{PermitCommand, Whom};
use crate::failure::Failure;
use crate::output::Output;
use crate::{table, time};

pub(crate) fn permit(app: &App, command: PermitCommand) -> Result<(), Failure> {
    match command {
        PermitCommand::List => list(app),
        PermitCommand::Allow(whom) => decide(app, whom, true),
        PermitCommand::Deny(whom) => decide(app, whom, false),
        PermitCommand::Revoke(whom) => revoke(app, whom),
    }
}

fn list(app: &App) -> Result<(), Failure> {
    let listed = app.call(&ListPermits::default())?;
    if app.output.json {
        return Output::print_json(&listed);
    }
    if listed.permits.is_empty() {
        app.output.say("Nothing has been decided about any program; see `imgurctl permit --help`.");
        return Ok(());
    }
    let now = time::now();
    let row = |permit: &Permit| {
        let answer = if permit.allow { "allow" } else { "deny" };
        [
            permit.application.clone(),
            permit.account.clone(),
            answer.to_owned(),
            time::relative(permit.since, now),
        ]
    };
    let header = ["APPLICATION", "ACCOUNT", "ANSWER", "SINCE"];
    Output::print(&table::plain(header, listed.permits.iter().map(row)))
}

fn decide(app: &App, whom: Whom, allow: bool) -> Result<(), Failure> {
    let Whom { application, account } = whom;
    let may = if allow { "may use" } else { "may not use" };
    let done = format!("{application} {may} {} from now on.", account_of(account.as_deref()));
    app.call(&SetPermit { application, account, allow })?;
    app.output.done(done)
}

fn revoke(app: &App, whom: Whom) -> Result<(), Failure> {
    let Whom { application, account } = whom;
    let done =
        format!("What was decided about {application} and {} is forgotten.", account_of(account.as_deref()));
    app.call(&RemovePermit { application, account })?;
    app.output.done(done)
}

fn account_of(name: Option<&str>) -> String {
    name.map_or_else(|| "the default account".to_owned(), |name| format!("the account {name}"))
}
