//! `imgurctl import`: a grant from elsewhere. imgurctl reads the text, and sends only the grant to the daemon.

use std::io::{self, IsTerminal};

use imgurd_proto::import::{Candidate, Choice, Target, choose, read};
use imgurd_proto::{
    Account, AddAccount, ClientError, DEFAULT_TOKEN_URL, Error, ImportGrant, Secret, Settings,
};

use super::export::{self, Opened};
use super::grant::conclude;
use crate::app::App;
use crate::cli::ImportArgs;
use crate::failure::Failure;
use crate::terminal::input;

pub(crate) fn import(app: &App, args: &ImportArgs) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        app.output.say(
            "Paste the grant, then press Ctrl-D; it is not shown.\nimgurctl accepts the output of `imgurctl export`, the JSON \
             response of a token endpoint, Postman's exports, settings of other programs, a redirect URL with its fragment, \
             and a bare refresh token.",
        );
    }
    let text = input::file("the grant to import", "text")?;
    let opened = export::open(app, &text, args.account.as_deref(), args.passphrase_file.as_deref())?;
    let (account, text) = match opened {
        Opened::Account(name, text) => (Some(name), text),
        Opened::Grant(text) => {
            let found = read(text.expose());
            let (name, grant) = match find_account(app, args.account.as_deref())? {
                Ok(account) => {
                    let grant = pick(app, choose(found, &target(&account)), args.pick)?;
                    (account.name, grant)
                }
                Err(missing) => (missing.to_owned(), add_account(app, missing, found, args.pick)?),
            };
            (Some(name), plain(&grant))
        }
    };
    let call = ImportGrant { account, text, replace: args.replace.then_some(true) };
    let reason = || "Testing the grant with a refresh; wait a moment.".to_owned();
    conclude(app, &app.call_patiently(&call, reason)?.account, "Imported")
}

/// The account, or its name if it does not exist yet.
fn find_account<'a>(app: &App, name: Option<&'a str>) -> Result<Result<Account, &'a str>, Failure> {
    match (app.account(name), name) {
        (Err(Failure::Client(ClientError::Keeper(Error::NoSuchAccount { .. }))), Some(name)) => Ok(Err(name)),
        (account, _) => account.map(Ok),
    }
}

/// Adds the account with the client ID in the text, and returns the grant.
fn add_account(
    app: &App,
    name: &str,
    found: Vec<Candidate>,
    number: Option<usize>,
) -> Result<Candidate, Failure> {
    let imgur = Target { client_id: None, token_url: DEFAULT_TOKEN_URL, issuer: None };
    let grant = pick(app, choose(found, &imgur), number)?;
    let Some(client_id) = grant.client_id.clone() else {
        let reason = format!(
            "there is no account {name}, and the text has no client ID to create it; add it first with `imgurctl account \
             add {name}`"
        );
        return Err(Error::NoSuchAccount { account: name.to_owned(), reason }.into());
    };
    let settings = Settings { client_id: Some(client_id), ..Settings::default() };
    let client_secret = grant.client_secret.clone();
    let call = AddAccount { account: name.to_owned(), settings, client_secret, make_default: None };
    app.call(&call)?;
    app.output.say(format!("Added {name} with the client ID of the grant."));
    Ok(grant)
}

fn target(account: &Account) -> Target<'_> {
    let settings = &account.settings;
    Target {
        client_id: settings.client_id.as_deref(),
        token_url: settings.token_url.as_deref().unwrap_or(DEFAULT_TOKEN_URL),
        issuer: settings.issuer.as_deref(),
    }
}

fn pick(app: &App, choice: Choice, number: Option<usize>) -> Result<Candidate, Failure> {
    let passed_over = choice.passed_over.clone();
    let grant = choice.one(number)?;
    for other in passed_over {
        app.output.say(format!("Skipped {}: its {} is not this account's.", other.place, other.differs));
    }
    Ok(grant)
}

/// The grant like in the response of a token endpoint.
fn plain(grant: &Candidate) -> Secret {
    let members = [
        ("refresh_token", Some(grant.refresh_token.expose())),
        ("access_token", grant.access_token.as_ref().map(Secret::expose)),
        ("account_username", grant.username.as_deref()),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    serde_json::Value::Object(members.collect()).to_string().into()
}
