//! The program that provides the keyring. Each one has its own name and its own settings.

use std::fs;

use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

use super::proxies::NAME;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    GnomeKeyring,
    KWallet,
    KeePassXc,
    Other,
}

/// The prefixes of their process names; the kernel cuts the names at 15 bytes.
const PROCESSES: [(&str, Provider); 4] = [
    ("gnome-keyring", Provider::GnomeKeyring),
    ("kwalletd", Provider::KWallet),
    ("ksecretd", Provider::KWallet),
    ("keepassxc", Provider::KeePassXc),
];

impl Provider {
    /// The one that owns the name on this bus now.
    pub(super) async fn on(connection: &Connection) -> Self {
        let process = process(connection).await.unwrap_or_default();
        let known = PROCESSES.iter().find(|(begin, _)| process.starts_with(begin));
        known.map_or(Self::Other, |(_, provider)| *provider)
    }

    /// Its name at the beginning of a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GnomeKeyring => "GNOME Keyring",
            Self::KWallet => "KWallet",
            Self::KeePassXc => "KeePassXC",
            Self::Other => "The keyring",
        }
    }
}

async fn process(connection: &Connection) -> Option<String> {
    let bus = DBusProxy::new(connection).await.ok()?;
    let id = bus.get_connection_unix_process_id(BusName::try_from(NAME).ok()?).await.ok()?;
    fs::read_to_string(format!("/proc/{id}/comm")).ok()
}
