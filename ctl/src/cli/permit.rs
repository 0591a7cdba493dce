//! What is decided about programs.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum PermitCommand {
    /// List what was decided, here or by answering a notification
    List,
    /// Let a program use an account without asking
    #[command(after_help = "Example:\n  imgurctl permit allow org.example.App me")]
    Allow(PermitArgs),
    /// Refuse an account to a program without asking
    #[command(after_help = "Example:\n  imgurctl permit deny org.example.App me")]
    Deny(PermitArgs),
    /// Forget what was decided about a program and an account, so that it is asked about again
    #[command(after_help = "Example:\n  imgurctl permit revoke org.example.App me")]
    Revoke(PermitArgs),
}

#[derive(Args, Debug)]
pub(crate) struct PermitArgs {
    /// The program: its Flatpak's id, `snap.` and its snap's name, or its systemd unit; `unknown` for those without any
    /// of these, `remote` for those on other machines
    pub(crate) application: String,
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
}
