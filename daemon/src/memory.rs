//! What is in this process's memory stays in it, and no longer than it is needed.

use std::alloc::System;
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroizing_alloc::ZeroAlloc;

/// Whatever is freed is wiped: the buffers that libraries read, write, encrypt and parse secrets in as well as our own,
/// and those that have been outgrown.
#[global_allocator]
static WIPED: ZeroAlloc<System> = ZeroAlloc(System);

/// Closes this process to debuggers and readers of `/proc/PID/mem` of the same user, and has no crash write its memory
/// to a disk (`PR_SET_DUMPABLE`, prctl(2)). To be called before there is a secret.
///
/// # Errors
/// Where the system does not do so.
pub fn close() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // For what is started from here and becomes dumpable again as it begins (execve(2)): it has nothing of ours but
    // may be given some.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
