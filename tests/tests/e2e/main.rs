//! The promises of imgurd, kept by the real daemon and the real client.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in the functions it shares as well"
)]

mod consent;

use std::time::{Duration, SystemTime};

/// Unix time in seconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// An access token that goes stale in a moment, and is not refreshed ahead of time.
const MOMENT: Duration = Duration::from_secs(1);
/// One that lasts for the whole test.
const HOUR: Duration = Duration::from_hours(1);
