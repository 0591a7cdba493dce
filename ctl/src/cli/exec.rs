//! `imgurctl exec`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::variable::{self, variable};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl exec -- ./upload.py cat.png
  imgurctl exec me --env TOKEN -- sh -c 'echo ${#TOKEN}'

The command replaces imgurctl, so that signals and the exit status are its own; 127 means that it was not found, and 126 \
that it could not be run. It keeps the token that it was started with, and your other programs can read its environment: \
a program that runs for long should ask for tokens itself.")]
pub(crate) struct ExecArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// The environment variable for the token
    #[arg(long, value_name = "NAME", default_value = variable::DEFAULT, value_parser = variable)]
    pub(crate) env: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}
