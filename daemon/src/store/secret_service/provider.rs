//! The program that provides the keyring. Each one has its own name and its own settings.

use std::fs;

use zbus::fdo::DBusProxy;

use super::proxies::ServiceProxy;

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
    pub(super) async fn of(service: &ServiceProxy<'static>) -> Self {
        let process = process(service).await.unwrap_or_default();
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

async fn process(service: &ServiceProxy<'static>) -> Option<String> {
    let bus = DBusProxy::new(service.inner().connection()).await.ok()?;
    let id = bus.get_connection_unix_process_id(service.inner().destination().clone()).await.ok()?;
    fs::read_to_string(format!("/proc/{id}/comm")).ok()
}
