//! Where manual pages go.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  imgurctl man ~/.local/share/man && man imgurctl-token")]
pub(crate) struct ManArgs {
    /// The directory that has, or is to have, man1, man5 and man7
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}
