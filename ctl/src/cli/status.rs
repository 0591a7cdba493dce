//! `imgurctl status`.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl status --watch --json | jq -r '.name + \": \" + .state'
  imgurctl status --credits            # requests left at the API

States:
  empty              no grant: sign in
  fresh              imgurd has a valid token
  refreshing         imgurd is getting a new token
  stale              imgurd has no valid token, and auto-refresh is off
  waiting            the last refresh failed temporarily; imgurd retries
  consent_needed     the server rejected the grant twice: sign in
  misconfigured      the server rejected the client or a setting
  store_unavailable  imgurd cannot read the store that has the grant")]
pub(crate) struct StatusArgs {
    /// Account [default: all accounts; with --credits, the default account]
    pub(crate) account: Option<String>,
    /// Keep showing the state; with --json, print a line for each change
    #[arg(long)]
    pub(crate) watch: bool,
    /// Show how many requests the API still allows, and when the limit resets
    #[arg(long, conflicts_with = "watch")]
    pub(crate) credits: bool,
}
