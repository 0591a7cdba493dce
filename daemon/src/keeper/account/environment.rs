//! How an account reacts when the clock is set, the machine sleeps, or the network returns.

use super::refreshing::Trouble;
use super::{Machine, Shelf};
use crate::grant::{Grant, Timestamp};
use crate::keeper::policy;

impl Machine {
    /// Moves all times of this process that were measured by the old clock, so intervals keep their length. Times that
    /// an earlier process saved stay: nobody knows how wrong its clock was.
    pub(super) fn clock_set(&mut self, by: i64) {
        let mut moved = false;
        for grant in self.record.grants_mut() {
            moved |= move_grant(grant, by);
        }
        if let Some(refusal) = self.record.refusal.as_mut().filter(|refusal| refusal.witnessed) {
            refusal.first_at = refusal.first_at.moved(by);
            moved = true;
        }
        if moved {
            self.revisions.touch();
        }
        if let Shelf::Unread { last_try, .. } | Shelf::Vanished { last_try, .. } = &mut self.shelf {
            *last_try = last_try.moved(by);
        }
        self.pacing.clock_set(by);
        self.rate_limit.clock_set(by);
        self.revisions.clock_set(by);
        self.skew = self.skew.map(|skew| skew.saturating_add(by));
        self.schedule();
        // A certificate may have become valid by the corrected clock.
        self.online();
    }

    pub(super) fn server_time(&mut self, time: Timestamp) {
        self.skew = Some(self.now.at.as_millis().saturating_sub(time.as_millis()));
    }

    /// How far this machine's clock is ahead of the server's, in seconds. `None` if the time that an answer takes and
    /// the resolution of `Date` (RFC 9110, section 6.6.1) explain the difference.
    pub(super) fn notable_skew(&self) -> Option<i64> {
        let limit = i64::try_from(policy::NOTABLE_SKEW.as_millis()).unwrap_or(i64::MAX);
        self.skew.filter(|skew| skew.saturating_abs() >= limit).map(|skew| skew / 1000)
    }

    /// Whether imgurd may delete something by this clock: a server has shown about the same time.
    pub(super) fn clock_is_confirmed(&self) -> bool {
        let limit = i64::try_from(policy::TOLERABLE_SKEW.as_millis()).unwrap_or(i64::MAX);
        self.skew.is_some_and(|skew| skew.saturating_abs() <= limit)
    }

    pub(super) fn wake(&mut self) {
        self.asleep = false;
        self.online();
        self.send_recorded();
    }

    /// The network may be back: soon retries what failed for a temporary reason, unless the server asked for a pause.
    pub(super) fn online(&mut self) {
        if self.waits_for_better_times(self.now.at) {
            // Many machines may notice it at the same time, so wait a random time, unless a user waits.
            let jitter = if self.pacing.somebody_waits(self.now.at) { 0.0 } else { self.now.dice };
            self.pacing.bring_forward(self.now.at + policy::ONLINE_JITTER.mul_f64(jitter), self.now.at);
        }
    }

    pub(in crate::keeper) fn waits_for_better_times(&self, now: Timestamp) -> bool {
        matches!(self.trouble, Some(Trouble::Passing { .. })) && self.next_try(now).is_some()
    }

    pub(in crate::keeper) fn may_sleep(&self) -> bool {
        !self.is_sending() && !self.revisions.is_writing()
    }
}

fn move_grant(grant: &mut Grant, by: i64) -> bool {
    let Some(access) = grant.access.as_mut().filter(|access| access.witnessed) else { return false };
    access.issued_at = access.issued_at.moved(by);
    grant.refresh_expires_at = grant.refresh_expires_at.map(|at| at.moved(by));
    true
}
