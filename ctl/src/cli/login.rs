//! `imgurctl login`.

use std::time::Duration;

use clap::Args;
use imgurd_proto::Flow;

use super::account::flow;
use crate::terminal::time::parse_duration;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl login                     # open the browser
  imgurctl login --no-browser        # print the URL, and wait
  imgurctl login --paste             # on a machine without a browser: enter the answer by hand
  imgurctl login --qr                # with a telephone: scan the code, then enter what its browser ends up at")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct LoginArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Use this flow instead of the account's; `pin` implies --paste, `device` takes the account's `device_auth_url`
    #[arg(long, value_parser = flow())]
    pub(crate) flow: Option<Flow>,
    /// Print the URL on the first line of standard output, and open no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Print the URL and read the answer: a PIN, a code, or the whole URL of the page that the browser shows at the end
    #[arg(long)]
    pub(crate) paste: bool,
    /// Show the page's URL as a QR code, to sign in with a telephone; opens no browser, and implies --paste except for `device`
    #[arg(long)]
    pub(crate) qr: bool,
    /// How long to wait for consent [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) timeout: Option<Duration>,
    /// Allow a different user to sign in
    #[arg(long)]
    pub(crate) replace: bool,
    /// Read the client secret from the first line of standard input, for an account whose item was deleted from the
    /// keyring; an empty line means that the application has none
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// Cancel the sign-in in progress, even if another program began it
    #[arg(long, conflicts_with_all = ["flow", "no_browser", "paste", "qr", "timeout", "replace", "client_secret_stdin"])]
    pub(crate) cancel: bool,
}
