//! The grammar of the command line.
#![allow(rustdoc::bare_urls, reason = "these comments are what --help prints")]

mod curl;
mod exec;
mod export;
mod man;
mod mistake;
mod permit;
mod status;
mod token;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use imgurd_proto::Flow;

pub(crate) use man::ManArgs;
pub(crate) use mistake::report;
pub(crate) use permit::{PermitCommand, Whom};

pub(crate) use self::curl::CurlArgs;
pub(crate) use self::exec::ExecArgs;
pub(crate) use self::export::{ExportArgs, ImportArgs};
pub(crate) use self::status::StatusArgs;
pub(crate) use self::token::{TokenArgs, Wait};
use crate::settings::Form;
use crate::time::parse_duration;

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

/// `imgurctl token` alone: the same arguments, in half the time that it takes to build the whole grammar.
#[derive(Debug, Parser)]
struct TokenAlone {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    token: TokenArgs,
}

/// Reads a command line. Whatever `TokenAlone` does not take, help and mistakes too, is for the whole grammar.
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
    pub(crate) color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
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
    Restore {
        /// The account; the default one where none is named
        account: Option<String>,
    },
    /// Print the access token, alone on one line
    Token(TokenArgs),
    /// Hand in a token that was rejected (401 or 403), on standard input, and print one that works
    #[command(after_help = "Example:\n  new=$(printf %s \"$token\" | imgurctl reject me)")]
    Reject {
        /// The account; the default one where none is named
        account: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Run a command with the token in its environment
    Exec(ExecArgs),
    /// Run curl with the account's token, which goes to the account's API and nowhere else
    Curl(CurlArgs),
    /// Get a new token now, even if the one at hand still works; `imgurctl token` prints it
    #[command(after_help = "Example:\n  imgurctl refresh me && imgurctl token me")]
    Refresh {
        /// The account; the default one where none is named
        account: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Forget the account's grants, so that it takes a new sign-in to get tokens; its settings stay
    ///
    /// The server is not told. To take the access back there, see https://imgur.com/account/settings/apps.
    Logout {
        /// The account; the default one where none is named
        account: Option<String>,
    },
    /// Choose whether tokens are refreshed before they expire, or only when a program asks for one
    #[command(after_help = "Example:\n  imgurctl auto-refresh off me")]
    AutoRefresh {
        /// `on`: before they expire; `off`: when a program asks
        switch: Switch,
        /// The account; the default one where none is named
        account: Option<String>,
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
        imgurctl doctor --json | jq -r '.[] | select(.result != \"ok\") | [.detail, .hint] | map(values) | join(\"; \")'")]
    Doctor,
    /// Write the manual pages, one for each command and three on the daemon
    Man(ManArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  eval \"$(imgurctl completions bash)\"     # a line for ~/.bashrc")]
    Completions {
        /// The shell that runs it
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Add an account; on a terminal it asks for what is missing
    ///
    /// Imgur gives tokens to registered applications. Register yours at https://api.imgur.com/oauth2/addclient, with the
    /// callback URL http://127.0.0.1:8917/callback; that page shows the client ID and the secret. On a terminal you are
    /// led through it. Then sign in with `imgurctl login`.
    #[command(after_help = "Examples:\n  imgurctl account add me\n  \
        pass imgur/secret | imgurctl account add me --client-id 0123456789abcde --client-secret-stdin")]
    Add {
        /// A name of your choice: letters, digits, `.`, `_` and `-`, at most 64
        #[arg(value_parser = account_name)]
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// List the accounts
    List,
    /// Show an account's settings and how it is
    Show {
        /// The account; the default one where none is named
        account: Option<String>,
    },
    /// Change settings; what is not given stays, an empty value returns to the default
    #[command(after_help = "Examples:\n  imgurctl account set me --auto-refresh false\n  \
        pass imgur/secret | imgurctl account set me --client-secret-stdin")]
    Set {
        /// The account; the default one where none is named
        account: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Remove an account; its grant is set aside, and adding the account again brings it back
    Remove {
        /// The account
        #[arg(value_name = "NAME")]
        account: String,
    },
    /// Make an account the default
    Default {
        /// The account
        #[arg(value_name = "NAME")]
        account: String,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl login                     # open the browser
  imgurctl login --no-browser        # print the URL, and wait
  imgurctl login --paste             # on a machine without a browser: enter the answer by hand")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct LoginArgs {
    /// The account; the default one where none is named
    pub(crate) account: Option<String>,
    /// Another flow than the account's; `pin` implies --paste
    #[arg(long, value_parser = flow())]
    pub(crate) flow: Option<Flow>,
    /// Print the URL, alone on the first line of standard output, and open nothing
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Print the URL and read the answer: a PIN, a code or the whole URL the browser ends up at
    #[arg(long)]
    pub(crate) paste: bool,
    /// How long to wait for consent [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) timeout: Option<Duration>,
    /// Let another user than before sign in
    #[arg(long)]
    pub(crate) replace: bool,
    /// End the sign-in in progress, wherever it was begun
    #[arg(long, conflicts_with_all = ["flow", "no_browser", "paste", "timeout", "replace"])]
    pub(crate) cancel: bool,
}

pub(crate) fn flow() -> impl TypedValueParser<Value = Flow> {
    PossibleValuesParser::new(Flow::NAMES).try_map(|word| word.parse::<Flow>())
}

/// Checked here as well, so that nobody fills in a form under a name that will not do.
fn account_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.into())
    } else {
        Err("a name is 1 to 64 letters, digits, `.`, `_` and `-`".into())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::mistake::usage_failure;
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    fn refusal(line: &str) -> String {
        usage_failure(&parse(line).expect_err("refused")).to_string()
    }

    #[test]
    fn has_a_sound_grammar() {
        Cli::command().debug_assert();
    }

    #[test]
    fn takes_global_options_behind_the_command() {
        let cli =
            Cli::try_parse_from(["imgurctl", "status", "--json", "-q", "--color", "never"]).expect("parses");
        assert!(cli.global.json && cli.global.quiet);
        assert_eq!(cli.global.color, Color::Never);
    }

    #[test]
    fn takes_a_prefix_and_anonymity_only_in_a_header() {
        assert!(parse("imgurctl token --header --anonymous").is_ok());
        assert!(parse("imgurctl token --header --prefix token").is_ok());
        assert!(parse("imgurctl token --anonymous").is_err());
        assert!(parse("imgurctl token --prefix Bearer").is_err());
        assert!(parse("imgurctl token --header --anonymous --prefix x").is_err());
    }

    #[test]
    fn refuses_a_negative_wait_by_that_word() {
        assert!(refusal("imgurctl token --wait -5s").contains("a duration cannot be negative"));
    }

    #[test]
    fn refuses_a_name_that_no_account_can_have() {
        assert!(refusal("imgurctl account add a/b").contains("letters, digits"));
        assert!(parse(&format!("imgurctl account add {}", "a".repeat(65))).is_err());
        assert!(parse(&format!("imgurctl account add {}", "a".repeat(64))).is_ok());
    }

    #[test]
    fn says_on_one_line_what_is_wrong_and_where_to_read() {
        let text = refusal("imgurctl token --anonymous");
        assert!(!text.contains('\n'), "{text}");
        assert!(text.contains("--header"), "{text}");
        assert!(text.ends_with("; see `imgurctl token --help`"), "{text}");
    }

    #[test]
    fn says_where_a_command_belongs() {
        for line in
            ["exec", "exec ls", "exec me ls", "exec ls -l", "curl account/me", "curl -s -- account/me"]
        {
            let text = refusal(&format!("imgurctl {line}"));
            assert!(text.contains("comes behind `--`"), "{line}: {text}");
        }
        for line in ["exec -- ls -l", "exec me --env T -- ls --json", "curl -- -s account/me"] {
            assert!(parse(&format!("imgurctl {line}")).is_ok(), "{line}");
        }
    }

    #[test]
    fn follows_a_token_only_into_a_file() {
        assert!(parse("imgurctl token me --follow --output f --header").is_ok());
        assert!(parse("imgurctl token --follow").is_err());
        assert!(parse("imgurctl token --output f").is_err());
    }

    #[test]
    fn names_the_choices_of_a_flow() {
        let text = refusal("imgurctl login --flow device");
        assert!(text.contains("[possible values: code, token, pin]"), "{text}");
    }
}
