//! What is left of the requests that the API allows.

use imgurd_proto::{Credits, GetCredits, SomeCredits};

use crate::app::App;
use crate::failure::Failure;
use crate::output::Output;
use crate::{table, time};

pub(crate) fn credits(app: &App, account: Option<String>) -> Result<(), Failure> {
    let said = app.call(&GetCredits { account, wait_ms: None })?;
    if app.output.json {
        return Output::print_json(&said);
    }
    Output::print(&page(&said, time::now()))
}

fn page(said: &SomeCredits, now: i64) -> String {
    let Credits { user_limit, user_remaining, user_reset, client_limit, client_remaining } = said.credits;
    let user_again = user_reset.map_or_else(|| "-".into(), |at| time::relative_and_clock(at, now));
    let rows = [
        [said.account.clone(), figure(user_remaining), figure(user_limit), user_again],
        // The API says of which day the limit is as little as when that ends.
        ["its application".into(), figure(client_remaining), figure(client_limit), "within a day".into()],
    ];
    table::plain(["CREDITS OF", "LEFT", "OF", "ALL AGAIN"], rows.into_iter())
}

/// `12,500`, as Imgur's own pages have it; a dash for what was not said.
fn figure(number: Option<i64>) -> String {
    let Some(number) = number else { return "-".into() };
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
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
    fn says_what_is_left_of_how_much_and_when_there_is_more() {
        let lines = lines(Credits {
            user_limit: Some(500),
            user_remaining: Some(0),
            user_reset: Some(1_700_003_120),
            client_limit: Some(12_500),
            client_remaining: Some(1_234_567),
        });
        assert!(
            lines[1].starts_with("me               0          500     in 52 min (2023-11-1"),
            "{lines:?}"
        );
        assert_eq!(lines[2], "its application  1,234,567  12,500  within a day");
    }

    #[test]
    fn invents_no_figure_that_was_not_said() {
        let lines = lines(Credits { client_remaining: Some(-1000), ..Credits::default() });
        assert_eq!(lines[1], "me               -       -   -");
        assert_eq!(lines[2], "its application  -1,000  -   within a day");
    }
}
