//! What is in this process's memory stays in it, and no longer than it is needed.
//!
//! Secrets pass through buffers of hyper, rustls, serde, zbus and oo7, which no type of ours reaches. So the allocator wipes what
//! is freed, outgrown buffers included. Clones of a `Secret` share one text.

use std::hint::black_box;
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Whatever is freed is wiped: the buffers that libraries read, write, encrypt and parse secrets in as well as our own,
/// and those that have been outgrown.
#[cfg(not(fuzzing))] // the fuzzers count what an input takes by an allocator of their own
#[global_allocator]
static WIPED: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// More than the calls below it use of a stack, which is some 40 KiB in a build for debugging.
const STACK: usize = 128 * 1024;

/// Wipes what functions that have returned left on this thread's stack: a cipher works there on some blocks at a time,
/// and a thread that has nothing more to do keeps its stack as it is.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "it is the stack that is to be written to")]
pub fn wipe_stack() {
    black_box([0_u8; STACK]);
}

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
