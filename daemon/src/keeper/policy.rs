//! Calculates when to refresh, and how long to wait after a failure.

use std::time::Duration;

use super::Calls;
use crate::config::RefreshPolicy;
use crate::grant::{Access, Timestamp};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// The longest lifetime that imgurd accepts: Imgur's 315360000 s.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24 * 3650);
/// Tokens with a shorter lifetime are refreshed on demand only.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(2);
/// The bounds of the back-off. After the first failure it is at most the lower one.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(15));

/// How long no program may have called before an automatic refresh starts; less if there is little time for it.
const QUIET: Duration = Duration::from_mins(5);

/// The longest pause between attempts while a caller waits.
pub(super) const IMPATIENT: Duration = Duration::from_secs(5);
/// A refusal counts if the server repeats it after this time.
pub(super) const CONFIRM_AFTER: Duration = MINUTE;
/// The shortest remaining lifetime of a token that replaces a rejected one.
pub(super) const LEAST_LEFT: Duration = MINUTE;
/// How often imgurd still tries a rejected grant.
pub(super) const REFUSED_RETRY: Duration = DAY;
/// How often imgurd still tries a rejected client.
pub(super) const MISCONFIGURED_RETRY: Duration = Duration::from_hours(1);
/// How many requests may wait until the record is read: as many as there may be connections.
pub(super) const MOST_HELD: usize = 1024;
/// How many codes and imports may be in progress at the same time.
pub(super) const MOST_REQUESTS: usize = 8;
/// How many fingerprints of replaced refresh tokens imgurd keeps: more than a day of hourly refreshes.
pub(super) const MOST_REPLACED: usize = 32;
/// How many fingerprints of rejected access tokens imgurd keeps. While the store cannot be read, callers can reject
/// anything.
pub(super) const MOST_REJECTED: usize = 16;
/// How long, and how often, a server may refuse a refresh without an error code before that counts as a refusal.
pub(super) const WORDLESS: (Duration, u32) = (Duration::from_mins(10), 3);
/// How long a replaced grant is kept.
pub(super) const DISPLACED_FOR: Duration = Duration::from_hours(24 * 30);
/// How long before a token's maximum age imgurd warns the user, unless that is a large part of it.
const WARN_AHEAD: Duration = Duration::from_hours(24 * 3);
/// When the network returns, all accounts that waited for it retry within this time.
pub(super) const ONLINE_JITTER: Duration = Duration::from_secs(2);
/// How far the clocks of this machine and the server may differ before imgurd warns the user.
pub(super) const NOTABLE_SKEW: Duration = MINUTE;
/// How far they may differ while imgurd still deletes old grants by this machine's clock.
pub(super) const TOLERABLE_SKEW: Duration = DAY;
/// How far in the future a token may have been issued before imgurd considers the clock wrong.
const FUTURE: Duration = MINUTE;
/// The shortest pause between two attempts, however often callers ask.
pub(super) const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The meaning of `expires_in` (seconds): unknown if it is missing, zero or negative; at most ten years.
pub(super) fn lifetime(expires_in: Option<i64>) -> Option<Duration> {
    let seconds = u64::try_from(expires_in?).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds).min(LONGEST_LIFETIME))
}

/// Whether a token seems to have been issued in the future. Then the clock was or is wrong, as on machines that start
/// in 1970, and it is unknown how long the token is valid.
pub(super) fn is_from_the_future(access: &Access, now: Timestamp) -> bool {
    access.issued_at > now + FUTURE
}

/// When to refresh a token automatically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// From when on, once no program has called for a while. A program that just got a token may be in the middle of
    /// an upload, which a refresh would make fail.
    due: Timestamp,
    /// The latest time.
    latest: Timestamp,
    /// When the token expires, if known.
    expires_at: Option<Timestamp>,
}

impl Schedule {
    pub(super) fn at(due: Timestamp) -> Self {
        Self { due, latest: due, expires_at: None }
    }

