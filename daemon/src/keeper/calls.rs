//! When programs last asked for a token, and how long they need one to be valid. Automatic refreshes avoid disturbing
//! them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use imgurd_proto::DEFAULT_MIN_VALID_S;

use crate::grant::Timestamp;

/// A summary of all calls, to find a time when a refresh disturbs no program.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// The time of the last call; far in the past if there was none.
    pub last: Timestamp,
    /// The longest validity that a call requested.
    pub longest_need: Duration,
}

impl Default for Calls {
    fn default() -> Self {
        let longest_need = Duration::from_secs(DEFAULT_MIN_VALID_S.unsigned_abs());
        Self { last: Timestamp::from_millis(i64::MIN), longest_need }
    }
}

/// Records the calls for all accounts. It takes no lock, because a call must never wait for another.
pub(super) struct CallLog {
    last: AtomicI64,
    longest_need_ms: AtomicU64,
}

impl Default for CallLog {
    fn default() -> Self {
        let none = Calls::default();
        Self {
            last: AtomicI64::new(none.last.as_millis()),
            longest_need_ms: AtomicU64::new(millis(none.longest_need)),
        }
    }
}

impl CallLog {
    pub(super) fn note(&self, now: Timestamp, need: Duration) {
        self.last.store(now.as_millis(), Ordering::Relaxed);
        self.longest_need_ms.fetch_max(millis(need), Ordering::Relaxed);
    }

    pub(super) fn calls(&self) -> Calls {
        Calls {
            last: Timestamp::from_millis(self.last.load(Ordering::Relaxed)),
            longest_need: Duration::from_millis(self.longest_need_ms.load(Ordering::Relaxed)),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
