//! A command with the token in its environment.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use imgurd_proto::GetToken;

use crate::app::App;
use crate::cli::ExecArgs;
use crate::failure::Failure;
use crate::memory;
use crate::token::credential;

/// Becomes the command, and so returns only where that cannot be.
pub(crate) fn exec(app: &App, args: &ExecArgs) -> Result<(), Failure> {
    let [program, arguments @ ..] = args.command.as_slice() else {
        return Err(Failure::usage("CMD", "no command was given; put it behind `--`"));
    };
    let call = GetToken { account: args.account.clone(), ..GetToken::default() };
    let token = app.call(&call)?.token;
    let token = credential(&token.access_token)?;
    let mut command = Command::new(program);
    command.args(arguments).env(&args.env, token);
    let error = memory::with_own_limit(|| command.exec());
    Err(Failure::not_started(&program.to_string_lossy(), &error))
}
