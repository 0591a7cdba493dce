//! How the accounts are looked at.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl status --watch --json | while read -r account; do …; done
  imgurctl status --credits            may I go on uploading?")]
pub(crate) struct StatusArgs {
    /// The account; all of them where none is named, with --credits the default one
    pub(crate) account: Option<String>,
    /// Go on showing it at each change; with --json one account a line
    #[arg(long)]
    pub(crate) watch: bool,
    /// Ask the API what is left of the requests that it allows, and when there will be more
    #[arg(long, conflicts_with = "watch")]
    pub(crate) credits: bool,
}
