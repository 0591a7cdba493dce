//! One entry for many that are alike: a program that asks each second makes a line a minute.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use imgurd_proto::{JournalEntry, Outcome, Wire};
use tokio::time::Instant;

/// How long entries that are alike are counted before they are told of.
const MINUTE: Duration = Duration::from_mins(1);

/// How long refusals that are alike are counted at the most: each time, twice as long as the last.
const HOUR: Duration = Duration::from_hours(1);

/// How many kinds of refusals of one application get lines of their own within an hour: a program chooses what it asks for.
const REFUSALS: usize = 16;

const OTHERS: &str = "It was refused many other things as well";

/// How many kinds are counted at a time. One more, and all are told of, and counted anew.
const KINDS: usize = 256;

/// The kinds of entries of the last minute. The latest is the first, since it mostly comes next.
#[derive(Debug, Default)]
pub(super) struct Folds(VecDeque<Fold>);

/// What entries that are alike have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind<'a> {
    pub(super) outcome: Outcome,
    pub(super) account: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) wire: Wire,
    pub(super) application: &'a str,
    pub(super) sandboxed: bool,
    pub(super) uid: u32,
    /// A program in a sandbox may call itself another name each time, and would have a line for each: it has none here.
    pub(super) program: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
}

#[derive(Debug)]
struct Fold {
    example: JournalEntry,
    began: Instant,
    ends: Instant,
    span: Duration,
    untold: Option<JournalEntry>,
}

impl Folds {
    /// Counts one more of a kind of which some are being counted already; nothing else is to be done about it then.
    pub(super) fn count(&mut self, kind: &Kind<'_>, at: i64) -> bool {
        let Some(untold) = self.of(kind).and_then(|fold| fold.untold.as_mut()) else { return false };
        add(untold, at);
        true
    }

    /// As what this one is counted: itself, or one more of many that were refused the same application.
    pub(super) fn counted_as<'a>(&self, one: Kind<'a>) -> Kind<'a> {
        if one.outcome != Outcome::Denied || self.0.iter().any(|fold| kind(&fold.example) == one) {
            return one;
        }
        let is_alike = |fold: &&Fold| {
            let known = kind(&fold.example);
            known.outcome == Outcome::Denied
                && known.application == one.application
                && known.reason != Some(OTHERS)
        };
        if self.0.iter().filter(is_alike).count() < REFUSALS {
            return one;
        }
        Kind { account: None, method: None, program: None, reason: Some(OTHERS), ..one }
    }

    fn of(&mut self, wanted: &Kind<'_>) -> Option<&mut Fold> {
        let position = self.0.iter().position(|fold| kind(&fold.example) == *wanted)?;
        if position > 0 {
            self.0.swap(0, position);
        }
        self.0.front_mut()
    }

    /// Adds an entry at `now`. Returns the entries to write: the first of its kind at once, others after their minute.
    pub(super) fn add(&mut self, mut entry: JournalEntry, now: Instant) -> Vec<JournalEntry> {
        let mut told = self.due(now);
        if self.counted_as(kind(&entry)) != kind(&entry) {
            let reason = Some(OTHERS.to_owned());
            entry = JournalEntry { account: None, method: None, program: None, reason, ..entry };
        }
        if let Some(fold) = self.of(&kind(&entry)) {
            match &mut fold.untold {
                Some(untold) => add(untold, entry.at),
                none => *none = Some(entry),
            }
            return told;
        }
        if self.0.len() >= KINDS {
            told.extend(self.rest());
        }
        let (began, ends, span) = (now, now + MINUTE, MINUTE);
        self.0.push_front(Fold { example: entry.clone(), began, ends, span, untold: None });
        told.push(entry);
        told
    }

    /// What has been counted for its minute at `now`. Its kind goes on being counted for another.
    pub(super) fn due(&mut self, now: Instant) -> Vec<JournalEntry> {
        self.0.retain(|fold| fold.ends > now || fold.untold.is_some() || fold.is_kept(now));
        let over = self.0.iter_mut().filter(|fold| fold.ends <= now);
        let told = over.filter_map(|fold| {
            if fold.example.outcome == Outcome::Denied && fold.untold.is_some() {
                fold.span = HOUR.min(fold.span * 2);
            }
            fold.ends = now + fold.span;
            fold.untold.take()
        });
        in_order(told.collect())
    }

    /// When there will be something to tell of, though nothing happens any more.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().filter(|fold| fold.untold.is_some()).map(|fold| fold.ends).min()
    }

    /// What has been counted so far; the counting goes on.
    pub(super) fn untold(&self) -> Vec<JournalEntry> {
        in_order(self.0.iter().filter_map(|fold| fold.untold.clone()).collect())
    }

    /// What has been counted so far, at the end of the counting.
    pub(super) fn rest(&mut self) -> Vec<JournalEntry> {
        in_order(mem::take(&mut self.0).into_iter().filter_map(|fold| fold.untold).collect())
    }
}

impl Fold {
    /// Whether it is one of the few kinds that its application has within the hour.
    fn is_kept(&self, now: Instant) -> bool {
        self.example.outcome == Outcome::Denied && self.began + HOUR > now
    }
}

fn add(entry: &mut JournalEntry, at: i64) {
    entry.until = Some(at);
    entry.count += 1;
}

fn kind(entry: &JournalEntry) -> Kind<'_> {
    Kind {
        outcome: entry.outcome,
        account: entry.account.as_deref(),
        method: entry.method.as_deref(),
        wire: entry.wire,
        application: &entry.application,
        sandboxed: entry.sandboxed,
        uid: entry.uid,
        program: entry.program.as_deref().filter(|_| !entry.sandboxed),
        reason: entry.reason.as_deref(),
    }
}

fn in_order(mut entries: Vec<JournalEntry>) -> Vec<JournalEntry> {
    entries.sort_by_key(|entry| entry.at);
    entries
}
