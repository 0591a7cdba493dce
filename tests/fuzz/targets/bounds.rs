//! What no input may do, whichever target it is for. libFuzzer sees to panics and, by `-timeout=1`, to time.

use std::alloc::System;

use cap::Cap;

/// What one input may take.
const MEMORY: usize = 64 * 1024 * 1024;

#[global_allocator]
static MEMORY_IN_USE: Cap<System> = Cap::new(System, usize::MAX);

/// A secret that inputs hold, as Imgur's tokens look. Where it is in one, it must not come out.
pub const SECRET: &str = "5e1f00d5e1f00d5e1f00d5e1f00d5e1f00d5e1f0";

/// Runs `target`, which ends the process where it takes more memory than any input is worth.
pub fn bounded<T>(target: impl FnOnce() -> T) -> T {
    let limit = MEMORY_IN_USE.allocated() + MEMORY;
    MEMORY_IN_USE.set_limit(limit).expect("the limit is above what is in use");
    let outcome = target();
    MEMORY_IN_USE.set_limit(usize::MAX).expect("there is no limit");
    outcome
}

/// Fails where the secret is in `text`.
#[allow(dead_code, reason = "one target looks for it in another way")]
pub fn assert_silent(text: &str) {
    assert!(!text.contains(SECRET), "the secret came out: {text}");
}
