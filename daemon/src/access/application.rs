//! An application: what permits, rules and limits apply to.

use serde::{Deserialize, Serialize};

/// An application, by a name that stays the same between runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum Application {
    /// A sandboxed app: a Flatpak application ID, or `snap.` and the name of a snap.
    Sandbox(String),
    /// A sandboxed app or container that nothing trustworthy identifies. It can get no permit.
    Nameless,
    /// A program in a systemd unit, without the part of the unit's name that changes.
    Unit(String),
    /// A client of the gateway that identified itself by its secret or its code.
    GatewayClient(String),
    /// A process that no unit contains, for example on a machine without systemd.
    Unknown,
    /// The caller ended before it was examined, and another process may have its connection now. A sandboxed program can
    /// arrange that, so this is trusted no more than a sandbox.
    Gone,
}

impl Application {
    /// Whether it needs a permit for each account, unless the configuration says otherwise.
    #[must_use]
    pub fn is_sandboxed(&self) -> bool {
        matches!(self, Self::Sandbox(_) | Self::Nameless | Self::Gone)
    }

    /// The name to display. A sandbox and a unit may have the same name, so permits compare the whole value.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sandbox(name) | Self::Unit(name) | Self::GatewayClient(name) => name,
            Self::Nameless => "sandboxed",
            Self::Unknown => "unknown",
            Self::Gone => "gone",
        }
    }
}
