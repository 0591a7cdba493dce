//! Combines similar entries: a program that calls each second produces one line a minute.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use imgurd_proto::{JournalEntry, Outcome, Wire};
use tokio::time::Instant;

/// How long similar entries are counted before imgurd writes the sum.
const MINUTE: Duration = Duration::from_mins(1);

/// The longest time for which similar refusals are counted. Each period is twice as long as the previous one.
const HOUR: Duration = Duration::from_hours(1);

/// How many kinds of refusals of one application get separate lines within an hour. A program can vary its
/// requests without limit.
const REFUSALS: usize = 16;

const OTHERS: &str = "imgurd refused many other calls of this application";

/// How many kinds are counted at the same time. If there is one more, imgurd writes all sums and starts
/// again.
const KINDS: usize = 256;

/// The kinds of entries of the last minute, the latest first, because it is the most likely next one.
#[derive(Debug, Default)]
pub(super) struct Folds(VecDeque<Fold>);

/// The fields that similar entries have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind<'a> {
    pub(super) outcome: Outcome,
    pub(super) account: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) wire: Wire,
    pub(super) application: &'a str,
    pub(super) sandboxed: bool,
    pub(super) uid: u32,
    /// The program's name; `None` for a sandboxed app, which could change its name for each call and get a
    /// line for each.
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
    /// Counts an entry of a kind that is already being counted. Returns false if there is no such kind.
    pub(super) fn count(&mut self, kind: &Kind<'_>, at: i64) -> bool {
        let Some(untold) = self.of(kind).and_then(|fold| fold.untold.as_mut()) else { return false };
        add(untold, at);
        true
    }

    /// The kind that an entry counts as: its own, or the common one for further refusals of the same
    /// application.
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

    /// Adds an entry at `now`. Returns the entries to write: the first of its kind immediately, others after a minute.
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

    /// The sums whose minute has ended at `now`. imgurd counts their kinds for another minute.
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

    /// When the next sum is due, if no entry comes before.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().filter(|fold| fold.untold.is_some()).map(|fold| fold.ends).min()
    }

    /// The current sums; counting continues.
    pub(super) fn untold(&self) -> Vec<JournalEntry> {
        in_order(self.0.iter().filter_map(|fold| fold.untold.clone()).collect())
    }

    /// The final sums.
    pub(super) fn rest(&mut self) -> Vec<JournalEntry> {
        in_order(mem::take(&mut self.0).into_iter().filter_map(|fold| fold.untold).collect())
    }
}

impl Fold {
    /// Whether it is still one of the separately counted kinds of its application.
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
