//! The grammar of the command line.
#![allow(rustdoc::bare_urls, reason = "these comments are what --help prints")]

mod account;
mod curl;
mod exec;
mod export;
mod gateway;
mod login;
mod permit;
mod status;
#[cfg(test)]
mod tests;
mod token;
mod usage_error;
mod variable;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use imgurd_proto::StoreKind;

pub(crate) use self::account::{AccountArg, AccountCommand, AccountForm};
pub(crate) use self::curl::CurlArgs;
pub(crate) use self::exec::{ExecArgs, OnRefresh};
pub(crate) use self::export::{ExportArgs, ImportArgs};
pub(crate) use self::gateway::{GatewayAddArgs, GatewayCommand};
pub(crate) use self::login::LoginArgs;
pub(crate) use self::permit::{PermitArgs, PermitCommand};
pub(crate) use self::status::StatusArgs;
pub(crate) use self::token::{TokenArgs, WaitArgs};
pub(crate) use self::usage_error::report;

const AFTER_HELP: &str = "\
Examples:
  imgurctl init                               # write a first configuration
  imgurctl account add me                     # register an account, step by step
  imgurctl login me                           # sign in
  imgurctl token --header | curl -H @- https://api.imgur.com/3/account/me
  imgurctl status --watch                     # see how the tokens are, until Ctrl-C
  imgurctl doctor                             # find out why something does not work

ACCOUNT is optional everywhere; without it, the command uses the default account. A grant is what signing in gives: the \
right to get tokens, which imgurd keeps.

Exit codes:
  0 done                      5 access denied              9 misconfigured
  1 other failure             6 temporarily unavailable    10 login failed
  2 usage, invalid argument   7 store unavailable          130 cancelled
  3 no such account           8 daemon unreachable
  4 consent needed

An error is one line on standard error that says what to do; with --json, it is one JSON object.";

/// Prints Imgur access tokens that imgurd keeps fresh, and manages their accounts.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The arguments of `imgurctl token`, which are built in half the time of the whole grammar.
#[derive(Debug, Parser)]
struct TokenAlone {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    token: TokenArgs,
}

/// Parses a command line. Whatever `TokenAlone` refuses, such as help and errors, goes to the whole grammar.
pub(crate) fn read(words: &[OsString]) -> Result<Cli, clap::Error> {
    if let Some(words) = words.get(1..).filter(|words| words.first().is_some_and(|first| first == "token"))
        && let Ok(TokenAlone { global, token }) = TokenAlone::try_parse_from(words)
    {
        return Ok(Cli { global, command: Command::Token(token) });
    }
    Cli::try_parse_from(words)
}

/// Options that every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The daemon's socket [default: $IMGURD_SOCKET, else $XDG_RUNTIME_DIR/imgurd/socket]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) socket: Option<PathBuf>,
    /// Print results as JSON on standard output, and an error as a JSON object on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only errors on standard error
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to colour tables; `auto` honours NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first config.toml and, for the file store, its key; existing files stay
    ///
    /// Without a configuration, imgurd keeps grants in the desktop's keyring. On a machine without a keyring, such as a
    /// server, run this first.
    #[command(after_help = "Example:\n  imgurctl init --store file")]
    Init {
        /// Where imgurd keeps grants: the desktop's keyring, an encrypted file whose key is another file, or memory only,
        /// where they are lost when imgurd ends [default: secret-service]
        #[arg(long, value_parser = account::choice::<StoreKind>(StoreKind::NAMES))]
        store: Option<StoreKind>,
    },
    /// Add, list, show, change and remove accounts
    #[command(subcommand)]
    Account(Box<AccountCommand>),
    /// Sign in: open the provider's page and wait for consent
    Login(LoginArgs),
    /// Import a grant from standard input
    ///
    /// Accepts the output of `imgurctl export`, the JSON answer of a token endpoint, Postman's tokens, environments and
    /// collections, a redirect URL with its fragment, and a bare refresh token.
    Import(ImportArgs),
    /// Write an account with its grant to standard output, encrypted, for import on another machine
    Export(ExportArgs),
    /// Restore the grant that a login or an import replaced, within 30 days
    Restore(AccountArg),
    /// Print the access token on one line
    Token(TokenArgs),
    /// Read a token that the API rejected (401 or 403) from standard input, and print a new one
    #[command(after_help = "Example:\n  new=$(printf %s \"$token\" | imgurctl reject me)")]
    Reject(WaitArgs),
    /// Run a command with the token in its environment, and restart it when there is a new one
    Exec(ExecArgs),
    /// Run curl with the account's token, which is sent to the account's API only
    Curl(CurlArgs),
    /// Get a new token now, even if the current one is still valid; `imgurctl token` prints it
    #[command(after_help = "Example:\n  imgurctl refresh me && imgurctl token me")]
    Refresh(WaitArgs),
    /// Delete the account's grants, so that you have to sign in again; its settings stay
    ///
    /// imgurd also revokes them at the server if the account has a `revoke_url`. Imgur has none: to revoke the access there,
    /// see https://imgur.com/account/settings/apps.
    #[command(after_help = "Example:\n  imgurctl logout me --yes")]
    Logout {
        #[command(flatten)]
        account: AccountArg,
        /// Do not ask first
        #[arg(long, short)]
        yes: bool,
    },
    /// Choose whether imgurd refreshes tokens before they expire, or only when a program asks
    #[command(after_help = "Example:\n  imgurctl auto-refresh off me")]
    AutoRefresh {
        /// `on`: before they expire; `off`: when a program asks
        switch: Switch,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Unlock the store; the keyring may show a dialog
    Unlock,
    /// Show the state of the accounts
    Status(StatusArgs),
    /// Allow or deny accounts to programs, and list the decisions
    #[command(subcommand)]
    Permit(PermitCommand),
    /// Serve OAuth 2.0 on this machine to programs that speak nothing else, such as Postman
    ///
    /// A program puts the two addresses of the gateway where its provider's stood. It gets the account's access token, and a refresh
    /// token that leads to the gateway alone. You are asked once whether to allow it.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Show which programs got a token or were denied one, when and how
    #[command(
        after_help = "Example:\n  imgurctl journal --follow --json | jq -r '.account + \": \" + .outcome'"
    )]
    Journal {
        /// Account [default: all accounts]
        account: Option<String>,
        /// Keep printing new entries
        #[arg(long, short)]
        follow: bool,
    },
    /// Find problems on this machine, and print how to fix them
    ///
    /// Checks the service, the files, the session bus, the store, notifications, the browser, the servers, the clock and
    /// each account. You can paste the output into a report: it contains the names of your accounts, but no token, secret
    /// or username. The exit code is 1 if a check failed; a warning is no failure.
    #[command(after_help = "Examples:\n  imgurctl doctor\n  \
        imgurctl doctor --json | jq -r '.[] | select(.result != \"ok\") | [.detail, .hint] | map(values) | join(\"; \")'")]
    Doctor,
    /// Write the manual pages, one for each command and three on the daemon
    #[command(after_help = "Example:\n  imgurctl man ~/.local/share/man && man imgurctl-token")]
    Man {
        /// The directory for man1, man5 and man7
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  eval \"$(imgurctl completions bash)\"     # a line for ~/.bashrc")]
    Completions {
        /// The shell that runs the script
        shell: Shell,
    },
}
