//! Protects tokens in this process's memory from other processes and core files.

use std::sync::OnceLock;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// The original limit for core files.
static OWN: OnceLock<Rlimit> = OnceLock::new();

/// Prevents other processes of this user from reading our memory, and the kernel from writing it to a core file
/// (`PR_SET_DUMPABLE`, prctl(2)). The hard limit stays, so that a child can get the soft one back.
pub(crate) fn close() {
    let own = *OWN.get_or_init(|| getrlimit(Resource::Core));
    // Each of them helps without the other.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..own });
}

/// Starts a program with the original limit. execve(2) makes that program dumpable, but not this process.
pub(crate) fn with_own_limit<T>(start: impl FnOnce() -> T) -> T {
    if let Some(own) = OWN.get() {
        let _ = setrlimit(Resource::Core, *own);
    }
    let started = start();
    close();
    started
}
