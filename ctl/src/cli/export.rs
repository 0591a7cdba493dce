//! How an account moves house.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl export me > me.export                       # here; then on the other machine:
  imgurctl import < me.export
  imgurctl export me --passphrase-file <(pass moving) > me.export

It holds the settings, the client secret and the grant, and only the passphrase opens it. Two keepers of one grant end \
each other's tokens: once the other machine has it, run `imgurctl logout` here, or give --move. A certificate file (ca_file) does not come along.")]
pub(crate) struct ExportArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Then remove the account here, so that two machines do not refresh it; adding or importing it again brings it back
    #[arg(long = "move")]
    pub(crate) moves: bool,
    /// Read the passphrase from the first line of this file; asked for at the terminal where there is none
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl import me < token.json
  imgurctl import < me.export      # asks for the passphrase, and adds the account if there is none")]
pub(crate) struct ImportArgs {
    /// The account; where none is named, the default one, or for an export the one that it was made of
    pub(crate) account: Option<String>,
    /// Displace a working grant even if it is another person's, or cannot be compared
    #[arg(long)]
    pub(crate) replace: bool,
    /// Read an export's passphrase from the first line of this file; asked for at the terminal where there is none
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
}
