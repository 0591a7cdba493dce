//! Accounts in rows and on sheets.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, Table};
use imgurd_proto::text::printable;
use imgurd_proto::{Account, ClientAuth, RefreshReuse, Settings, State};

use crate::time::{expiry, relative, relative_and_clock};

/// The accounts as they are at `now`, one a row.
pub(crate) fn accounts(accounts: &[Account], now: i64, color: bool) -> String {
    let mut table = new(color);
    let header = ["ACCOUNT", "USER", "STATE", "EXPIRES", "NEXT"];
    table.set_header(header.map(|text| Cell::new(text).add_attribute(Attribute::Bold)));
    for account in accounts {
        table.add_row([
            Cell::new(name(account)),
            Cell::new(optional(account.username.as_deref())),
            Cell::new(state(account)).fg(hue(account.state)),
            Cell::new(expiry(account, now)),
            Cell::new(next(account, now)),
        ]);
    }
    finish(table)
}

/// A table without colour.
pub(crate) fn plain<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = new(false);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|text| printable(&text)));
    }
    finish(table)
}

/// Everything about one account, a line each.
pub(crate) fn sheet(account: &Account, now: i64) -> String {
    let mut table = new(false);
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
    finish(table)
}

/// By their names in config.toml.
fn settings(settings: &Settings) -> Vec<(&'static str, Option<String>)> {
    let auth_params = settings.auth_params.as_ref().map(|params| {
        let pairs: Vec<_> = params.iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(" ")
    });
    vec![
        ("client_id", settings.client_id.clone()),
        ("flow", settings.flow.map(|flow| flow.as_str().into())),
        ("redirect_uri", settings.redirect_uri.clone()),
        ("auth_url", settings.auth_url.clone()),
        ("token_url", settings.token_url.clone()),
        ("api_url", settings.api_url.clone()),
        ("scope", settings.scope.clone()),
        ("state prefix", settings.state.clone()),
        ("client_auth", settings.client_auth.map(|auth| client_auth(auth).into())),
        ("send_redirect_uri", settings.send_redirect_uri.map(|sent| sent.to_string())),
        ("refresh_reuse", settings.refresh_reuse.map(|reuse| refresh_reuse(reuse).into())),
        ("ca_file", settings.ca_file.clone()),
        ("issuer", settings.issuer.clone()),
        ("auth_params", auth_params),
    ]
}

fn client_auth(auth: ClientAuth) -> &'static str {
    match auth {
        ClientAuth::Body => "body",
        ClientAuth::Basic => "basic",
    }
}

fn refresh_reuse(reuse: RefreshReuse) -> &'static str {
    match reuse {
        RefreshReuse::Tolerated => "tolerated",
        RefreshReuse::Revokes => "revokes",
    }
}

/// The name, with a word for the default one.
pub(crate) fn name(account: &Account) -> String {
    let mark = if account.is_default { " (default)" } else { "" };
    format!("{}{mark}", account.name)
}

/// A dash for what there is not.
pub(crate) fn optional(text: Option<&str>) -> String {
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

fn hue(state: State) -> Color {
    match state {
        State::Fresh => Color::Green,
        State::Empty | State::Refreshing | State::Stale | State::Waiting => Color::Yellow,
        State::ConsentNeeded | State::Misconfigured | State::StoreUnavailable => Color::Red,
    }
}

fn new(color: bool) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty().style_text_only();
    if color {
        table.enforce_styling();
    }
    table
}

/// Lines begin at the left, keep two spaces between columns and end with their text.
fn finish(mut table: Table) -> String {
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

    /// Without what `ESC [ … m` sets.
    fn colorless(text: &str) -> String {
        let mut parts = text.split('\x1b');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
    }

    #[test]
    fn says_when_a_token_expires_and_is_refreshed() {
        assert_eq!(cells(account()), "me       -     fresh  in 52 min  refresh in 41 min");
    }

    #[test]
    fn says_when_a_failed_refresh_is_tried_again() {
        let waiting = Account { state: State::Waiting, retry_at: Some(NOW + 100), ..account() };
        assert!(cells(waiting).ends_with("waiting  in 52 min  retry in 1 min"));
    }

    #[test]
    fn says_that_nothing_is_scheduled() {
        let manual = Account { auto_refresh: false, next_refresh_at: None, expires_at: None, ..account() };
        assert!(cells(manual).ends_with("fresh  unknown  auto-refresh off"));
    }

    #[test]
    fn marks_what_is_going_on_beside_the_state() {
        let busy = Account { login_pending: true, unsaved: true, ..account() };
        assert!(cells(busy).contains("fresh, signing in, unsaved"));
    }

    #[test]
    fn looks_the_same_in_colour_but_for_the_colour() {
        let rows = [account(), account()];
        let coloured = accounts(&rows, NOW, true);
        assert_ne!(coloured, colorless(&coloured));
        let trimmed = |text: String| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(colorless(&coloured)), trimmed(accounts(&rows, NOW, false)));
    }
}
