//! `imgurctl gateway`: OAuth 2.0 on this machine, for programs that need it.

use std::io;

use imgurd_proto::{
    GatewayClient, GatewayState, ListGatewayClients, RemoveGatewayClient, SetGateway, SetGatewayClient,
};

use crate::app::App;
use crate::cli::{GatewayAddArgs, GatewayCommand};
use crate::failure::Failure;
use crate::terminal::output::Output;
use crate::terminal::table;

/// The default address of the gateway.
const LISTEN: &str = "127.0.0.1:8918";

const OFF: &str = "The gateway is off; turn it on with `imgurctl gateway on`.";

pub(crate) fn run(app: &App, command: GatewayCommand) -> Result<(), Failure> {
    match command {
        GatewayCommand::On { listen } => on(app, listen),
        GatewayCommand::Off => {
            app.call(&SetGateway { listen: None })?;
            app.output.done("The gateway is off.")
        }
        GatewayCommand::Status => status(app),
        GatewayCommand::Add(args) => add(app, args),
        GatewayCommand::List => list(app),
        GatewayCommand::Remove { name } => {
            let done = format!("Removed {name}; its secret and refresh tokens no longer work.");
            app.call(&RemoveGatewayClient { name })?;
            app.output.done(done)
        }
    }
}

fn on(app: &App, listen: Option<String>) -> Result<(), Failure> {
    let listen = match listen {
        Some(listen) => listen,
        None => app.call(&ListGatewayClients::default())?.listen.unwrap_or_else(|| LISTEN.to_owned()),
    };
    let state = app.call(&SetGateway { listen: Some(listen) })?;
    if let Some(reason) = state.reason {
        return Err(Failure::Other(reason));
    }
    app.output.done(format!("The gateway is on.\n{}", endpoints(state.listen.as_deref().unwrap_or_default())))
}

/// The URLs to enter in a program.
fn endpoints(listen: &str) -> String {
    format!(
        "Auth URL:          http://{listen}/oauth2/authorize\nAccess token URL:  http://{listen}/oauth2/token"
    )
}

fn status(app: &App) -> Result<(), Failure> {
    let state = app.call(&ListGatewayClients::default())?;
    app.output.print_value(&state, |state| {
        let listening = match (&state.listen, &state.reason) {
            (None, _) => OFF.to_owned(),
            (Some(_), Some(reason)) => format!("{reason}."),
            (Some(listen), None) => format!("The gateway is on.\n{}", endpoints(listen)),
        };
        if state.clients.is_empty() { listening } else { format!("{listening}\n{}", clients(state)) }
    })
}

fn list(app: &App) -> Result<(), Failure> {
    let state = app.call(&ListGatewayClients::default())?;
    if state.clients.is_empty() && !app.output.json {
        app.output.say("The gateway has no clients; add one with `imgurctl gateway add NAME`.");
        return Ok(());
    }
    app.output.print_value(&state, clients)?;
    if let Some(client) = state.clients.iter().find(|client| !client.has_secret && !client.public) {
        app.output.say(format!("To create a secret, run `imgurctl gateway add {}`.", client.name));
    }
    Ok(())
}

fn clients(state: &GatewayState) -> String {
    let row = |client: &GatewayClient| {
        let secret = match (client.has_secret, client.public) {
            (true, _) => "yes",
            (false, true) => "no (PKCE)",
            (false, false) => "missing",
        };
        let account = client.account.clone().unwrap_or_else(|| "(default)".to_owned());
        [client.name.clone(), account, secret.to_owned(), client.redirect_uris.join(" ")]
    };
    table::plain(["CLIENT", "ACCOUNT", "SECRET", "REDIRECT URIS"], state.clients.iter().map(row))
}

fn without_redirect_uri(client: &GatewayClient) -> String {
    let GatewayClient { name, account, public, .. } = client;
    let adding = format!("`imgurctl gateway add {name} --redirect-uri URI`");
    if *public {
        return format!("Without a redirect URI, a public client cannot get tokens; add one with {adding}.");
    }
    let account = account.as_ref().map(|account| format!(" {account}")).unwrap_or_default();
    format!(
        "Without a redirect URI, it can only use client_credentials. Allow that with `imgurctl permit allow \
         gateway:{name}{account}`, or add one with {adding}."
    )
}

fn add(app: &App, args: GatewayAddArgs) -> Result<(), Failure> {
    let GatewayAddArgs { name, account, redirect_uri, public } = args;
    if !public && Output::is_discarded(io::stdout()) {
        let clients = app.call(&ListGatewayClients::default())?.clients;
        if !clients.iter().any(|client| client.name == name && client.has_secret) {
            let reason = "standard output is closed or /dev/null, so the client secret would be lost; write it to a file, as in `… > FILE`";
            return Err(Failure::usage("name", reason));
        }
    }
    let redirect_uris = Some(redirect_uri).filter(|uris| !uris.is_empty());
    let added =
        app.call(&SetGatewayClient { name, account, redirect_uris, public: public.then_some(true) })?;
    if app.output.json {
        return Output::print_json(&added);
    }
    let state = app.call(&ListGatewayClients::default())?;
    let mut lines = vec![format!("Client ID: {}", added.client.name)];
    if let Some(secret) = &added.client_secret {
        lines.push(format!("Client secret (shown only once): {}", secret.expose()));
    }
    Output::print(&lines.join("\n"))?;
    if added.client.redirect_uris.is_empty() {
        app.output.say(without_redirect_uri(&added.client));
    }
    app.output.say(match &state.listen {
        Some(listen) => endpoints(listen),
        None => OFF.to_owned(),
    });
    Ok(())
}
