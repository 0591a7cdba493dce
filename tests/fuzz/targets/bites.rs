//! Tests that the bounds work. A fuzz target without working bounds would find nothing.

mod bounds;

use std::hint::black_box;
use std::panic::catch_unwind;
use std::thread::sleep;
use std::time::Duration;

use bounds::bounded;

/// Whether an input may use this many MiB.
fn can_take(size: usize) -> bool {
    bounded(|| black_box(Vec::<u8>::new()).try_reserve_exact(size * 1024 * 1024).is_ok())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what takes its time is what this looks at")]
fn an_input_may_use_64_mib_and_a_second() {
    assert!(can_take(60));
    assert!(!can_take(65));
    assert!(can_take(60), "the next input has the full limit again");
    assert!(catch_unwind(|| bounded(|| sleep(Duration::from_millis(1100)))).is_err());
}
