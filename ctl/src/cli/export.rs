//! `imgurctl export` and `imgurctl import`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::account::account_name;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl export me > me.export                       # here, then on the other machine:
  imgurctl import < me.export
  imgurctl export me --passphrase-file <(pass moving) > me.export

The export contains the settings, the client secret and the grant, encrypted with a passphrase. If two machines refresh the \
same grant, each invalidates the other's tokens: use --move, or run `imgurctl account remove` here after the import. The \
export does not contain the certificate file (ca_file).")]
pub(crate) struct ExportArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// Remove the account here after the export; importing it again restores it
    #[arg(long = "move")]
    pub(crate) moves: bool,
    /// Read the passphrase from the first line of this file [default: ask at the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl import me < token.json
  imgurctl import me < ~/.config/ksnip/ksnip.conf     # settings of another program
  imgurctl import new < credentials.json              # also adds the account, with the file's client ID
  imgurctl import < me.export      # asks for the passphrase; adds a missing account")]
pub(crate) struct ImportArgs {
    /// Account [default: the exported account; for other grants, the default account]
    #[arg(value_parser = account_name)]
    pub(crate) account: Option<String>,
    /// If the text has several grants, import number N
    #[arg(long, value_name = "N")]
    pub(crate) pick: Option<usize>,
    /// Replace a working grant of another or an unknown user
    #[arg(long)]
    pub(crate) replace: bool,
    /// Read an export's passphrase from the first line of this file [default: ask at the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
}
