//! `imgurctl account` and `imgurctl auto-refresh`.

use std::fmt::Write as _;

use imgurd_proto::text::{is_credential, printable, printable_name};
use imgurd_proto::{Account, AddAccount, Error, RemoveAccount, Secret, SetAccount, Settings, State};

use super::{discovery, registration, revocation, status};
use crate::app::App;
use crate::cli::{AccountForm, Switch};
use crate::failure::Failure;
use crate::terminal::{input, table, time};

pub(crate) fn add(app: &App, name: String, form: &AccountForm) -> Result<(), Failure> {
    let call = fill_in(app, name, form)?;
    let account = app.call(&call)?.account;
    let default = if account.is_default { " as the default account" } else { "" };
    app.output.conclude(&account, || format!("Added {}{default}.\n{}", account.name, next_step(&account)))
}

/// Asks at a terminal for missing settings.
fn fill_in(app: &App, name: String, form: &AccountForm) -> Result<AddAccount, Failure> {
    let mut settings = match discovery::needed(form) {
        Some(issuer) => discovery::settings(app, issuer, form)?,
        None => form.settings(),
    };
    let mut client_secret = read_client_secret(form)?;
    if input::is_interactive() && !app.output.json {
        // Fail before the user registers an application.
        app.connect()?;
        if settings.client_id.is_none() {
            registration::explain(form);
            settings.client_id = Some(registration::ask_client_id()?);
        }
        if client_secret.is_none() {
            client_secret = registration::ask_client_secret(&name, form.flow)?;
        }
    }
    if settings.client_id.is_none() {
        return Err(Failure::usage("client_id", "the client ID is missing; give it with `--client-id ID`"));
    }
    Ok(AddAccount { account: name, settings, client_secret, make_default: form.make_default() })
}

fn read_client_secret(form: &AccountForm) -> Result<Option<Secret>, Failure> {
    form.client_secret_stdin.then(|| input::secret("the client secret", "client_secret")).transpose()
}

fn next_step(account: &Account) -> String {
    match account.state {
        State::Fresh => format!("imgurd restored its earlier grant: signed in as {}.", user(account)),
        State::Empty => format!(
            "Sign in with `imgurctl login {name}`, or import a grant from elsewhere with `imgurctl import {name}`.",
            name = account.name
        ),
        State::StoreUnavailable => {
            let trouble = status::trouble(account).unwrap_or_default();
            format!("{trouble}\nThen sign in with `imgurctl login {}`.", account.name)
        }
        _ => status::trouble(account).unwrap_or_default(),
    }
}

pub(crate) fn list(app: &App) -> Result<(), Failure> {
    let row = |account: &Account| {
        [
            table::name(account),
            table::or_dash(account.username.as_deref()),
            account.state.to_string(),
            account.settings.flow.unwrap_or_default().as_str().into(),
            table::or_dash(account.settings.client_id.as_deref()),
        ]
    };
    status::print(app, app.accounts(None)?, |accounts| {
        table::plain(["ACCOUNT", "USER", "STATE", "FLOW", "CLIENT ID"], accounts.iter().map(row))
    })
}

pub(crate) fn show(app: &App, account: Option<&str>) -> Result<(), Failure> {
    app.output.print_value(&app.account(account)?, |account| table::sheet(account, time::now()))
}

pub(crate) fn set(app: &App, account: Option<String>, form: &AccountForm) -> Result<(), Failure> {
    if form.is_empty() {
        let reason = "no setting was given; see `imgurctl account set --help`";
        return Err(Failure::usage("settings", reason));
    }
    let client_secret = read_client_secret(form)?;
    let make_default = form.make_default();
    let call = SetAccount { account, settings: form.settings(), client_secret, make_default };
    let account = app.call(&call)?.account;
    conclude(app, &account, changed(&account, &call.settings))
}

/// Describes what was changed, and what needs a new login.
fn changed(account: &Account, settings: &Settings) -> String {
    let name = &account.name;
    let mut text = format!("Changed {name}.");
    if settings.auth_params.is_some() {
        let _ = match account.settings.auth_params.as_ref().map(table::parameters) {
            Some(all) if !all.is_empty() => write!(
                text,
                " Its additional parameters: {}. To remove one, run `imgurctl account set {name} --auth-param KEY=`.",
                printable(&all)
            ),
            _ => write!(text, " It has no additional parameters."),
        };
    }
    let asked = [
        ("scope", settings.scope.is_some()),
        ("auth_url", settings.auth_url.is_some()),
        ("auth_params", settings.auth_params.is_some()),
    ];
    let asked: Vec<_> = asked.into_iter().filter_map(|(setting, is_new)| is_new.then_some(setting)).collect();
    if !asked.is_empty() && account.granted_at.is_some() && account.state != State::Empty {
        let _ = write!(
            text,
            "\nThe current grant keeps the old {}; to apply the new value, sign in again with `imgurctl login {name}`.",
            asked.join(", ")
        );
    }
    text
}

pub(crate) fn remove(app: &App, name: String, revoke: bool) -> Result<(), Failure> {
    if revoke {
        let account = app.account(Some(&name))?;
        let ended = app.call(&RemoveAccount { account: name, revoke: Some(true) })?;
        return app.output.conclude(&ended, || {
            format!(
                "Removed {} and deleted its grants. {}",
                account.name,
                revocation::at_the_server(&account, &ended)
            )
        });
    }
    let call = RemoveAccount { account: name, revoke: None };
    app.call(&call)?;
    app.output.done(format!(
        "Removed {name}. To restore its grant, add {name} again with the same client ID.",
        name = call.account
    ))
}

pub(crate) fn make_default(app: &App, name: String) -> Result<(), Failure> {
    let call = SetAccount { account: Some(name), make_default: Some(true), ..SetAccount::default() };
    change(app, &call, |name| format!("{name} is now the default account."))
}

pub(crate) fn auto_refresh(app: &App, switch: Switch, account: Option<String>) -> Result<(), Failure> {
    let settings = Settings { auto_refresh: Some(switch == Switch::On), ..Settings::default() };
    let call = SetAccount { account, settings, ..SetAccount::default() };
    change(app, &call, |name| match switch {
        Switch::On => format!("imgurd refreshes {name} before its token expires."),
        Switch::Off => format!("imgurd refreshes {name} only when a program asks for a token."),
    })
}

fn change(app: &App, call: &SetAccount, text: impl FnOnce(&str) -> String) -> Result<(), Failure> {
    let account = app.call(call)?.account;
    conclude(app, &account, text(&account.name))
}

/// Prints the account as JSON, or the sentence and the account's problem.
pub(super) fn conclude(app: &App, account: &Account, text: String) -> Result<(), Failure> {
    app.output.conclude(account, || match status::trouble(account) {
        Some(trouble) => format!("{text}\n{trouble}"),
        None => text,
    })
}

/// The client ID for `Authorization: Client-ID`.
pub(super) fn client_id(account: &Account) -> Result<&str, Failure> {
    account.settings.client_id.as_deref().filter(|id| is_credential(id)).ok_or_else(|| {
        let name = &account.name;
        let reason =
            format!("{name} has no client ID; set it with `imgurctl account set {name} --client-id ID`");
        Error::Misconfigured { setting: "client_id".into(), reason }.into()
    })
}

/// The user who signed in; if the server did not say, the account's name.
pub(super) fn user(account: &Account) -> String {
    printable_name(account.username.as_deref().unwrap_or(&account.name))
}
