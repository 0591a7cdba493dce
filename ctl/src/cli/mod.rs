//! The grammar of the command line.
#![allow(rustdoc::bare_urls, reason = "these comments are what --help prints")]

mod account;
mod curl;
mod exec;
mod export;
mod login;
mod permit;
mod status;
#[cfg(test)]
mod tests;
mod token;
mod usage_error;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub(crate) use self::account::{AccountArg, AccountCommand, AccountForm};
pub(crate) use self::curl::CurlArgs;
pub(crate) use self::exec::ExecArgs;
pub(crate) use self::export::{ExportArgs, ImportArgs};
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

ACCOUNT is optional everywhere: without it the default account is meant. A grant is what signing in gives: the right to \
get tokens, which imgurd keeps.

Exit codes:
  0 done                      5 access denied              9 misconfigured
  1 other failure             6 temporarily unavailable    10 login failed
  2 usage, invalid argument   7 store unavailable          130 cancelled
  3 no such account           8 daemon unreachable
  4 consent needed

An error is one line on standard error that says what to do; with --json it is one JSON object there.";

/// Hands out Imgur access tokens that imgurd keeps fresh, and manages the accounts they belong to.
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
    /// Say nothing on standard error but errors
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

/// Where grants rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// The desktop's keyring: GNOME Keyring, KWallet, KeePassXC
    SecretService,
    /// An encrypted file, with its key in another place
    File,
    /// Nowhere: gone when the daemon ends
    Memory,
}

impl Store {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a first config.toml and, for the file store, its key; never over existing ones
    ///
    /// Without a configuration the defaults hold, and grants rest in the desktop's keyring. So this is needed where there
    /// is none, as on a server.
    #[command(after_help = "Example:\n  imgurctl init --store file")]
    Init {
        /// Where grants rest [default: secret-service]
        #[arg(long)]
        store: Option<Store>,
    },
    /// Add, list, show, change and remove accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Sign in: open the provider's page and wait for consent
    Login(LoginArgs),
    /// Take over a grant obtained elsewhere, read from standard input
    ///
    /// Understood are what `imgurctl export` wrote, the JSON answer of a token endpoint, Postman's tokens, environments and
    /// collections, a redirect URL with its fragment, and a bare refresh token.
    Import(ImportArgs),
    /// Write an account with its grant to standard output, encrypted, to import it on another machine
    Export(ExportArgs),
    /// Bring back the grant that a login or an import displaced, within 30 days
    Restore(AccountArg),
    /// Print the access token, alone on one line
    Token(TokenArgs),
    /// Hand in a token that was rejected (401 or 403), on standard input, and print one that works
    #[command(after_help = "Example:\n  new=$(printf %s \"$token\" | imgurctl reject me)")]
    Reject(WaitArgs),
    /// Run a command with the token in its environment
    Exec(ExecArgs),
    /// Run curl with the account's token, which goes to the account's API and nowhere else
    Curl(CurlArgs),
    /// Get a new token now, even if the one at hand still works; `imgurctl token` prints it
    #[command(after_help = "Example:\n  imgurctl refresh me && imgurctl token me")]
    Refresh(WaitArgs),
    /// Forget the account's grants, so that it takes a new sign-in to get tokens; its settings stay
    ///
    /// The server is not told. To take the access back there, see https://imgur.com/account/settings/apps.
    Logout(AccountArg),
    /// Choose whether tokens are refreshed before they expire, or only when a program asks for one
    #[command(after_help = "Example:\n  imgurctl auto-refresh off me")]
    AutoRefresh {
        /// `on`: before they expire; `off`: when a program asks
        switch: Switch,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Ask for the store to be unlocked, which may raise the keyring's own prompt
    Unlock,
    /// Show how the accounts are
    Status(StatusArgs),
    /// Decide which programs may use which accounts, and see what was decided
    #[command(subcommand)]
    Permit(PermitCommand),
    /// Show who was handed a token, when and how, and who was refused one
    #[command(
        after_help = "Example:\n  imgurctl journal --follow --json | jq -r '.account + \": \" + .outcome'"
    )]
    Journal {
        /// Only this account's; all where none is named
        account: Option<String>,
        /// Go on with each entry as it is made
        #[arg(long, short)]
        follow: bool,
    },
    /// Look for what is amiss on this machine, and say what to do about it
    ///
    /// A line for each thing: the service, the files, the session bus, the store, notifications, the browser, the
    /// servers, the clock, each account. No token, secret or username is in it, so it can be pasted into a report; the
    /// names that you gave your accounts are. The exit code is 1 where a check failed; a warning is no failure.
    #[command(after_help = "Examples:\n  imgurctl doctor\n  \
        imgurctl doctor --json | jq -r '.[] | select(.result != \"ok\") | .mend'")]
    Doctor,
    /// Write the manual pages, one for each command and three on the daemon
    #[command(after_help = "Example:\n  imgurctl man ~/.local/share/man && man imgurctl-token")]
    Man {
        /// The directory that has, or is to have, man1, man5 and man7
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  eval \"$(imgurctl completions bash)\"     # a line for ~/.bashrc")]
    Completions {
        /// The shell that runs it
        shell: Shell,
    },
}
