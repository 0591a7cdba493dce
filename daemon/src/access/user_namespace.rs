//! The user namespace of a process (`user_namespaces(7)`).

use std::io;

use super::process::Process;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserNamespace {
    /// Its `uid_map`: its users by their IDs in our user namespace.
    map: Vec<u8>,
    /// Its identifier, if imgurd may read it (`ptrace(2)`, access mode checking).
    namespace: Option<String>,
}

impl UserNamespace {
    pub(super) fn of(process: &Process) -> io::Result<Self> {
        Ok(Self { map: process.read("uid_map")?, namespace: identifier(process) })
    }

    /// Takes the user map of the daemon's parent. A hardened service has its own user namespace; the service
    /// manager has the initial one.
    pub(super) fn with_map_of(self, parent: Self) -> Self {
        Self { map: parent.map, ..self }
    }

    /// Whether the process certainly is in it.
    pub(super) fn is_that_of(&self, process: &Process) -> bool {
        self.namespace.is_some() && identifier(process) == self.namespace
    }

    /// Whether it is the user namespace of the daemon or of the daemon's parent. Two namespaces may have the
    /// same user map, so the daemon's own map proves nothing.
    pub(super) fn is_at(&self, home: &Self) -> bool {
        self.map == home.map || self.namespace.is_some() && self.namespace == home.namespace
    }

    /// Whether it certainly differs from `other`.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        let are_known = self.namespace.is_some() && other.namespace.is_some();
        self.map != other.map || are_known && self.namespace != other.namespace
    }

    #[cfg(test)]
    pub(super) fn new(map: &str, namespace: Option<&str>) -> Self {
        Self { map: map.into(), namespace: namespace.map(str::to_owned) }
    }
}

fn identifier(process: &Process) -> Option<String> {
    process.link("ns/user").ok()
}
