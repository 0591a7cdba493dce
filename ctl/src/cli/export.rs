//! `imgurctl export` and `imgurctl import`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl export me > me.export                       # here; then on the other machine:
  imgurctl import < me.export
  imgurctl export me --passphrase-file <(pass moving) > me.export

The export contains the settings, the client secret and the grant, and only the passphrase opens it. If two machines \
refresh the same grant, each invalidates the other's tokens: once the other machine has it, run `imgurctl logout` here, or \
give --move. A certificate file (ca_file) is not exported.")]
pub(crate) struct ExportArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Remove the account here, so that two machines do not refresh it; adding or importing it again restores it
    #[arg(long = "move")]
    pub(crate) moves: bool,
    /// Read the passphrase from the first line of this file [default: ask at the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl import me < token.json
  imgurctl import me < ~/.config/ksnip/ksnip.conf     # the settings of another program
  imgurctl import new < credentials.json              # adds the account with the client that the file names
  imgurctl import < me.export      # asks for the passphrase, and adds the account if it does not exist")]
pub(crate) struct ImportArgs {
    /// Account [default: the exported account, or the default account for other grants]
    pub(crate) account: Option<String>,
    /// Import the grant of this number, if the text has several
    #[arg(long, value_name = "N")]
    pub(crate) pick: Option<usize>,
    /// Replace a working grant even if it is another user's, or cannot be compared
    #[arg(long)]
    pub(crate) replace: bool,
    /// Read an export's passphrase from the first line of this file [default: ask at the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
}
