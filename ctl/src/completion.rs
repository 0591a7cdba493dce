//! Completion in shells: the commands and options from the grammar, the accounts from the daemon.

use std::env;
use std::ffi::OsStr;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use imgurd_proto::text::printable_name;
use imgurd_proto::{Client, ListAccounts, socket_path};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// What a shell sets when it wants to know how a line may go on. No other run looks any further than for this.
const VARIABLE: &str = "IMGURCTL_COMPLETE";

/// What zsh lacks: the first time, it runs the file that it has found in place of the function which that defines.
const ZSH_FIRST_TIME: &str = "
if [ \"$funcstack[1]\" = \"_imgurctl\" ]; then
    _clap_dynamic_completer_imgurctl \"$@\"
fi
";

/// Answers a shell that asks how the line may go on, and ends; returns at once where none does.
pub(crate) fn answer_the_shell() {
    if env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(grammar).var(VARIABLE).complete();
    }
}

/// The script that has the shell ask.
pub(crate) fn script(shell: &str) -> Result<(), Failure> {
    let mut script = Vec::new();
    let registered = match Shells::builtins().completer(shell) {
        Some(shell) => shell.write_registration(VARIABLE, "imgurctl", "imgurctl", "imgurctl", &mut script),
        None => {
            return Err(Failure::usage("shell", format!("{shell} is no shell that is known; see --help")));
        }
    };
    registered.map_err(|error| Failure::Other(error.to_string()))?;
    if shell == "zsh" {
        script.extend(ZSH_FIRST_TIME.bytes());
    }
    // clap_complete panics on a closed pipe: print it in one piece.
    Output::print_raw(&String::from_utf8_lossy(&script))
}

/// The grammar, with the names of accounts where one is meant.
fn grammar() -> Command {
    with_accounts(Cli::command())
}

/// All arguments that name an account which there is are called `account`.
fn with_accounts(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_id().as_str() {
            "account" => arg.add(ArgValueCompleter::new(accounts)),
            _ => arg,
        })
        .mut_subcommands(with_accounts)
}

/// The accounts whose names begin like this, and how they are. A daemon that is not there knows none.
fn accounts(begin: &OsStr) -> Vec<CompletionCandidate> {
    let listed =
        Client::connect_to(&socket_path()).and_then(|mut client| client.call(&ListAccounts::default()));
    let accounts = listed.map(|listed| listed.accounts).unwrap_or_default();
    let begin = begin.to_string_lossy();
    let begins = accounts.into_iter().filter(|account| account.name.starts_with(&*begin));
    begins
        .map(|account| {
            let who = account.username.map(|user| format!(", {}", printable_name(&user))).unwrap_or_default();
            let about = StyledStr::from(format!("{}{who}", account.state));
            CompletionCandidate::new(account.name).help(Some(about))
        })
        .collect()
}