    /// When the refresh starts, unless there are more calls. It is early enough that every caller still gets a token
    /// with the validity that it needs.
    pub(super) fn start(self, calls: Calls, now: Timestamp) -> Timestamp {
        let enough = self.expires_at.map(|end| before(end, 2 * calls.longest_need.min(LONGEST_LIFETIME)));
        let latest = enough.map_or(self.latest, |enough| enough.min(self.latest)).max(self.due);
        if calls.last > now {
            return self.due; // the clock was set
        }
        let pause = (latest.since(self.due) / 5).min(QUIET);
        (calls.last + pause).clamp(self.due, latest)
    }
}

fn before(end: Timestamp, span: Duration) -> Timestamp {
    end.moved(i64::try_from(span.as_millis()).map_or(i64::MIN, |millis| -millis))
}

/// When to refresh a token automatically. `dice` in 0..1 spreads many daemons over time.
pub(super) fn schedule(
    access: &Access,
    policy: RefreshPolicy,
    now: Timestamp,
    dice: f64,
) -> Option<Schedule> {
    if is_from_the_future(access, now) {
        return Some(Schedule::at(now));
    }
    let oldest = access.issued_at + policy.max_age;
    let Some(lifetime) = access.lifetime else {
        return Some(Schedule::at(oldest));
    };
    if lifetime < SHORTEST_LIFETIME {
        return None;
    }
    let margin = policy.margin.unwrap_or_else(|| (lifetime / 10).clamp(10 * MINUTE, DAY)).min(lifetime / 2);
    let jitter = margin.mul_f64(0.1 * dice);
    let due = access.issued_at + lifetime.saturating_sub(margin + jitter);
    Some(Schedule {
        due: due.min(oldest),
        latest: (due + margin / 2).min(oldest),
        expires_at: access.expires_at(),
    })
}

/// When a token that is not refreshed comes so near to its maximal age that the user should know.
pub(super) fn ages_at(access: &Access, policy: RefreshPolicy) -> Timestamp {
    access.issued_at + policy.max_age.saturating_sub(WARN_AHEAD.min(policy.max_age / 4))
}

/// When a refresh token with these times comes so near to its end that the user should know.
pub(super) fn ends_soon_at(issued_at: Timestamp, expires_at: Timestamp) -> Timestamp {
    let lifetime = expires_at.since(issued_at);
    issued_at + lifetime.saturating_sub(WARN_AHEAD.min(lifetime / 4))
}

/// The effective `min_valid` of a caller: at most half of the lifetime.
pub(super) fn min_valid(asked: Duration, lifetime: Duration) -> Duration {
    asked.min(lifetime / 2)
}

/// The pause after the `failures`th failure in a row, with full jitter.
pub(super) fn backoff(failures: u32, dice: f64) -> Duration {
    let (first, longest) = BACKOFF;
    let ceiling = first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(longest);
    ceiling.mul_f64(dice)
}

