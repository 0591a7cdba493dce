//! When to try again: after failures, on demand, and when the network returns.

use std::time::Duration;

use super::Now;
use crate::grant::Timestamp;
use crate::keeper::policy;
use crate::provider::{Delivery, Transient};

#[derive(Clone, Debug, Default)]
pub(super) struct Pacing {
    retry_at: Option<Timestamp>,
    /// Whether the server requested `retry_at`. Then no call overrides it.
    patient: bool,
    last_try: Option<Timestamp>,
    failures: u32,
    /// How many requests in a row got no answer.
    unanswered: u32,
    wanted_until: Timestamp,
}

impl Pacing {
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Retries at this time, or earlier if a caller waits.
    pub(super) fn try_at(&mut self, at: Timestamp) {
        self.retry_at = Some(at);
        self.patient = false;
    }

    /// Retries at this time and not earlier.
    pub(super) fn pause_until(&mut self, at: Timestamp) {
        self.retry_at = Some(at);
        self.patient = true;
    }

    pub(super) fn start(&mut self, now: Timestamp) {
        self.retry_at = None;
        self.patient = false;
        self.last_try = Some(now);
    }

    pub(super) fn reset(&mut self) {
        *self = Self { last_try: self.last_try, wanted_until: self.wanted_until, ..Self::default() };
    }

    pub(super) fn note_waiting(&mut self, until: Timestamp) {
        self.wanted_until = self.wanted_until.max(until);
    }

    pub(super) fn somebody_waits(&self, now: Timestamp) -> bool {
        self.wanted_until > now
    }

    /// A caller waits for an attempt that is due anyway.
    pub(super) fn hasten(&mut self, now: Now) {
        match self.retry_at {
            None => self.retry_at = Some(now.at),
            Some(at) if !self.patient && at > now.at + policy::IMPATIENT => {
                self.retry_at = Some(now.at + policy::IMPATIENT.mul_f64(now.dice));
            }
            Some(_) => {}
        }
    }

    /// A caller wants an immediate attempt. A pause that the server requested still applies, unless `is_refused`.
    pub(super) fn try_soon(&mut self, is_refused: bool, now: Timestamp) {
        if is_refused || !self.patient || self.retry_at.is_none() {
            let just_tried = self.last_try.filter(|at| now.since(*at) < policy::LEAST_PAUSE && *at <= now);
            self.try_at(just_tried.map_or(now, |at| at + policy::LEAST_PAUSE));
        }
    }

    pub(super) fn answered(&mut self) {
        self.unanswered = 0;
    }

    pub(super) fn failed(&mut self, transient: &Transient, now: Now) {
        // Imgur's CDN sends `Retry-After: 0` with each refusal: if imgurd obeyed that, it would retry without a pause.
        let retry_after = transient.retry_after.filter(|pause| !pause.is_zero());
        self.failures = self.failures.saturating_add(1);
        self.unanswered = if transient.delivery == Delivery::InDoubt { self.unanswered + 1 } else { 0 };
        self.patient = retry_after.is_some();
        let backoff = policy::backoff(self.failures, now.dice);
        let pause = match retry_after {
            Some(pause) => pause,
            None if self.unanswered == 1 => Duration::ZERO,
            None if self.somebody_waits(now.at) => backoff.min(policy::IMPATIENT),
            None => backoff,
        };
        self.retry_at = Some(now.at + pause);
    }

    /// The network may be back: retries at `soon`, unless the server requested a pause.
    pub(super) fn bring_forward(&mut self, soon: Timestamp, now: Timestamp) {
        if !self.patient {
            let earliest = self.last_try.filter(|at| *at <= now).map(|at| at + policy::LEAST_PAUSE);
            let soon = earliest.map_or(soon, |earliest| earliest.max(soon));
            self.retry_at = self.retry_at.map(|at| at.min(soon));
        }
    }

    pub(super) fn clock_set(&mut self, by: i64) {
        self.wanted_until = self.wanted_until.moved(by);
        for at in [&mut self.retry_at, &mut self.last_try].into_iter().flatten() {
            *at = at.moved(by);
        }
    }
}
