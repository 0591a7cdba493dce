//! Accounts in rows and on sheets.

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, Table};
use imgurd_proto::{Account, ClientAuth, RefreshReuse, Settings, State};

use crate::output::printable;
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
    finish(&table)
}

/// A table without colour.
pub(crate) fn plain<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = new(false);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|text| printable(&text)));
    }
    finish(&table)
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
    finish(&table)
}

/// By their names in config.toml.
fn settings(settings: &Settings) -> Vec<(&'static str, Option<String>)> {
    let auth_params = settings.auth_params.as_ref().map(|params| {
        let pairs: Vec<_> = params
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
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
        (
            "client_auth",
            settings.client_auth.map(|auth| client_auth(auth).into()),
        ),
        (
            "send_redirect_uri",
            settings.send_redirect_uri.map(|sent| sent.to_string()),
        ),
        (
            "refresh_reuse",
            settings.refresh_reuse.map(|reuse| refresh_reuse(reuse).into()),
        ),
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
    text.filter(|text| !text.is_empty())
        .map_or_else(|| "-".into(), printable)
}

fn state(account: &Account) -> String {
    let mut text = account.state.to_string();
    for (flag, word) in [
        (account.login_pending, "signing in"),
        (account.unsaved, "unsaved"),
    ] {
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
    table.load_style(NOTHING).force_no_tty();
    if color {
        table.enforce_styling();
    }
    table
}

/// Lines begin at the left and end with their text.
fn finish(table: &Table) -> String {
    let lines: Vec<_> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n")
}
