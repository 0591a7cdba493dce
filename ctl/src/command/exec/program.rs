//! The command that `imgurctl exec` executes.

use std::io;
use std::process::Command;

use imgurd_proto::Token;

use crate::app::App;
use crate::cli::ExecArgs;
use crate::command::account;
use crate::command::form::credential;
use crate::failure::Failure;

/// The command with its environment.
pub(super) fn command(app: &App, args: &ExecArgs, token: &Token) -> Result<Command, Failure> {
    let [program, arguments @ ..] = args.command.as_slice() else {
        return Err(Failure::usage("CMD", "no command was given; put it after `--`"));
    };
    let mut command = Command::new(program);
    command.args(arguments).env(&args.env, credential(&token.access_token)?);
    if let Some(name) = &args.env_client_id {
        command.env(name, account::client_id(&app.account(Some(&token.account))?)?);
    }
    Ok(command)
}

pub(super) fn not_started(args: &ExecArgs, error: &io::Error) -> Failure {
    let program = args.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    Failure::not_started(&program, error)
}
