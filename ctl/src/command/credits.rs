//! `imgurctl status --credits`: how many requests the API still allows.

use imgurd_proto::{Credits, GetCredits, SomeCredits};

use crate::app::App;
use crate::failure::Failure;
use crate::terminal::{table, time};

pub(crate) fn credits(app: &App, account: Option<String>) -> Result<(), Failure> {
    let reply = app.call(&GetCredits { account, wait_ms: None })?;
    app.output.print_value(&reply, |reply| page(reply, time::now()))
}

fn page(reply: &SomeCredits, now: i64) -> String {
    let Credits { user_limit, user_remaining, user_reset, client_limit, client_remaining } = reply.credits;
    let reset = user_reset.map_or_else(|| "-".into(), |at| time::relative_and_clock(at, now));
    let rows = [
        [reply.account.clone(), grouped(user_remaining), grouped(user_limit), reset],
        // The API does not tell when this daily limit resets.
        ["(application)".into(), grouped(client_remaining), grouped(client_limit), "within a day".into()],
    ];
    table::plain(["ACCOUNT", "LEFT", "LIMIT", "RESET"], rows.into_iter())
}

/// `12,500`, as on Imgur's own pages; a dash for an unknown number.
fn grouped(number: Option<i64>) -> String {
    let Some(number) = number else { return "-".into() };
    let mut text = number.to_string();
    let first_digit = usize::from(number < 0);
    for at in (first_digit + 1..text.len()).rev().skip(2).step_by(3) {
        text.insert(at, ',');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(credits: Credits) -> Vec<String> {
        let said = SomeCredits { account: "me".into(), credits };
        page(&said, 1_700_000_000).lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn shows_remaining_credits_limits_and_reset_times() {
        let lines = lines(Credits {
            user_limit: Some(500),
            user_remaining: Some(0),
            user_reset: Some(1_700_003_120),
            client_limit: Some(12_500),
            client_remaining: Some(1_234_567),
        });
        assert!(lines[1].starts_with("me             0          500     in 52 min (2023-11-1"), "{lines:?}");
        assert_eq!(lines[2], "(application)  1,234,567  12,500  within a day");
    }

    #[test]
    fn shows_a_dash_for_unknown_credits() {
        let lines = lines(Credits { client_remaining: Some(-1000), ..Credits::default() });
        assert_eq!(lines[1], "me             -       -      -");
        assert_eq!(lines[2], "(application)  -1,000  -      within a day");
    }
}
