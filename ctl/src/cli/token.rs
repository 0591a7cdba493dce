//! `imgurctl token`, and the options of other commands that wait for a token.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::variable::{self, variable};
use crate::terminal::time::parse_duration;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  token=$(imgurctl token)
  imgurctl token --header | curl -H @- https://api.imgur.com/3/account/me
  imgurctl token --header --anonymous | curl -H @- https://api.imgur.com/3/gallery/hot
  imgurctl token me --env > imgur.env                        # IMGUR_ACCESS_TOKEN=…
  imgurctl token --template uploader.json.in > uploader.json # a program's own settings file
  imgurctl token --follow --output ~/.cache/imgur-token      # for a program that only reads files
  imgurctl token --env --follow --output imgur.env -- systemctl --user try-restart uploader

--env writes a line for .env files, systemd's EnvironmentFile= and docker's --env-file; name the account before it. \
A template is a text file in which {{access_token}}, {{expires_at}} (Unix seconds; empty if unknown), {{username}} and \
{{client_id}} are replaced by their values, with or without blanks inside the braces. All else stays as it is.

--follow runs until you end it, and leaves the file, whose token stays valid until it expires. If there is no token, it \
prints the reason on standard error, keeps the last token, and waits for the next one. Only you can read the file (0600), \
and each new token replaces it atomically. If another program deletes or changes the file, it is put back. \
CMD runs after each new token, the first one included, and reads no input. If it fails, imgurctl says so, and the file stays.")]
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
    /// Print `NAME=TOKEN`, a line for files of environment variables [default NAME: IMGUR_ACCESS_TOKEN]
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = variable::DEFAULT, value_parser = variable)]
    #[arg(conflicts_with = "header")]
    pub(crate) env: Option<String>,
    /// Print this file, with {{access_token}}, {{expires_at}}, {{username}} and {{client_id}} filled in
    #[arg(long, value_name = "FILE", conflicts_with_all = ["header", "env"], value_hint = ValueHint::FilePath)]
    pub(crate) template: Option<PathBuf>,
    /// Keep the fresh token in the file of --output
    #[arg(long, requires = "output", conflicts_with = "anonymous")]
    pub(crate) follow: bool,
    /// The file for --follow
    #[arg(long, value_name = "FILE", requires = "follow", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// With --follow: a command and its arguments, to run after each new token
    #[arg(last = true, requires = "follow", value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct WaitArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// How long to wait for a token [default: 20s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) wait: Option<Duration>,
}
