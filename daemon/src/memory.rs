//! Protects this process's memory from other processes, and wipes it when it is freed.
//!
//! Secrets pass through buffers of hyper, rustls, serde, zbus and oo7, which our types cannot wipe. So the allocator wipes all
//! freed memory, outgrown buffers included. Clones of a `Secret` share one text.

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

/// Wipes what returned functions left on this thread's stack: a cipher works there on several blocks at a time, and a
/// thread without further work keeps its stack unchanged.
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
    // For child processes, which become dumpable again as they start (execve(2)): they hold no secret of ours, but may
    // receive one.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
