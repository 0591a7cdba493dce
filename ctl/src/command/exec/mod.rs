//! `imgurctl exec`.

mod program;
mod signals;
mod supervisor;

use std::os::unix::process::CommandExt as _;

use imgurd_proto::GetToken;

use self::program::{command, not_started};
use self::supervisor::Supervisor;
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
