//! Calculates when to refresh, and how long to wait after a failure.

use std::time::Duration;

use super::Calls;
use crate::config::RefreshPolicy;
use crate::grant::{Access, Timestamp};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// The longest lifetime believed: Imgur's 315360000 s.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24 * 3650);
/// Tokens that live shorter are refreshed on demand only.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(2);
/// The bounds of back-off; the first failure waits at most the lower one.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(15));

/// For how long no program has to ask before an automatic refresh starts; less where the time for it is short.
const QUIET: Duration = Duration::from_mins(5);

/// The longest pause between tries while somebody waits.
pub(super) const IMPATIENT: Duration = Duration::from_secs(5);
/// A refusal is believed when the server repeats it after this long.
pub(super) const CONFIRM_AFTER: Duration = MINUTE;
/// How long a token lasts at least that is given in place of a rejected one.
pub(super) const LEAST_LEFT: Duration = MINUTE;
/// How often imgurd still tries a rejected grant.
pub(super) const REFUSED_RETRY: Duration = DAY;
/// How often imgurd still tries a rejected client.
pub(super) const MISCONFIGURED_RETRY: Duration = Duration::from_hours(1);
/// How many may ask before the record is read: as many as there are connections.
pub(super) const MOST_HELD: usize = 1024;
/// How many codes and imports may be before the server, or on their way to it, at a time.
pub(super) const MOST_REQUESTS: usize = 8;
/// How many replaced refresh tokens are remembered, by their fingerprints: a day of hourly refreshes, and more.
pub(super) const MOST_REPLACED: usize = 32;
/// How many rejected access tokens are remembered: anyone can claim that of anything while the store cannot be read.
pub(super) const MOST_REJECTED: usize = 16;
/// How long, and how often, a server may turn a refresh away without a word before that counts as a refusal.
pub(super) const WORDLESS: (Duration, u32) = (Duration::from_mins(10), 3);
/// How long a displaced grant is kept.
pub(super) const DISPLACED_FOR: Duration = Duration::from_hours(24 * 30);
/// How long before a token's maximum age imgurd warns the user, unless that is a large part of it.
const WARN_AHEAD: Duration = Duration::from_hours(24 * 3);
/// When the network returns, all accounts that waited for it retry within this time.
pub(super) const ONLINE_JITTER: Duration = Duration::from_secs(2);
/// How far the clocks of this machine and the server may differ before imgurd warns the user.
pub(super) const NOTABLE_SKEW: Duration = MINUTE;
/// How far they may differ while old grants are still thrown away by this machine's.
pub(super) const TOLERABLE_SKEW: Duration = DAY;
/// How far in the future a token may have been issued before imgurd considers the clock wrong.
const FUTURE: Duration = MINUTE;
/// The least pause between two tries, however often somebody asks.
pub(super) const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The meaning of `expires_in` (seconds): unknown if it is missing, zero or negative; at most ten years.
pub(super) fn lifetime(expires_in: Option<i64>) -> Option<Duration> {
    let seconds = u64::try_from(expires_in?).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds).min(LONGEST_LIFETIME))
}

/// Whether a token seems to have been issued in the future. Then the clock was wrong when it was, or is now, as on
/// machines that start in 1970: how long the token lasts is not known.
pub(super) fn is_from_the_future(access: &Access, now: Timestamp) -> bool {
    access.issued_at > now + FUTURE
}

/// When to refresh a token with no one asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// From when on, as soon as no program has asked for a token for a while: one that has may be in the middle of an upload,
    /// which the end of its token would spoil.
    due: Timestamp,
    /// When at the latest.
    latest: Timestamp,
    /// When the token expires, where that is known.
    expires_at: Option<Timestamp>,
}

impl Schedule {
    pub(super) fn at(due: Timestamp) -> Self {
        Self { due, latest: due, expires_at: None }
    }

    /// When the refresh starts, unless there are more calls: early enough that every caller still finds a token valid for
    /// as long as it needs.
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

/// When to refresh a token with no one asking; `dice` in 0..1 spreads many daemons apart.
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

/// When a token that is not refreshed is so near to its greatest age that the user should know.
pub(super) fn ages_at(access: &Access, policy: RefreshPolicy) -> Timestamp {
    access.issued_at + policy.max_age.saturating_sub(WARN_AHEAD.min(policy.max_age / 4))
}

/// When a refresh token that was issued and expires then is so near to its end that the user should know.
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

    /// When it starts if nobody ever calls, counted from the issue of the token.
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
    fn refreshes_as_the_rule_says_for_every_expires_in(
        #[case] expires_in: Option<i64>,
        #[case] due: Option<u64>,
    ) {
        assert_eq!(due_after(expires_in, 0.0), due);
    }

    #[test]
    fn ten_years_overflow_neither_in_milliseconds_nor_on_a_late_clock() {
        assert_eq!(lifetime(Some(i64::MAX)), Some(LONGEST_LIFETIME));
        let late = Timestamp::from_millis(i64::MAX - 1) + LONGEST_LIFETIME;
        assert_eq!(late.as_millis(), i64::MAX);
    }

    #[test]
    fn a_margin_of_the_persons_own_overrides_the_rule_up_to_half_of_the_lifetime() {
        let policy = RefreshPolicy { margin: Some(Duration::from_secs(100)), ..RefreshPolicy::default() };
        let start = |lifetime| schedule(&access(lifetime), policy, ISSUED, 0.0).map(start);
        assert_eq!(start(3600), Some(Duration::from_secs(3500)));
        assert_eq!(start(60), Some(Duration::from_secs(30)));
    }

    /// A call that came that long after the issue.
    fn call_at(at: Duration, longest_need: Duration) -> Calls {
        Calls { last: ISSUED + at, longest_need }
    }

    #[rstest]
    #[case::nobody_ever_called(None, 60, 3000)]
    #[case::long_before(Some(1000), 60, 3000)]
    #[case::just_before(Some(2990), 60, 3050)]
    #[case::meanwhile(Some(3100), 60, 3160)]
    #[case::up_to_the_latest(Some(3290), 60, 3300)]
    #[case::never_later(Some(3500), 60, 3300)]
    #[case::sooner_for_who_needs_more(Some(3170), 200, 3200)]
    #[case::when_due_for_who_needs_most(Some(3100), 300, 3000)]
    #[case::whatever_is_asked(Some(3100), u64::MAX, 3000)]
    fn a_refresh_waits_for_a_pause_between_calls_while_the_token_lasts_long_enough_for_all(
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
    fn a_call_by_a_clock_that_was_set_since_delays_nothing() {
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
        fn backs_off_between_nothing_and_a_quarter_of_an_hour(failures in 1_u32.., dice in 0.0..1.0_f64) {
            prop_assert!(backoff(failures, dice) <= Duration::from_mins(15));
            prop_assert!(backoff(1, dice) <= Duration::from_secs(1));
        }
    }
}
