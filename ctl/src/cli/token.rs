//! How a token is asked for.

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

--follow goes on until it is ended, and leaves the file as it is then: the token in it lasts as long as it lasts. Where \
there is no token to be had, it says so on standard error, keeps the last one, and waits for the next. The file is yours \
alone (0600), and each new token takes its place whole.")]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) ask: WaitArgs,
    /// How long the token must stay valid, counted as at most half its lifetime [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) min_valid: Option<Duration>,
    /// Print it as a header: `Authorization: Bearer …`
    #[arg(long)]
    pub(crate) header: bool,
    /// The word before the token in the header, in place of `Bearer`
    #[arg(long, value_name = "WORD", requires = "header")]
    pub(crate) prefix: Option<String>,
    /// `Authorization: Client-ID …`, Imgur's way for public resources, which needs no grant
    #[arg(long, requires = "header", conflicts_with = "prefix")]
    pub(crate) anonymous: bool,
    /// Keep the file of --output at the fresh token until ended
    #[arg(long, requires = "output", conflicts_with = "anonymous")]
    pub(crate) follow: bool,
    /// The file that --follow keeps, which then holds what would have been printed
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
