//! Completion in shells: commands and options from the grammar, accounts from the daemon.
//!
//! The script asks imgurctl for candidates, so it never becomes outdated. clap_complete calls that interface unstable: script
//! and program are installed together.

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
use crate::terminal::output::Output;

/// Set by a shell that asks for completions.
const VARIABLE: &str = "IMGURCTL_COMPLETE";

/// The first time, zsh runs the file that it found instead of the function that the file defines.
const ZSH_FIRST_TIME: &str = "
if [ \"$funcstack[1]\" = \"_imgurctl\" ]; then
    _clap_dynamic_completer_imgurctl \"$@\"
fi
";

/// If a shell asks for completions, prints them and exits.
pub(crate) fn complete() {
    if env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(|| with_accounts(Cli::command())).var(VARIABLE).complete();
    }
}

/// Prints the script that makes a shell ask.
pub(crate) fn script(shell: &str) -> Result<(), Failure> {
    let shells = Shells::builtins();
    let completer = shells.completer(shell).ok_or_else(|| {
        Failure::usage("shell", format!("{shell} is not supported; see `imgurctl completions --help`"))
    })?;
    let mut script = Vec::new();
    completer
        .write_registration(VARIABLE, "imgurctl", "imgurctl", "imgurctl", &mut script)
        .map_err(|error| Failure::Other(error.to_string()))?;
    if shell == "zsh" {
        script.extend(ZSH_FIRST_TIME.bytes());
    }
    // clap_complete panics on a closed pipe: print it in one piece.
    Output::print_raw(&String::from_utf8_lossy(&script))
}

/// Completes every argument with the name `account`, because it names an existing account.
fn with_accounts(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_id().as_str() {
            "account" => arg.add(ArgValueCompleter::new(accounts)),
            _ => arg,
        })
        .mut_subcommands(with_accounts)
}

/// The accounts whose names begin with `begin`, and their states; empty if imgurd is not running.
fn accounts(begin: &OsStr) -> Vec<CompletionCandidate> {
    let listed =
        Client::connect_to(&socket_path()).and_then(|mut client| client.call(&ListAccounts::default()));
    let begin = begin.to_string_lossy();
    let accounts = listed.map(|listed| listed.accounts).unwrap_or_default().into_iter();
    accounts
        .filter(|account| account.name.starts_with(&*begin))
        .map(|account| {
            let who = account.username.map(|user| format!(", {}", printable_name(&user))).unwrap_or_default();
            let about = StyledStr::from(format!("{}{who}", account.state));
            CompletionCandidate::new(account.name).help(Some(about))
        })
        .collect()
}
