//! Protects this process's memory from other processes, and wipes it when it is freed.
//!
//! Secrets pass through buffers of hyper, rustls, serde, zbus and oo7, which our types cannot wipe. So the allocator wipes all
//! freed memory, outgrown buffers included. Clones of a `Secret` share one text.

use std::hint::black_box;
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Wipes all freed memory: our own buffers, and those in which libraries read, write, encrypt and parse secrets.
#[cfg(not(fuzzing))] // the fuzzers count what an input takes by an allocator of their own
#[global_allocator]
static WIPED: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// More stack than the calls below it use, which is about 40 KiB in a debug build.
const STACK: usize = 128 * 1024;

/// Wipes what returned functions left on this thread's stack: a cipher works there on several blocks at a time, and a
/// thread without further work keeps its stack unchanged.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "it is the stack that is to be written to")]
pub fn wipe_stack() {
    black_box([0_u8; STACK]);
}

/// Denies debuggers and readers of `/proc/PID/mem` of the same user access to this process, and prevents core dumps
/// (`PR_SET_DUMPABLE`, prctl(2)). Call it before there is a secret.
///
/// # Errors
/// If the system does not support it.
pub fn close() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // For child processes, which become dumpable again when they start (execve(2)). They have no secret of ours, but
    // may receive one.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
