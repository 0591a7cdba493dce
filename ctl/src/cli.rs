//! The grammar of the command line.

mod man;
mod permit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use imgurd_proto::{Error, Flow};

pub(crate) use man::ManArgs;
pub(crate) use permit::{PermitCommand, Whom};

use crate::failure::Failure;
use crate::output::tell;
use crate::settings::Form;
use crate::time::parse_duration;

const AFTER_HELP: &str = "\
Examples:
  imgurctl init                               write a first configuration
  imgurctl account add me                     register an account, step by step
  imgurctl login me                           sign in
  imgurctl token --header | curl -H @- https://api.imgur.com/3/account/me
  imgurctl status --watch                     see how the tokens are

ACCOUNT is optional everywhere: without it the default account is meant.

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
    /// Understood are the JSON answer of a token endpoint, a redirect URL with its fragment, and a bare refresh
    /// token.
    #[command(after_help = "Example:\n  imgurctl import me < token.json")]
    Import {
        /// The account; the default one where none is named
        account: Option<String>,
        /// Displace a working grant even if it is another person's, or cannot be compared
        #[arg(long)]
        replace: bool,
    },
    /// Bring back the grant that a login or an import displaced
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
    /// Get a new token whatever the clock says
    Refresh {
        /// The account; the default one where none is named
        account: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Forget the account's grants; its settings stay
    Logout {
        /// The account; the default one where none is named
        account: Option<String>,
    },
    /// Refresh tokens before they expire with no one asking, or only on demand
    AutoRefresh {
        /// Whether it is refreshed with no one asking
        switch: Switch,
        /// The account; the default one where none is named
        account: Option<String>,
    },
    /// Ask for the store to be unlocked, which may raise the keyring's own prompt
    Unlock,
    /// Show how the accounts are
    #[command(after_help = "Example:\n  imgurctl status --watch --json | while read -r account; do …; done")]
    Status {
        /// The account; the default one where none is named
        account: Option<String>,
        /// Go on showing it at each change; with --json one account a line
        #[arg(long)]
        watch: bool,
    },
    /// Decide which programs may use which accounts, and see what was decided
    #[command(subcommand)]
    Permit(PermitCommand),
    /// Show who was handed a token, when and how, and who was refused one
    #[command(after_help = "Example:\n  imgurctl journal --follow --json | while read -r entry; do …; done")]
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
    Man(ManArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  imgurctl completions bash > ~/.local/share/bash-completion/completions/imgurctl"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Add an account; on a terminal it asks for what is missing
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
  imgurctl login                     open the browser
  imgurctl login --no-browser        print the URL, and wait
  imgurctl login --paste             on a machine without a browser: enter the answer by hand")]
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

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  token=$(imgurctl token)
  imgurctl token --header | curl -H @- https://api.imgur.com/3/account/me
  imgurctl token --header --anonymous | curl -H @- https://api.imgur.com/3/gallery/hot")]
pub(crate) struct TokenArgs {
    /// The account; the default one where none is named
    pub(crate) account: Option<String>,
    /// How long the token must stay valid, counted as at most half its lifetime [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) min_valid: Option<Duration>,
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// Print it as a header: `Authorization: Bearer …`
    #[arg(long)]
    pub(crate) header: bool,
    /// The word before the token in the header, in place of `Bearer`
    #[arg(long, value_name = "WORD", requires = "header")]
    pub(crate) prefix: Option<String>,
    /// `Authorization: Client-ID …`, Imgur's way for public resources, which needs no grant
    #[arg(long, requires = "header", conflicts_with = "prefix")]
    pub(crate) anonymous: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// How long to wait for a token [default: 20s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) wait: Option<Duration>,
}

pub(crate) fn flow() -> impl TypedValueParser<Value = Flow> {
    PossibleValuesParser::new(["code", "token", "pin"]).try_map(|word| word.parse::<Flow>())
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

/// Prints help on request; a mistake becomes one line, as every error does.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return match error.print() {
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ => u8::try_from(error.exit_code()).unwrap_or(2).into(),
        };
    }
    let failure = usage_failure(error);
    if env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json") {
        tell(&failure.json());
    } else {
        tell(&format!("imgurctl: {failure}"));
    }
    failure.exit_code().into()
}

/// clap spreads an error over paragraphs: what is wrong, perhaps a tip, the usage. The first ones make the line.
fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let (message, usage) = text.split_once("\n\nUsage: ").unwrap_or((&text, "imgurctl"));
    let message = message.split("\n\nFor more information").next().unwrap_or(message);
    let message: Vec<_> = message.trim_start_matches("error: ").split_whitespace().collect();
    let command: Vec<_> =
        usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    let field = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    Error::invalid(field, format!("{}; see `{} --help`", message.join(" "), command.join(" "))).into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
    fn names_the_choices_of_a_flow() {
        let text = refusal("imgurctl login --flow device");
        assert!(text.contains("[possible values: code, token, pin]"), "{text}");
    }
}