pub(super) fn spread(span: Duration, dice: f64) -> Duration {
    span.mul_f64(1.0 + 0.1 * dice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::grant::Secret;

    const ISSUED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn access(secs: u64) -> Access {
        Access {
            token: Secret::default(),
            token_type: "Bearer".into(),
            issued_at: ISSUED,
            lifetime: Some(Duration::from_secs(secs)),
            dead: false,
            witnessed: true,
        }
    }

    /// When it starts without any call, counted from the issue of the token.
    fn start(schedule: Schedule) -> Duration {
        schedule.start(Calls::default(), ISSUED).since(ISSUED)
    }

    fn due_after(expires_in: Option<i64>, dice: f64) -> Option<u64> {
        let access = Access { lifetime: lifetime(expires_in), ..access(0) };
        schedule(&access, RefreshPolicy::default(), ISSUED, dice).map(|it| start(it).as_secs())
    }

    #[rstest]
    #[case::missing(None, Some(28 * 86400))]
    #[case::zero(Some(0), Some(28 * 86400))]
    #[case::negative(Some(-3600), Some(28 * 86400))]
    #[case::below_two_seconds(Some(1), None)]
    #[case::two_seconds(Some(2), Some(1))]
    #[case::a_minute(Some(60), Some(30))]
    #[case::an_hour(Some(3600), Some(3000))]
    #[case::ten_hours(Some(36000), Some(32400))]
    #[case::four_weeks(Some(2_419_200), Some(2_419_200 - 86400))]
    #[case::imgurs_ten_years(Some(315_360_000), Some(28 * 86400))]
    #[case::two_to_the_53(Some(1 << 53), Some(28 * 86400))]
    #[case::the_largest_number(Some(i64::MAX), Some(28 * 86400))]
    fn schedules_the_refresh_by_expires_in(#[case] expires_in: Option<i64>, #[case] due: Option<u64>) {
        assert_eq!(due_after(expires_in, 0.0), due);
    }

    #[test]
    fn the_longest_lifetime_does_not_overflow() {
        assert_eq!(lifetime(Some(i64::MAX)), Some(LONGEST_LIFETIME));
        let late = Timestamp::from_millis(i64::MAX - 1) + LONGEST_LIFETIME;
        assert_eq!(late.as_millis(), i64::MAX);
    }

    #[test]
    fn a_configured_margin_counts_up_to_half_of_the_lifetime() {
        let policy = RefreshPolicy { margin: Some(Duration::from_secs(100)), ..RefreshPolicy::default() };
        let start = |lifetime| schedule(&access(lifetime), policy, ISSUED, 0.0).map(start);
        assert_eq!(start(3600), Some(Duration::from_secs(3500)));
        assert_eq!(start(60), Some(Duration::from_secs(30)));
    }

    /// A call this long after the issue.
    fn call_at(at: Duration, longest_need: Duration) -> Calls {
        Calls { last: ISSUED + at, longest_need }
    }

    #[rstest]
    #[case::no_calls(None, 60, 3000)]
    #[case::long_before(Some(1000), 60, 3000)]
    #[case::just_before(Some(2990), 60, 3050)]
    #[case::meanwhile(Some(3100), 60, 3160)]
    #[case::up_to_the_latest(Some(3290), 60, 3300)]
    #[case::never_later(Some(3500), 60, 3300)]
    #[case::sooner_for_a_longer_min_valid(Some(3170), 200, 3200)]
    #[case::when_due_for_the_longest_min_valid(Some(3100), 300, 3000)]
    #[case::excessive_min_valid(Some(3100), u64::MAX, 3000)]
    fn delays_a_refresh_until_a_pause_between_calls(
        #[case] last: Option<u64>,
        #[case] need: u64,
        #[case] starts: u64,
    ) {
        let schedule = schedule(&access(3600), RefreshPolicy::default(), ISSUED, 0.0).unwrap();
        let calls = last.map_or_else(Calls::default, |last| {
            call_at(Duration::from_secs(last), Duration::from_secs(need))
        });
        let now = ISSUED + Duration::from_secs(3550);
        assert_eq!(schedule.start(calls, now).since(ISSUED).as_secs(), starts);
    }

    #[test]
    fn a_call_from_the_future_does_not_delay_a_refresh() {
        let schedule = schedule(&access(3600), RefreshPolicy::default(), ISSUED, 0.0).unwrap();
        let calls = call_at(Duration::from_hours(9), Duration::from_mins(1));
        assert_eq!(schedule.start(calls, ISSUED).since(ISSUED).as_secs(), 3000);
    }

    proptest! {
        #[test]
        fn refreshes_before_expiry_and_after_issue(expires_in in 2_i64.., dice in 0.0..1.0_f64) {
            let due = due_after(Some(expires_in), dice).unwrap();
            prop_assert!(due < u64::try_from(expires_in).unwrap());
            prop_assert!(due <= 28 * 86400);
        }

        #[test]
        fn backs_off_for_at_most_fifteen_minutes(failures in 1_u32.., dice in 0.0..1.0_f64) {
            prop_assert!(backoff(failures, dice) <= Duration::from_mins(15));
            prop_assert!(backoff(1, dice) <= Duration::from_secs(1));
        }
    }
}
