//! `imgurctl token`, and the options of other commands that wait for a token.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::terminal::time::parse_duration;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  token=$(imgurctl token)
  imgurctl token --header | curl -H @- https://api.imgur.com/3/account/me
  imgurctl token --header --anonymous | curl -H @- https://api.imgur.com/3/gallery/hot
  imgurctl token --follow --output ~/.cache/imgur-token      # for a program that only reads files

--follow runs until you end it, and leaves the file, whose token stays valid until it expires. If there is no token, it \
prints the reason on standard error, keeps the last token, and waits for the next one. Only you can read the file (0600), \
and each new token replaces it atomically. If another program deletes or changes the file, it is put back.")]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) ask: WaitArgs,
    /// How long the token must stay valid; at most half its lifetime counts [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) min_valid: Option<Duration>,
    /// Print a header: `Authorization: Bearer …`
    #[arg(long)]
    pub(crate) header: bool,
    /// The word before the token in the header [default: Bearer]
    #[arg(long, value_name = "WORD", requires = "header")]
    pub(crate) prefix: Option<String>,
    /// Print `Authorization: Client-ID …`, which Imgur accepts for public resources; needs no grant
    #[arg(long, requires = "header", conflicts_with = "prefix")]
    pub(crate) anonymous: bool,
    /// Keep the fresh token in the file of --output
    #[arg(long, requires = "output", conflicts_with = "anonymous")]
    pub(crate) follow: bool,
    /// The file for --follow
    #[arg(long, value_name = "FILE", requires = "follow", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct WaitArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// How long to wait for a token [default: 20s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) wait: Option<Duration>,
}
