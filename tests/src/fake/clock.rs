//! The fake's clock, which a test can advance.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Real time plus what the test added, so that no test waits for a lifetime to end.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Duration>);

impl Clock {
    pub(super) fn now(&self) -> Instant {
        Instant::now() + *self.0.lock().unwrap()
    }

    pub(super) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}
