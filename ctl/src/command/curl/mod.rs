//! `imgurctl curl`: curl with the account's token, which is sent to the account's API only.
//!
//! imgurctl passes on only the options that this module knows, by their long names: an unknown option might send the token
//! elsewhere.

mod allowed;
mod options;
mod target;
mod transfer;
mod value;

use std::path::{Path, PathBuf};

use imgurd_proto::{Account, Error, GetToken, RejectToken, Secret};

use self::options::Request;
use self::target::Api;
use self::transfer::{Ended, Transfer};
use crate::app::App;
use crate::cli::CurlArgs;
use crate::command::account::client_id;
use crate::command::form::credential;
use crate::failure::Failure;
use crate::files::Files;

pub(crate) fn curl(app: &App, args: &CurlArgs) -> Result<(), Failure> {
    let account = app.account(args.account.as_deref())?;
    let request = Request::parse(&args.arguments)?;
    let api = Api::new(api_url(&account)?)?;
    let transfer = Transfer {
        url: api.url(&request.url)?,
        is_local: !api.is_encrypted(),
        ca_file: ca_file(&account)?,
        request,
    };
    if args.anonymous {
        return transfer.run(&format!("Client-ID {}", client_id(&account)?).into())?.pass_on();
    }
    with_token(app, account.name, &transfer)?.pass_on()
}

/// If the API rejects the token, rejects it at the daemon and repeats the request, which had no effect yet.
fn with_token(app: &App, account: String, transfer: &Transfer) -> Result<Ended, Failure> {
    let call = GetToken { account: Some(account.clone()), ..GetToken::default() };
    let access_token = app.call(&call)?.token.access_token;
    let ended = transfer.run(&bearer(&access_token)?)?;
    if !ended.rejects_token() {
        return Ok(ended);
    }
    match app.call(&RejectToken { account: Some(account), access_token, wait_ms: None }) {
        Ok(_) if !transfer.request.is_repeatable => {
            app.output.say(
                "imgurctl: the API rejected the token. imgurd has a new one, but imgurctl cannot repeat this request, \
                 because of its standard input or --remote-header-name; run the command again.",
            );
            Ok(ended)
        }
        Ok(reply) => transfer.run(&bearer(&reply.token.access_token)?),
        Err(error) => {
            app.output.report(&error.into());
            Ok(ended)
        }
    }
}

fn bearer(access_token: &Secret) -> Result<Secret, Failure> {
    Ok(format!("Bearer {}", credential(access_token)?).into())
}

/// The path of the account's `ca_file`. As in the daemon, a relative path starts from the directory of config.toml.
fn ca_file(account: &Account) -> Result<Option<PathBuf>, Failure> {
    match account.settings.ca_file.as_deref() {
        None | Some("") => Ok(None),
        Some(path) if Path::new(path).is_absolute() => Ok(Some(path.into())),
        Some(path) => Ok(Some(Files::from_env()?.config.with_file_name(path))),
    }
}

fn api_url(account: &Account) -> Result<&str, Failure> {
    account.settings.api_url.as_deref().filter(|url| !url.is_empty()).ok_or_else(|| {
        let reason = format!(
            "{name} has no API URL; set it with `imgurctl account set {name} --api-url URL`",
            name = account.name
        );
        Error::Misconfigured { setting: "api_url".into(), reason }.into()
    })
}
