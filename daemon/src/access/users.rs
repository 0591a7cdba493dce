//! Which users there are for a process: its user namespace (`user_namespaces(7)`).

use std::io;

use super::process::Process;

/// The users of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Users {
    /// Its `uid_map`: the users of its user namespace, by the numbers that they have in ours.
    map: Vec<u8>,
    /// Its user namespace itself, where we may look at that (`ptrace(2)`, access mode checking).
    namespace: Option<String>,
}

impl Users {
    pub(super) fn of(process: &Process) -> io::Result<Self> {
        Ok(Self { map: process.content("uid_map")?, namespace: process.link("ns/user").ok() })
    }

    /// Those of the daemon, which is `self`, in the user namespace of its parent: a hardened service has one of its own,
    /// and the service manager has everybody's.
    pub(super) fn with_those_of(self, parent: Self) -> Self {
        Self { map: parent.map, ..self }
    }

    /// Whether they are in the daemon's own user namespace, or in that of the daemon's parent. Two namespaces that are made
    /// alike have the same numbers, so those of our own prove nothing.
    pub(super) fn are_at(&self, home: &Self) -> bool {
        self.map == home.map || self.namespace.is_some() && self.namespace == home.namespace
    }

    /// Whether these are known to be in another user namespace than `other`.
    pub(super) fn differ(&self, other: &Self) -> bool {
        let are_known = self.namespace.is_some() && other.namespace.is_some();
        self.map != other.map || are_known && self.namespace != other.namespace
    }

    #[cfg(test)]
    pub(super) fn new(map: &str, namespace: Option<&str>) -> Self {
        Self { map: map.into(), namespace: namespace.map(str::to_owned) }
    }
}
