//! How the accounts are looked at.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl status --watch --json | jq -r '.name + \": \" + .state'
  imgurctl status --credits            # may I go on uploading?

States:
  empty              nobody has signed in yet
  fresh              a token is at hand
  refreshing         a new token is on its way
  stale              not fresh, and nothing is scheduled: auto-refresh is off
  waiting            the last try failed for a passing reason; the next one is scheduled
  consent_needed     the server has refused the grant, and again when asked again: sign in
  misconfigured      the server refused the client or a setting
  store_unavailable  there is a grant, but its store cannot be read")]
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
