//! Accounts: the form, and what becomes of it.

use imgurd_proto::text::{is_credential, printable_name};
use imgurd_proto::{Account, AddAccount, Error, RemoveAccount, SetAccount, Settings, State};

use crate::app::App;
use crate::cli::Switch;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::Form;
use crate::{input, registration, status, table};

pub(crate) fn add(app: &App, name: String, form: &Form) -> Result<(), Failure> {
    let call = filled_in(app, name, form)?;
    let account = app.call(&call)?.account;
    if app.output.json {
        return Output::print_json(&account);
    }
    let default = if account.is_default { ", the default account" } else { "" };
    app.output.say(format!("Added {}{default}.", account.name));
    app.output.say(next_step(&account));
    Ok(())
}

/// Asks for what the form lacks where there is somebody to ask.
fn filled_in(app: &App, name: String, form: &Form) -> Result<AddAccount, Failure> {
    let mut settings = form.settings();
    let make_default = form.make_default();
    let mut client_secret = form.client_secret()?;
    if input::is_interactive() && !app.output.json {
        // Before anybody goes and registers an application: is there a daemon to keep it?
        app.connect()?;
        if settings.client_id.is_none() {
            registration::explain(form);
            settings.client_id = Some(registration::ask_client_id()?);
        }
        if client_secret.is_none() {
            client_secret = registration::ask_client_secret(form.flow)?;
        }
    }
    if settings.client_id.is_none() {
        return Err(Failure::usage("client_id", "give the application's id with --client-id ID"));
    }
    Ok(AddAccount { account: name, settings, client_secret, make_default })
}

fn next_step(account: &Account) -> String {
    match account.state {
        State::Fresh => format!("Its earlier grant is back: signed in as {}.", person(account)),
        State::Empty => format!(
            "Sign in with `imgurctl login {name}`, or bring in a grant obtained elsewhere with `imgurctl import {name}`.",
            name = account.name
        ),
        _ => status::trouble(account).unwrap_or_default(),
    }
}

pub(crate) fn list(app: &App) -> Result<(), Failure> {
    let accounts = app.accounts(None)?;
    if app.output.json {
        return status::print_json(accounts);
    }
    if accounts.is_empty() {
        app.output.say(status::NO_ACCOUNTS);
        return Ok(());
    }
    let rows = accounts.iter().map(|account| {
        [
            table::name(account),
            table::optional(account.username.as_deref()),
            account.state.to_string(),
            account.settings.flow.unwrap_or_default().as_str().into(),
            table::optional(account.settings.client_id.as_deref()),
        ]
    });
    let header = ["ACCOUNT", "USER", "STATE", "FLOW", "CLIENT ID"];
    Output::print(&table::plain(header, rows))
}

pub(crate) fn show(app: &App, account: Option<&str>) -> Result<(), Failure> {
    let account = app.account(account)?;
    if app.output.json {
        return Output::print_json(&account);
    }
    Output::print(&table::sheet(&account, crate::time::now()))
}

pub(crate) fn set(app: &App, account: Option<String>, form: &Form) -> Result<(), Failure> {
    if form.is_empty() {
        return Err(Failure::usage(
            "settings",
            "nothing to change was given; see `imgurctl account set --help`",
        ));
    }
    let call = SetAccount {
        account,
        settings: form.settings(),
        client_secret: form.client_secret()?,
        make_default: form.make_default(),
    };
    let account = app.call(&call)?.account;
    conclude(app, &account, format!("Changed {}.", account.name))
}

pub(crate) fn remove(app: &App, name: String) -> Result<(), Failure> {
    let call = RemoveAccount { account: name };
    app.call(&call)?;
    app.output.done(format!(
        "Removed {name}. Its grant is set aside: adding {name} again with the same client ID brings it back.",
        name = call.account
    ))
}

pub(crate) fn make_default(app: &App, name: String) -> Result<(), Failure> {
    let call = SetAccount { account: Some(name), make_default: Some(true), ..SetAccount::default() };
    let account = app.call(&call)?.account;
    conclude(app, &account, format!("{} is the default account.", account.name))
}

pub(crate) fn auto_refresh(app: &App, switch: Switch, account: Option<String>) -> Result<(), Failure> {
    let call = SetAccount {
        account,
        settings: Settings { auto_refresh: Some(switch == Switch::On), ..Settings::default() },
        ..SetAccount::default()
    };
    let account = app.call(&call)?.account;
    let text = match switch {
        Switch::On => format!("{} is refreshed before its token expires.", account.name),
        Switch::Off => format!("{} is refreshed only when somebody asks for a token.", account.name),
    };
    conclude(app, &account, text)
}

/// The account as JSON; for people the sentence, and what is amiss with the account.
pub(crate) fn conclude(app: &App, account: &Account, text: String) -> Result<(), Failure> {
    if app.output.json {
        return Output::print_json(account);
    }
    app.output.say(text);
    if let Some(line) = status::trouble(account) {
        app.output.say(line);
    }
    Ok(())
}

/// What `Authorization: Client-ID` takes.
pub(crate) fn client_id(account: &Account) -> Result<&str, Failure> {
    account.settings.client_id.as_deref().filter(|id| is_credential(id)).ok_or_else(|| {
        let name = &account.name;
        Error::Misconfigured {
            setting: "client_id".into(),
            reason: format!(
                "{name} has no client ID; set it with `imgurctl account set {name} --client-id ID`"
            ),
        }
        .into()
    })
}

/// Who is signed in, by the best name there is.
pub(crate) fn person(account: &Account) -> String {
    printable_name(account.username.as_deref().unwrap_or(&account.name))
}
