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
  imgurctl init                               # create the configuration
  imgurctl account add me                     # add an account, step by step
  imgurctl login me                           # sign in
  imgurctl token --header | curl -H @- https://api.imgur.com/3/account/me
  imgurctl status --watch                     # watch the state of all accounts
  imgurctl doctor                             # find problems and how to fix them

ACCOUNT is optional everywhere; without it, the command uses the default account. A grant is what you get by signing in: \
imgurd keeps it, and gets access tokens with it.

Exit codes:
  0 done                      5 access denied              9 misconfigured
  1 other failure             6 temporarily unavailable    10 login failed
  2 usage, invalid argument   7 store unavailable          130 cancelled
  3 no such account           8 daemon unreachable
  4 consent needed

An error is one line on standard error that says what to do; with --json, one JSON object.";

/// Print Imgur access tokens that imgurd keeps fresh, and manage their accounts
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The arguments of `imgurctl token`, which are built in half the time of the whole grammar.
#[derive(Debug, Default, Parser)]
struct TokenAlone {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    token: TokenArgs,
}

impl TokenAlone {
    /// Parses `token` and its options. Without options there is nothing to parse, and building a grammar takes 30 of 760 µs.
    fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        if words.len() == 1 { Ok(Self::default()) } else { Self::try_parse_from(words) }
    }
}

/// Parses a command line. Whatever `TokenAlone` refuses, such as help and errors, goes to the whole grammar.
pub(crate) fn read(words: &[OsString]) -> Result<Cli, clap::Error> {
    if let Some(words) = words.get(1..).filter(|words| words.first().is_some_and(|first| first == "token"))
        && let Ok(TokenAlone { global, token }) = TokenAlone::read(words)
    {
        return Ok(Cli { global, command: Command::Token(token) });
    }
    Cli::try_parse_from(words)
}

/// Options that every command takes.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Socket of imgurd [default: $IMGURD_SOCKET, otherwise $XDG_RUNTIME_DIR/imgurd/socket]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) socket: Option<PathBuf>,
    /// Print results as JSON on standard output, and errors as JSON on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no messages on standard error except errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
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
    /// Create config.toml and, for the file store, its key; existing files stay
    ///
    /// Without a configuration, imgurd stores grants in the desktop's keyring. On a machine without a keyring, such as a
    /// server, run `imgurctl init --store file` first.
    #[command(after_help = "Example:\n  imgurctl init --store file")]
    Init {
        /// Where imgurd stores grants: in the desktop's keyring, in an encrypted file with its key in another file, or in
        /// memory until imgurd ends [default: secret-service]
        #[arg(long, value_parser = account::choice::<StoreKind>(StoreKind::NAMES))]
        store: Option<StoreKind>,
    },
    /// Add, list, show, change and remove accounts
    #[command(subcommand)]
    Account(Box<AccountCommand>),
    /// Sign in: open the provider's page and wait for consent
    Login(LoginArgs),
    /// Print the access token on one line
    Token(TokenArgs),
    /// Show the state of the accounts
    Status(StatusArgs),
    /// Run curl with the account's token, which only the account's API gets
    Curl(CurlArgs),
    /// Run a command with the token in its environment
    Exec(ExecArgs),
    /// Find problems and print how to fix them
    ///
    /// Checks the service, the files, the disk, the session bus, the store, notifications, the browser, the servers, the
    /// clock and each account. You can paste the output into a bug report: it contains the names of your accounts, but no token,
    /// secret or username. The exit code is 1 if a check fails; a warning is not a failure.
    #[command(after_help = "Examples:\n  imgurctl doctor\n  \
        imgurctl doctor --json | jq -r '.[] | select(.result != \"ok\") | [.detail, .hint] | map(values) | join(\"; \")'")]
    Doctor,
    /// Get a new token now, even if the current one is valid; `imgurctl token` prints it
    #[command(after_help = "Example:\n  imgurctl refresh me && imgurctl token me")]
    Refresh(WaitArgs),
    /// Read a token that the API rejected (401 or 403) from standard input, and print a new one
    #[command(after_help = "Example:\n  new=$(printf %s \"$token\" | imgurctl reject me)")]
    Reject(WaitArgs),
    /// Choose whether imgurd refreshes tokens before they expire
    #[command(after_help = "Example:\n  imgurctl auto-refresh off me")]
    AutoRefresh {
        /// `on`: before they expire; `off`: when a program asks for one
        switch: Switch,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Delete the account's grants; the settings stay
    ///
    /// After this you have to sign in again. imgurd also revokes the grants at the server if the account has a `revoke_url`.
    /// Imgur has none: to revoke the access there, see https://imgur.com/account/settings/apps.
    #[command(after_help = "Example:\n  imgurctl logout me --yes")]
    Logout {
        #[command(flatten)]
        account: AccountArg,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Import a grant from standard input
    ///
    /// Accepts the output of `imgurctl export`, the JSON response of a token endpoint, Postman's tokens, environments and
    /// collections, settings of other programs, a redirect URL with its fragment, and a bare refresh token.
    Import(ImportArgs),
    /// Print an account with its grant, encrypted, to import it on another machine
    Export(ExportArgs),
    /// Restore the grant that a login or an import replaced in the last 30 days
    Restore(AccountArg),
    /// Unlock the store; the keyring may show a dialog
    Unlock,
    /// Allow or deny programs the use of accounts, and list these decisions
    #[command(subcommand)]
    Permit(PermitCommand),
    /// Serve OAuth 2.0 to programs on this machine that need it, such as Postman
    ///
    /// Replace the provider's two URLs in the program with the gateway's. The program then gets the account's access token
    /// from imgurd, and a refresh token that only the gateway accepts. imgurd asks you once whether to allow it.
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Show which programs got a token or were denied one
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
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  eval \"$(imgurctl completions bash)\"     # a line for ~/.bashrc")]
    Completions {
        /// Shell that runs the script
        shell: Shell,
    },
    /// Write the manual pages
    ///
    /// One for each command, and three on imgurd, its configuration and its interface.
    #[command(after_help = "Example:\n  imgurctl man ~/.local/share/man && man imgurctl-token")]
    Man {
        /// Directory for man1, man5 and man7
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}
