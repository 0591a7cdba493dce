//! The grammar of the command line.

mod curl;
mod exec;
mod export;
mod status;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use imgurd_proto::{Error, Flow};

pub(crate) use self::curl::CurlArgs;
pub(crate) use self::exec::ExecArgs;
pub(crate) use self::export::{ExportArgs, ImportArgs};
pub(crate) use self::status::StatusArgs;
pub(crate) use self::token::{TokenArgs, Wait};
use crate::failure::Failure;
use crate::output::{Output, tell};
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
    /// Understood are what `imgurctl export` wrote, the JSON answer of a token endpoint, Postman's tokens, environments and
    /// collections, a redirect URL with its fragment, and a bare refresh token.
    Import(ImportArgs),
    /// Write an account with its grant to standard output, encrypted, to import it on another machine
    Export(ExportArgs),
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
    /// Run a command with the token in its environment
    Exec(ExecArgs),
    /// Run curl with the account's token, which goes to the account's API and nowhere else
    Curl(CurlArgs),
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
    Status(StatusArgs),
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
        name: String,
    },
    /// Make an account the default
    Default {
        /// The account
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PermitCommand {
    /// List what was decided, here or by answering a notification
    List,
    /// Let a program use an account without asking
    #[command(after_help = "Example:\n  imgurctl permit allow org.example.App me")]
    Allow(Whom),
    /// Refuse an account to a program without asking
    Deny(Whom),
    /// Forget what was decided about a program and an account
    Revoke(Whom),
}

#[derive(Args, Debug)]
pub(crate) struct Whom {
    /// The program: its Flatpak's id, `snap.` and its snap's name, or its systemd unit; `unknown` for those without any
    /// of these, `remote` for those on other machines
    pub(crate) application: String,
    /// The account; the default one where none is named
    pub(crate) account: Option<String>,
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
    let mut message: Vec<_> = message.trim_start_matches("error: ").split_whitespace().collect();
    let command: Vec<_> =
        usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    if let ["imgurctl", "curl" | "exec"] = command.as_slice() {
        message.push("(what is to be run comes behind `--`)");
    }
    let field = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    Error::invalid(field, format!("{}; see `{} --help`", message.join(" "), command.join(" "))).into()
}

/// The script is small, and clap_complete panics on a closed pipe: print it in one piece.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "imgurctl", &mut script);
    Output::print_raw(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
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
