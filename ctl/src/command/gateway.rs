//! `imgurctl gateway`: OAuth 2.0 on this machine, for programs that speak nothing else.

use imgurd_proto::{
    GatewayClient, GatewayState, ListGatewayClients, RemoveGatewayClient, SetGateway, SetGatewayClient,
};

use crate::app::App;
use crate::cli::{GatewayAddArgs, GatewayCommand};
use crate::failure::Failure;
use crate::terminal::output::Output;
use crate::terminal::table;

/// Where the gateway listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:8918";

pub(crate) fn run(app: &App, command: GatewayCommand) -> Result<(), Failure> {
    match command {
        GatewayCommand::On { listen } => on(app, listen),
        GatewayCommand::Off => {
            app.call(&SetGateway { listen: None })?;
            app.output.done("The gateway is closed.")
        }
        GatewayCommand::Status => status(app),
        GatewayCommand::Add(args) => add(app, args),
        GatewayCommand::List => list(app),
        GatewayCommand::Remove { name } => {
            let done = format!("{name} was removed; its secret and refresh tokens are void.");
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
    app.output
        .done(format!("The gateway is open. {}.", endpoints(state.listen.as_deref().unwrap_or_default())))
}

/// What a program needs to be given.
fn endpoints(listen: &str) -> String {
    format!("Auth URL: http://{listen}/oauth2/authorize, access token URL: http://{listen}/oauth2/token")
}

fn status(app: &App) -> Result<(), Failure> {
    let state = app.call(&ListGatewayClients::default())?;
    app.output.print_value(&state, |state| {
        let listening = match (&state.listen, &state.reason) {
            (None, _) => "The gateway is off; `imgurctl gateway on` opens it.".to_owned(),
            (Some(_), Some(reason)) => format!("{reason}."),
            (Some(listen), None) => format!("The gateway is open. {}.", endpoints(listen)),
        };
        if state.clients.is_empty() { listening } else { format!("{listening}\n{}", clients(state)) }
    })
}

fn list(app: &App) -> Result<(), Failure> {
    let state = app.call(&ListGatewayClients::default())?;
    if state.clients.is_empty() && !app.output.json {
        app.output.say("The gateway has no clients; `imgurctl gateway add NAME` adds one.");
        return Ok(());
    }
    app.output.print_value(&state, clients)
}

fn clients(state: &GatewayState) -> String {
    let row = |client: &GatewayClient| {
        let secret = if client.has_secret { "yes" } else { "no (PKCE)" };
        let account = client.account.clone().unwrap_or_else(|| "(default)".to_owned());
        [client.name.clone(), account, secret.to_owned(), client.redirect_uris.join(" ")]
    };
    table::plain(["CLIENT", "ACCOUNT", "SECRET", "REDIRECT URIS"], state.clients.iter().map(row))
}

fn add(app: &App, args: GatewayAddArgs) -> Result<(), Failure> {
    let GatewayAddArgs { name, account, redirect_uri, public } = args;
    let redirect_uris = Some(redirect_uri).filter(|uris| !uris.is_empty());
    let added =
        app.call(&SetGatewayClient { name, account, redirect_uris, public: public.then_some(true) })?;
    if app.output.json {
        return Output::print_json(&added);
    }
    let state = app.call(&ListGatewayClients::default())?;
    let mut lines = vec![format!("Client ID: {}", added.client.name)];
    if let Some(secret) = &added.client_secret {
        lines.push(format!("Client secret (it is not shown again): {}", secret.expose()));
    }
    Output::print(&lines.join("\n"))?;
    if added.client.redirect_uris.is_empty() {
        app.output.say(format!(
            "It has no redirect URI, so it can use client_credentials alone. `imgurctl permit allow gateway:{}` lets it; \
             `--redirect-uri URI` adds a redirect URI.",
            added.client.name
        ));
    }
    app.output.say(match &state.listen {
        Some(listen) => format!("{}.", endpoints(listen)),
        None => "The gateway is off; `imgurctl gateway on` opens it.".to_owned(),
    });
    Ok(())
}
