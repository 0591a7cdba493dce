//! Tables, and a sheet for one account.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, Table};
use imgurd_proto::text::printable;
use imgurd_proto::{Account, ParameterValue, Settings, State};
use serde_json::Value;

use super::time::{expiry, relative, relative_and_clock};

/// One row for each account, with times relative to `now`.
pub(crate) fn accounts(accounts: &[Account], now: i64, color: bool) -> String {
    let mut table = new_table(color);
    let header = ["ACCOUNT", "USER", "STATE", "EXPIRES", "NEXT"];
    table.set_header(header.map(|text| Cell::new(text).add_attribute(Attribute::Bold)));
    for account in accounts {
        table.add_row([
            Cell::new(name(account)),
            Cell::new(or_dash(account.username.as_deref())),
            Cell::new(state(account)).fg(state_color(account.state)),
            Cell::new(expiry(account, now)),
            Cell::new(next(account, now)),
        ]);
    }
    render(table)
}

/// A table without colour.
pub(crate) fn plain<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = new_table(false);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|text| printable(&text)));
    }
    render(table)
}

/// Everything about one account, one fact per line.
pub(crate) fn sheet(account: &Account, now: i64) -> String {
    let mut table = new_table(false);
    let at = |time: Option<i64>| time.map(|at| relative_and_clock(at, now));
    let about = [
        ("account", Some(name(account))),
        ("user", account.username.clone()),
        ("state", Some(state(account))),
        ("reason", account.reason.clone()),
        ("expires", at(account.expires_at)),
        ("next refresh", at(account.next_refresh_at)),
        ("next try", at(account.retry_at)),
        ("granted", at(account.granted_at)),
        ("auto_refresh", Some(account.auto_refresh.to_string())),
    ];
    for (name, value) in about.into_iter().chain(settings(&account.settings)) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.add_row([name.to_owned(), printable(&value)]);
        }
    }
    render(table)
}

/// Only the settings.
pub(crate) fn settings_sheet(given: &Settings) -> String {
    let mut table = new_table(false);
    for (name, value) in settings(given) {
        if let Some(value) = value {
            table.add_row([name.to_owned(), printable(&value)]);
        }
    }
    render(table)
}

/// The settings by their names in config.toml. The prefix of `state` differs from the account's state.
fn settings(settings: &Settings) -> impl Iterator<Item = (&'static str, Option<String>)> {
    let values = serde_json::to_value(settings).unwrap_or_default();
    let setting = move |key| match &values[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(_) => settings.auth_params.as_ref().map(parameters),
        Value::Array(_) => settings.resource.as_ref().map(|all| all.values().join(" ")),
        other => Some(other.to_string()),
    };
    let keys = Settings::FIELDS.iter().filter(|key| **key != "auto_refresh");
    keys.map(move |key| (if *key == "state" { "state prefix" } else { key }, setting(key)))
}

/// The further parameters in the format of `--auth-param`.
pub(crate) fn parameters(parameters: &BTreeMap<String, ParameterValue>) -> String {
    let pairs = parameters
        .iter()
        .flat_map(|(key, parameter)| parameter.values().iter().map(move |value| format!("{key}={value}")));
    pairs.collect::<Vec<_>>().join(" ")
}

/// The name, and whether it is the default account.
pub(crate) fn name(account: &Account) -> String {
    let mark = if account.is_default { " (default)" } else { "" };
    format!("{}{mark}", account.name)
}

/// The text, or a dash if it is missing.
pub(crate) fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).map_or_else(|| "-".into(), printable)
}

fn state(account: &Account) -> String {
    let mut text = account.state.to_string();
    for (flag, word) in [(account.login_pending, "signing in"), (account.unsaved, "unsaved")] {
        if flag {
            text = format!("{text}, {word}");
        }
    }
    text
}

fn next(account: &Account, now: i64) -> String {
    match (account.retry_at, account.next_refresh_at) {
        (Some(at), _) => format!("retry {}", relative(at, now)),
        (None, Some(at)) => format!("refresh {}", relative(at, now)),
        (None, None) if !account.auto_refresh => "auto-refresh off".into(),
        (None, None) => "-".into(),
    }
}

/// Green; yellow if a token may be missing for a while; red if the user has to act.
pub(crate) fn state_color(state: State) -> Color {
    match state {
        State::Fresh => Color::Green,
        State::Empty | State::Refreshing | State::Stale | State::Waiting => Color::Yellow,
        State::ConsentNeeded | State::Misconfigured | State::StoreUnavailable => Color::Red,
    }
}

pub(super) fn new_table(color: bool) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty().style_text_only();
    if color {
        table.enforce_styling();
    }
    table
}

/// Renders a table with two spaces between columns, and none at the ends of lines.
pub(super) fn render(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn account() -> Account {
        Account {
            name: "me".into(),
            is_default: false,
            username: None,
            state: State::Fresh,
            reason: None,
            auto_refresh: true,
            login_pending: false,
            login_id: None,
            unsaved: false,
            refused: false,
            expires_at: Some(NOW + 3_120),
            next_refresh_at: Some(NOW + 2_500),
            retry_at: None,
            granted_at: Some(NOW),
            clock_skew_s: None,
            settings: Settings::default(),
        }
    }

    fn cells(account: Account) -> String {
        let table = accounts(&[account], NOW, false);
        table.lines().last().expect("a row").to_owned()
    }

    /// Removes `ESC [ … m`.
    fn colorless(text: &str) -> String {
        let mut parts = text.split('\x1b');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
    }

    #[test]
    fn shows_when_a_token_expires_and_is_refreshed() {
        assert_eq!(cells(account()), "me       -     fresh  in 52 min  refresh in 41 min");
    }

    #[test]
    fn shows_when_a_failed_refresh_is_retried() {
        let waiting = Account { state: State::Waiting, retry_at: Some(NOW + 100), ..account() };
        assert!(cells(waiting).ends_with("waiting  in 52 min  retry in 1 min"));
    }

    #[test]
    fn shows_that_auto_refresh_is_off() {
        let manual = Account { auto_refresh: false, next_refresh_at: None, expires_at: None, ..account() };
        assert!(cells(manual).ends_with("fresh  unknown  auto-refresh off"));
    }

    #[test]
    fn shows_pending_logins_and_unsaved_grants() {
        let busy = Account { login_pending: true, unsaved: true, ..account() };
        assert!(cells(busy).contains("fresh, signing in, unsaved"));
    }

    #[test]
    fn colours_do_not_change_the_table() {
        let rows = [account(), account()];
        let coloured = accounts(&rows, NOW, true);
        assert_ne!(coloured, colorless(&coloured));
        let trimmed = |text: String| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(colorless(&coloured)), trimmed(accounts(&rows, NOW, false)));
    }
}
