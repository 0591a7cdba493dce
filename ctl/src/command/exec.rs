//! `imgurctl exec`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use imgurd_proto::GetToken;

use super::form::credential;
use crate::app::App;
use crate::cli::ExecArgs;
use crate::failure::Failure;
use crate::memory;

/// Becomes the command, and so returns only errors.
pub(crate) fn exec(app: &App, args: &ExecArgs) -> Result<(), Failure> {
    let [program, arguments @ ..] = args.command.as_slice() else {
        return Err(Failure::usage("CMD", "no command was given; put it behind `--`"));
    };
    let call = GetToken { account: args.account.clone(), ..GetToken::default() };
    let token = app.call(&call)?.token;
    let mut command = Command::new(program);
    command.args(arguments).env(&args.env, credential(&token.access_token)?);
    let error = memory::with_own_limit(|| command.exec());
    Err(Failure::not_started(&program.to_string_lossy(), &error))
}
