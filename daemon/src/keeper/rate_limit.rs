//! Limits what callers may request: refreshes that are not due, and reports of rejected tokens.

use std::collections::VecDeque;
use std::time::Duration;

use imgurd_proto::Error;

use crate::grant::Timestamp;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const SUCCESSES_A_MINUTE: usize = 6;
const REJECTIONS_IN_A_ROW: usize = 3;
const EARLY_DEATHS_A_DAY: usize = 3;

#[derive(Clone, Debug, Default)]
pub(super) struct RateLimit {
    /// The times of successful refreshes that callers had forced.
    successes: VecDeque<Timestamp>,
    /// The times at which tokens less than a minute old were rejected.
    rejections: VecDeque<Timestamp>,
    /// The times at which tokens were rejected in the first half of their lifetime.
    early_deaths: VecDeque<Timestamp>,
    forced: bool,
}

impl RateLimit {
    pub(super) fn clock_set(&mut self, by: i64) {
        let times = [&mut self.successes, &mut self.rejections, &mut self.early_deaths].into_iter().flatten();
        times.for_each(|at| *at = at.moved(by));
    }

    /// Records a refresh that a caller forces, or returns why it must not be made.
    pub(super) fn force(&mut self, now: Timestamp) -> Result<(), Error> {
        expire(&mut self.successes, now, MINUTE);
        if self.successes.len() < SUCCESSES_A_MINUTE {
            self.forced = true;
            return Ok(());
        }
        Err(limited(
            "imgurd refreshed the token 6 times within a minute, which is the limit; wait a minute",
            &self.successes,
        ))
    }

    /// Records a rejected token that is `age` old, or returns why it is not replaced.
    pub(super) fn reject(
        &mut self,
        now: Timestamp,
        age: Duration,
        lifetime: Option<Duration>,
    ) -> Result<(), Error> {
        expire(&mut self.rejections, now, MINUTE);
        expire(&mut self.early_deaths, now, DAY);
        if age < MINUTE && self.rejections.len() + 1 >= REJECTIONS_IN_A_ROW {
            return Err(limited(
                "The server rejected three new tokens within a minute, so the token is probably not the problem; \
                 read the server's answer",
                &self.rejections,
            ));
        }
        self.force(now)?;
        if age < MINUTE {
            self.rejections.push_back(now);
        }
        if lifetime.is_some_and(|lifetime| age < lifetime / 2) {
            self.early_deaths.push_back(now);
            self.early_deaths.truncate(EARLY_DEATHS_A_DAY * 2);
        }
        Ok(())
    }

    pub(super) fn succeeded(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.forced) {
            self.successes.push_back(now);
        }
    }

    /// Whether tokens often become invalid long before they expire.
    pub(super) fn tokens_die_early(&self, now: Timestamp) -> bool {
        self.early_deaths.iter().filter(|at| now.since(**at) < DAY).count() >= EARLY_DEATHS_A_DAY
    }
}

fn expire(times: &mut VecDeque<Timestamp>, now: Timestamp, span: Duration) {
    times.retain(|at| now.since(*at) < span);
}

fn limited(reason: &str, times: &VecDeque<Timestamp>) -> Error {
    let retry_at = times.front().map(|at| (*at + MINUTE).as_secs() + 1);
    Error::TemporarilyUnavailable { reason: reason.to_owned(), retry_at }
}
