//! `imgurctl exec`.

mod signals;
mod supervisor;

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use imgurd_proto::{GetToken, Token};

use self::supervisor::Supervisor;
use super::account;
use super::form::credential;
use crate::app::App;
use crate::cli::ExecArgs;
use crate::failure::Failure;
use crate::memory;

/// Executes the command. With `--on-refresh`, starts it as a child process.
pub(crate) fn exec(app: &App, args: &ExecArgs) -> Result<(), Failure> {
    if args.env_client_id.as_ref() == Some(&args.env) {
        let reason = "--env and --env-client-id name the same variable; choose two names";
        return Err(Failure::usage("env_client_id", reason));
    }
    let call = GetToken { account: args.account.clone(), ..GetToken::default() };
    let token = app.call(&call)?.token;
    if let Some(on_refresh) = args.on_refresh {
        return Supervisor::start(app, args, on_refresh, token)?.supervise();
    }
    let mut command = command(app, args, &token)?;
    let error = memory::with_own_limit(|| command.exec());
    Err(not_started(args, &error))
}

/// The command with its environment.
fn command(app: &App, args: &ExecArgs, token: &Token) -> Result<Command, Failure> {
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

fn not_started(args: &ExecArgs, error: &std::io::Error) -> Failure {
    let program = args.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    Failure::not_started(&program, error)
}
