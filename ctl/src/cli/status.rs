//! `imgurctl status`.

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl status --watch --json | jq -r '.name + \": \" + .state'
  imgurctl status --credits            # how many requests are left

States:
  empty              nobody has signed in yet
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
    /// Show the state again at each change; with --json, one account a line
    #[arg(long)]
    pub(crate) watch: bool,
    /// Ask the API how many requests it still allows, and when there will be more
    #[arg(long, conflicts_with = "watch")]
    pub(crate) credits: bool,
}
