//! Automatic refreshes while programs call, on the paused clock.

use std::time::Duration;

use tokio::time::Instant;

use super::{Keeper, NEW, SECOND, WAIT, keeper};

const MINUTE: Duration = Duration::from_mins(1);

/// Calls every 10 s, for this long.
async fn ask_for(keeper: &Keeper, span: Duration, min_valid: Option<Duration>) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        let before = Instant::now();
        keeper.token(None, min_valid, WAIT).await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO, "the call does not wait");
        tokio::time::sleep(10 * SECOND).await;
    }
}

/// The token is valid for an hour. Its refresh is due after 49 to 50 minutes, and starts after 54 to 55 at the
/// latest.
#[tokio::test(start_paused = true)]
async fn a_due_refresh_waits_for_a_minute_without_calls() {
    let (keeper, server) = keeper(&[("a", NEW)], "", None).await;
    ask_for(&keeper, 52 * MINUTE, None).await;
    assert_eq!(server.requests(), 0, "no refresh starts while a program calls");
    tokio::time::sleep(40 * SECOND).await;
    assert_eq!(server.requests(), 0, "no refresh starts soon after a call");
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_starts_before_expiry_despite_constant_calls() {
    let (keeper, server) = keeper(&[("a", NEW)], "", None).await;
    ask_for(&keeper, 53 * MINUTE, None).await;
    assert_eq!(server.requests(), 0);
    ask_for(&keeper, 2 * MINUTE + SECOND, None).await;
    assert_eq!(server.requests(), 1, "the refresh starts at the latest five minutes before expiry");
}

#[tokio::test(start_paused = true)]
async fn a_long_min_valid_makes_a_refresh_start_when_due() {
    let (keeper, server) = keeper(&[("a", NEW)], "", None).await;
    ask_for(&keeper, 50 * MINUTE + SECOND, Some(9 * MINUTE)).await;
    assert_eq!(server.requests(), 1, "the refresh starts when due, and no call waits");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_caller_causes_a_refresh_immediately() {
    let (keeper, server) = keeper(&[("a", NEW)], "", None).await;
    ask_for(&keeper, 51 * MINUTE, None).await;
    let token = keeper.token(None, Some(20 * MINUTE), WAIT).await.unwrap();
    assert_eq!((token.access_token.expose(), server.requests()), ("new 1", 1));
}
