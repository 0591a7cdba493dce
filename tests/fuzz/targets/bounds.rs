//! The limits on memory and time for each input of every target. libFuzzer's `-timeout` finds inputs that never end.

use std::alloc::System;
use std::cell::LazyCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use cap::Cap;

/// The limits for one input.
const MEMORY: usize = 64 * 1024 * 1024;
const TIME: Duration = Duration::from_secs(1);

#[global_allocator]
static MEMORY_IN_USE: Cap<System> = Cap::new(System, usize::MAX);

thread_local! {
    static SCHEDULE: LazyCell<Option<File>> = LazyCell::new(|| File::open("/proc/thread-self/schedstat").ok());
}

/// A secret that inputs contain, in the format of Imgur's tokens. It must not appear in outputs.
#[allow(dead_code, reason = "some targets look for none, or in another way")]
pub const SECRET: &str = "5e1f00d5e1f00d5e1f00d5e1f00d5e1f00d5e1f0";

/// Runs `target`. Ends the process if it uses more memory or time.
pub fn bounded<T>(target: impl FnOnce() -> T) -> T {
    let limit = MEMORY_IN_USE.allocated() + MEMORY;
    MEMORY_IN_USE.set_limit(limit).expect("the limit is above the memory in use");
    let (begun, kept) = (Instant::now(), kept_waiting());
    let outcome = target();
    let took = begun.elapsed();
    assert!(took <= TIME || took.saturating_sub(kept_waiting() - kept) <= TIME, "the input took {took:?}");
    MEMORY_IN_USE.set_limit(usize::MAX).expect("the limit is removed");
    outcome
}

/// How long this thread was ready to run while other threads ran (the second number of `/proc/thread-self/schedstat`,
/// in nanoseconds). Zero if the kernel does not count it.
fn kept_waiting() -> Duration {
    SCHEDULE.with(|file| {
        let mut text = [0; 96];
        let length = file.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or_default();
        let numbers = str::from_utf8(&text[..length]).unwrap_or_default();
        let waited = numbers.split(' ').nth(1).and_then(|number| number.parse().ok());
        Duration::from_nanos(waited.unwrap_or_default())
    })
}

/// Fails if the secret is in `text`.
#[allow(dead_code, reason = "some targets look for none, or in another way")]
pub fn assert_silent(text: &str) {
    assert!(!text.contains(SECRET), "the secret came out: {text}");
}
