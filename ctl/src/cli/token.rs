//! `imgurctl token`, and the options of other commands that wait for a token.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::variable::{self, variable};
use crate::terminal::time::parse_duration;

#[derive(Args, Debug, Default)]
#[command(after_help = "Examples:
  token=$(imgurctl token)
  imgurctl token --header | curl -H @- https://api.imgur.com/3/account/me
  imgurctl token --header --anonymous | curl -H @- https://api.imgur.com/3/gallery/hot
  imgurctl token me --env > imgur.env                        # IMGUR_ACCESS_TOKEN=…
  imgurctl token --template uploader.json.in > uploader.json # settings of a program
  imgurctl token --follow --output ~/.cache/imgur-token      # for programs that read files
  imgurctl token --env --follow --output imgur.env -- systemctl --user try-restart uploader

--env prints a line for .env files, systemd's EnvironmentFile= and docker's --env-file; put the account before it. In a \
template, imgurctl replaces {{access_token}}, {{expires_at}} (Unix seconds; empty if unknown), {{username}} and \
{{client_id}}, with or without spaces inside the braces. Write {{\"{{\"}} for the text {{; a }} elsewhere stays as it is. \
imgurctl refuses a template with any other {{, or with a placeholder that does not end on its line.

--follow runs until you end it. The file then stays, and its token is valid until it expires. If imgurd has no token, \
imgurctl prints the reason, keeps the last token in the file, and waits for the next one. Only you can read the file \
(0600); imgurctl replaces it atomically, and restores it if another program deletes or changes it. A second imgurctl that follows \
into the same file is refused. CMD runs after each new token, including the first, with empty input. While CMD runs, \
imgurctl writes further tokens, and runs CMD once more when it ends. If CMD fails, imgurctl reports it and continues.")]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    pub(crate) ask: WaitArgs,
    /// Time that the token must stay valid, at most half its lifetime [default: 60s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) min_valid: Option<Duration>,
    /// Print the header `Authorization: Bearer …`
    #[arg(long)]
    pub(crate) header: bool,
    /// Word before the token in the header [default: Bearer]
    #[arg(long, value_name = "WORD", requires = "header")]
    pub(crate) prefix: Option<String>,
    /// Print the header `Authorization: Client-ID …`, which Imgur accepts for public resources
    #[arg(long, requires = "header", conflicts_with = "prefix")]
    pub(crate) anonymous: bool,
    /// Print `NAME=TOKEN` for environment files [default NAME: IMGUR_ACCESS_TOKEN]
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = variable::DEFAULT, value_parser = variable)]
    #[arg(conflicts_with = "header")]
    pub(crate) env: Option<String>,
    /// Print FILE with {{access_token}}, {{expires_at}}, {{username}} and {{client_id}} replaced
    #[arg(long, value_name = "FILE", conflicts_with_all = ["header", "env"], value_hint = ValueHint::FilePath)]
    pub(crate) template: Option<PathBuf>,
    /// Write the token to the file of --output, and each new token after it
    #[arg(long, requires = "output", conflicts_with = "anonymous")]
    pub(crate) follow: bool,
    /// File for --follow
    #[arg(long, value_name = "FILE", requires = "follow", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// With --follow, a command to run after each new token
    #[arg(last = true, requires = "follow", value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct WaitArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Time to wait for a token [default: 20s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(crate) wait: Option<Duration>,
}
