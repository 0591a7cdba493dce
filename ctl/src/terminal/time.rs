//! Durations on the command line, and times in the output.

use std::time::Duration;

use imgurd_proto::{Account, State};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Reads `90` (seconds), `250ms`, `60s`, `5m` or `1h 30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.starts_with('-') || text.ends_with("ago") {
        return Err("a duration cannot be negative".into());
    }
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    let duration = span.ok().and_then(|duration| duration.try_into().ok());
    duration.ok_or_else(|| "expected a duration such as 250ms, 60s, 5m, 1h or 2d".into())
}

/// Whole seconds, rounded up: a token that must be valid for 250 ms needs a second.
pub(crate) fn seconds(duration: Duration) -> i64 {
    let up = u64::from(duration.subsec_nanos() > 0);
    i64::try_from(duration.as_secs().saturating_add(up)).unwrap_or(i64::MAX)
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The current time, in Unix seconds.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// `in 52 min`, `3 days ago`; a date for distant times.
pub(crate) fn relative(at: i64, now: i64) -> String {
    let distance = at.saturating_sub(now);
    let amount = match distance.saturating_abs() {
        0 => return "now".into(),
        seconds @ 1..MINUTE => format!("{seconds} s"),
        seconds @ MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        seconds @ HOUR..DAY => hours(seconds),
        seconds if seconds < 2 * DAY => "1 day".into(),
        seconds if seconds < 90 * DAY => format!("{} days", seconds / DAY),
        _ => return clock(at, "%Y-%m-%d"),
    };
    if distance < 0 { format!("{amount} ago") } else { format!("in {amount}") }
}

fn hours(seconds: i64) -> String {
    match (seconds / HOUR, seconds % HOUR / MINUTE) {
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// `in 52 min (2026-11-23 14:03)`, in local time.
pub(crate) fn relative_and_clock(at: i64, now: i64) -> String {
    let clock = clock(at, "%Y-%m-%d %H:%M");
    match relative(at, now) {
        date if clock.starts_with(&date) => clock,
        distance => format!("{distance} ({clock})"),
    }
}

/// A time in the local time zone.
pub(crate) fn clock(at: i64, format: &str) -> String {
    Timestamp::from_second(at).map_or_else(
        |_| "beyond the calendar".into(),
        |time| time.to_zoned_datetime(TimeZone::system()).strftime(format).to_string(),
    )
}

/// When the token of `account` expires.
pub(crate) fn expiry(account: &Account, now: i64) -> String {
    match account.expires_at {
        Some(at) => relative(at, now),
        None if account.state == State::Fresh => "unknown".into(),
        None => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        let read = |text| parse_duration(text).expect("a duration");
        assert_eq!(read("60s"), Duration::from_mins(1));
        assert_eq!(read("5m"), Duration::from_mins(5));
        assert_eq!(read("1h"), Duration::from_hours(1));
        assert_eq!(read("1h 30m"), Duration::from_mins(90));
        assert_eq!(read("250ms"), Duration::from_millis(250));
        assert_eq!(read("90"), Duration::from_secs(90));
        assert_eq!(read("0"), Duration::ZERO);
        assert_eq!(read("2d"), Duration::from_hours(48));
        assert_eq!(read("1w"), Duration::from_hours(7 * 24));
    }

    #[test]
    fn says_that_a_duration_cannot_be_negative() {
        for text in ["-1", "-5s", "5s ago"] {
            assert_eq!(parse_duration(text), Err("a duration cannot be negative".into()));
        }
    }

    #[test]
    fn refuses_other_texts_as_durations() {
        for text in ["", "soon", "5 parsecs", "99999999999999999999"] {
            let error = parse_duration(text).expect_err("this is not a duration");
            assert!(error.starts_with("expected a duration"), "{error}");
        }
    }

    #[test]
    fn rounds_up_to_whole_seconds() {
        assert_eq!(seconds(Duration::from_millis(250)), 1);
        assert_eq!(seconds(Duration::from_mins(1)), 60);
        assert_eq!(seconds(Duration::MAX), i64::MAX);
        assert_eq!(milliseconds(Duration::MAX), i64::MAX);
    }

    #[test]
    fn shows_relative_times() {
        let at = |distance| relative(1_000_000 + distance, 1_000_000);
        assert_eq!(at(0), "now");
        assert_eq!(at(40), "in 40 s");
        assert_eq!(at(52 * MINUTE + 59), "in 52 min");
        assert_eq!(at(2 * HOUR), "in 2 h");
        assert_eq!(at(2 * HOUR + 5 * MINUTE), "in 2 h 5 min");
        assert_eq!(at(DAY + HOUR), "in 1 day");
        assert_eq!(at(28 * DAY), "in 28 days");
        assert_eq!(at(-5 * MINUTE), "5 min ago");
    }

    #[test]
    fn shows_a_date_for_distant_times() {
        assert_eq!(relative(2_000_030_000, 1_600_000_000), "2033-05-18");
    }

    #[test]
    fn adds_the_clock_time_except_to_a_date() {
        assert!(relative_and_clock(1_700_000_060, 1_700_000_000).starts_with("in 1 min (2023-11-1"));
        assert!(!relative_and_clock(2_000_030_000, 1_600_000_000).contains('('));
    }

    #[test]
    fn accepts_times_beyond_the_calendar() {
        assert_eq!(relative(i64::MAX, 0), "beyond the calendar");
        assert_eq!(relative(i64::MIN, i64::MAX), "beyond the calendar");
    }
}
