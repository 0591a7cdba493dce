//! `imgurctl permit`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum PermitCommand {
    /// List the decisions that you made here or in notifications
    List,
    /// Allow a program to use an account
    #[command(after_help = "Example:\n  imgurctl permit allow org.example.App me")]
    Allow(PermitArgs),
    /// Deny a program the use of an account
    #[command(after_help = "Example:\n  imgurctl permit deny org.example.App me")]
    Deny(PermitArgs),
    /// Delete a decision, so that imgurd asks again
    #[command(after_help = "Example:\n  imgurctl permit revoke org.example.App me")]
    Revoke(PermitArgs),
}

#[derive(Args, Debug)]
pub(crate) struct PermitArgs {
    /// Program: a Flatpak ID, `snap.` and a snap's name, a systemd unit, or `gateway:` and a client's name; `unknown` for
    /// other programs, `remote` for programs on other machines
    pub(crate) application: String,
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
}
