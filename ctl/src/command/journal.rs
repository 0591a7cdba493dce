//! `imgurctl journal`: which programs got a token, and which were denied one.

use imgurd_proto::text::printable;
use imgurd_proto::{JournalEntry, Outcome, ReadJournal};

use crate::app::App;
use crate::failure::Failure;
use crate::terminal::output::Output;
use crate::terminal::{table, time};

const HEADER: [&str; 6] = ["TIME", "ACCOUNT", "RESULT", "APPLICATION", "PROGRAM", "VIA"];

/// The widths of all columns but the last with --follow, because later entries are unknown.
const WIDTHS: [usize; 5] = [19, 12, 14, 28, 28];

pub(crate) fn journal(app: &App, account: Option<String>, follow: bool) -> Result<(), Failure> {
    let call = ReadJournal { account: account.clone(), follow: follow.then_some(true) };
    let mut keeper = app.connect()?;
    let entries = keeper.stream(&call)?.filter_map(|answer| answer.map(|reply| reply.entry).transpose());
    if app.output.json {
        for entry in entries {
            Output::print_json(&entry?)?;
        }
    } else if follow {
        Output::print(&line(&HEADER.map(str::to_owned)))?;
        for entry in entries {
            Output::print(&line(&row(&entry?)))?;
        }
    } else {
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            // Fails if there is no account with this name.
            account.map(|name| app.account(Some(&name))).transpose()?;
        }
        return print_table(app, &entries);
    }
    if follow { Err(Failure::stream_ended()) } else { Ok(()) }
}

fn print_table(app: &App, entries: &[JournalEntry]) -> Result<(), Failure> {
    if entries.is_empty() {
        app.output.say("No program has asked for a token yet.");
        return Ok(());
    }
    Output::print(&table::plain(HEADER, entries.iter().map(row)))
}

fn row(entry: &JournalEntry) -> [String; 6] {
    let sandbox = if entry.sandboxed { " (sandbox)" } else { "" };
    [
        time::clock(entry.at, "%Y-%m-%d %H:%M:%S"),
        table::or_dash(entry.account.as_deref()),
        outcome(entry),
        format!("{}{sandbox}", printable(&entry.application)),
        table::or_dash(entry.program.as_deref()),
        entry.wire.as_str().to_owned(),
    ]
}

fn outcome(entry: &JournalEntry) -> String {
    let outcome = match (entry.outcome, entry.method.as_deref(), &entry.reason) {
        (Outcome::Granted, Some("RejectToken"), _) => "another token".to_owned(),
        (Outcome::Granted, Some("Refresh"), _) => "new token".to_owned(),
        (Outcome::Granted, ..) => "token".to_owned(),
        (Outcome::Denied, _, None) => "denied".to_owned(),
        (Outcome::Denied, _, Some(reason)) => format!("denied: {}", printable(reason)),
    };
    match entry.until {
        Some(until) => format!("{outcome}, {} times until {}", entry.count, time::clock(until, "%H:%M:%S")),
        None => outcome,
    }
}

/// Puts the cells into columns; a long cell moves the next ones.
fn line(cells: &[String; 6]) -> String {
    let padded = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:width$}"));
    let cells: Vec<_> = padded.chain(cells.last().cloned()).collect();
    cells.join("  ")
}

#[cfg(test)]
mod tests {
    use imgurd_proto::Wire;

    use super::*;

    fn entry() -> JournalEntry {
        JournalEntry {
            at: 1_700_000_000,
            until: None,
            count: 1,
            outcome: Outcome::Granted,
            account: Some("me".into()),
            method: Some("GetToken".into()),
            wire: Wire::Bus,
            application: "app-gnome-firefox.scope".into(),
            sandboxed: false,
            uid: 1000,
            pid: Some(7),
            program: Some("/usr/bin/python3".into()),
            reason: None,
        }
    }

    #[test]
    fn shows_application_program_and_wire() {
        let row = row(&entry());
        assert_eq!(row[1..], ["me", "token", "app-gnome-firefox.scope", "/usr/bin/python3", "bus"]);
        assert!(row[0].starts_with("2023-11-1"), "{}", row[0]);
    }

    #[test]
    fn shows_the_count_and_the_last_time() {
        let many = JournalEntry { count: 37, until: Some(1_700_000_059), ..entry() };
        assert!(outcome(&many).starts_with("token, 37 times until "), "{}", outcome(&many));
        let rejected = JournalEntry { method: Some("RejectToken".into()), ..entry() };
        assert_eq!(outcome(&rejected), "another token");
        let refreshed = JournalEntry { method: Some("Refresh".into()), ..entry() };
        assert_eq!(outcome(&refreshed), "new token");
    }

    #[test]
    fn shows_a_denial_without_control_characters() {
        let denied = JournalEntry {
            outcome: Outcome::Denied,
            reason: Some("no\u{1b}[2J".into()),
            application: "org.evil\nApp".into(),
            program: Some("\u{1b}]0;x".into()),
            account: None,
            sandboxed: true,
            ..entry()
        };
        let row = row(&denied);
        assert_eq!(row[1..5], ["-", "denied: no[2J", "org.evil App (sandbox)", "]0;x"]);
    }

    #[test]
    fn followed_entries_are_aligned_with_the_header() {
        let header = line(&HEADER.map(str::to_owned));
        let line = line(&row(&entry()));
        assert_eq!(header.find("VIA"), line.find("bus"));
        assert_eq!(header.find("RESULT"), line.find("token"));
    }
}
