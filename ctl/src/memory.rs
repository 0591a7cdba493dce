//! Tokens in this process's memory are for nobody else, and for no core file.

use std::sync::OnceLock;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// The limit for core files that we were started with.
static OWN: OnceLock<Rlimit> = OnceLock::new();

/// Keeps other processes of this user from reading our memory, and the kernel from writing it to a core file
/// (`PR_SET_DUMPABLE`, prctl(2)). The hard limit stays, so that the soft one can be given back to a child.
pub(crate) fn close() {
    let own = *OWN.get_or_init(|| getrlimit(Resource::Core));
    // Where the one fails, the other still does its part.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..own });
}

/// Starts a program with the limit that we were started with. It becomes dumpable by itself (execve(2)); we do not.
pub(crate) fn with_own_limit<T>(start: impl FnOnce() -> T) -> T {
    if let Some(own) = OWN.get() {
        let _ = setrlimit(Resource::Core, *own);
    }
    let started = start();
    close();
    started
}
