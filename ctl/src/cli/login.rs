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
  imgurctl login --paste             # sign in with a browser on another machine
  imgurctl login --qr                # sign in with a phone")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct LoginArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// OAuth flow; `pin` implies --paste, `device` needs the setting `device_auth_url` [default: the account's]
    #[arg(long, value_parser = flow())]
    pub(crate) flow: Option<Flow>,
    /// Print the URL on the first line of standard output instead of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Print the URL, and read the answer: a PIN, a code, or the whole URL of the browser's last page
    #[arg(long)]
    pub(crate) paste: bool,
    /// Show the URL as a QR code for a phone instead of opening a browser; implies --paste, except for `device`
    #[arg(long)]
    pub(crate) qr: bool,
    /// Time to wait for consent [default: 5m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) timeout: Option<Duration>,
    /// Allow a different user to sign in
    #[arg(long)]
    pub(crate) replace: bool,
    /// Read the client secret from the first line of standard input, if it was deleted from the keyring; an empty line
    /// means that the application has none
    #[arg(long)]
    pub(crate) client_secret_stdin: bool,
    /// Cancel the sign-in in progress, even if another program started it
    #[arg(long, conflicts_with_all = ["flow", "no_browser", "paste", "qr", "timeout", "replace", "client_secret_stdin"])]
    pub(crate) cancel: bool,
}
