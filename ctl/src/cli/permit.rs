//! `imgurctl permit`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum PermitCommand {
    /// List the decisions, which you made here or in a notification
    List,
    /// Allow a program to use an account, without asking
    #[command(after_help = "Example:\n  imgurctl permit allow org.example.App me")]
    Allow(PermitArgs),
    /// Deny an account to a program, without asking
    #[command(after_help = "Example:\n  imgurctl permit deny org.example.App me")]
    Deny(PermitArgs),
    /// Delete a decision, so that imgurd asks again
    #[command(after_help = "Example:\n  imgurctl permit revoke org.example.App me")]
    Revoke(PermitArgs),
}

#[derive(Args, Debug)]
pub(crate) struct PermitArgs {
    /// The program: its Flatpak ID, `snap.` and its snap's name, or its systemd unit; `unknown` for programs without any of
    /// these, `remote` for those on other machines
    pub(crate) application: String,
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
}
