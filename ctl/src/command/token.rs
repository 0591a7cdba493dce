//! Tokens: get, reject, refresh.

use imgurd_proto::{GetToken, Refresh, RejectToken};
use serde_json::json;

use super::form::{Form, credential};
use super::{account, status};
use crate::app::App;
use crate::cli::{TokenArgs, WaitArgs};
use crate::failure::Failure;
use crate::terminal::input;
use crate::terminal::output::Output;
use crate::terminal::time::{milliseconds, now, relative, seconds};

pub(crate) fn token(app: &App, args: &TokenArgs) -> Result<(), Failure> {
    let form = Form::new(app, args)?;
    if args.anonymous {
        let account = app.account(args.ask.account.as_deref())?;
        return Output::print(&format!("Authorization: Client-ID {}", account::client_id(&account)?));
    }
    let call = call(args);
    let token = app.call_patiently(&call, || waiting_reason(app, call.account.as_deref()))?.token;
    Output::print_raw(&form.text(app, &token)?)
}

pub(super) fn call(args: &TokenArgs) -> GetToken {
    GetToken {
        account: args.ask.account.clone(),
        min_valid_s: args.min_valid.map(seconds),
        wait_ms: args.ask.wait.map(milliseconds),
    }
}

pub(crate) fn reject(app: &App, args: WaitArgs) -> Result<(), Failure> {
    let access_token = input::secret("the rejected token", "access_token")?;
    let call = RejectToken { account: args.account, access_token, wait_ms: args.wait.map(milliseconds) };
    let token = app.call_patiently(&call, || waiting_reason(app, call.account.as_deref()))?.token;
    let access_token = credential(&token.access_token);
    if app.output.json { Output::print_json(&token) } else { Output::print(access_token?) }
}

/// Refreshes the token, and does not print it.
pub(crate) fn refresh(app: &App, args: WaitArgs) -> Result<(), Failure> {
    let call = Refresh { account: args.account, wait_ms: args.wait.map(milliseconds) };
    let token = app.call_patiently(&call, || waiting_reason(app, call.account.as_deref()))?.token;
    let expiry = match token.expires_at {
        Some(at) => format!("expires {}", relative(at, now())),
        None => "has no known expiry".into(),
    };
    let about =
        json!({ "account": token.account, "expires_at": token.expires_at, "username": token.username });
    app.output.conclude(&about, || format!("Refreshed {}: the new token {expiry}.", token.account))
}

/// Why a token takes long: the reason of the account.
fn waiting_reason(app: &App, account: Option<&str>) -> String {
    let account = app.account(account).ok();
    let reason = account.as_ref().and_then(status::trouble);
    reason.unwrap_or_else(|| "imgurd is getting a token; wait a moment.".to_owned())
}
