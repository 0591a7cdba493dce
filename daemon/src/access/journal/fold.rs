//! One entry for many that are alike: a program that asks each second makes a line a minute.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use imgurd_proto::JournalEntry;
use tokio::time::Instant;

/// How long entries that are alike are counted before they are told of.
const MINUTE: Duration = Duration::from_mins(1);

/// How many kinds are counted at a time. One more, and all are told of, and counted anew.
const KINDS: usize = 256;

/// What was told of within the last minute, and what has come since that is like it.
#[derive(Debug, Default)]
pub(super) struct Folds(HashMap<JournalEntry, Fold>);

#[derive(Debug)]
struct Fold {
    ends: Instant,
    /// Those that were not told of, as one.
    untold: Option<JournalEntry>,
}

impl Folds {
    /// Takes in what happens at `now`, and returns what is to be told of: the first of its kind at once, others when
    /// their minute is over.
    pub(super) fn add(&mut self, entry: JournalEntry, now: Instant) -> Vec<JournalEntry> {
        let mut told = self.due(now);
        let kind = kind(&entry);
        if let Some(fold) = self.0.get_mut(&kind) {
            fold.untold = Some(match fold.untold.take() {
                Some(first) => JournalEntry { until: Some(entry.at), count: first.count + 1, ..first },
                None => entry,
            });
            return told;
        }
        if self.0.len() >= KINDS {
            told.extend(self.rest());
        }
        self.0.insert(kind, Fold { ends: now + MINUTE, untold: None });
        told.push(entry);
        told
    }

    /// What has been counted for its minute at `now`. Its kind goes on being counted for another.
    pub(super) fn due(&mut self, now: Instant) -> Vec<JournalEntry> {
        self.0.retain(|_, fold| fold.ends > now || fold.untold.is_some());
        let over = self.0.values_mut().filter(|fold| fold.ends <= now);
        let told = over.filter_map(|fold| {
            fold.ends = now + MINUTE;
            fold.untold.take()
        });
        in_order(told.collect())
    }

    /// When there will be something to tell of, though nothing happens any more.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().filter(|fold| fold.untold.is_some()).map(|fold| fold.ends).min()
    }

    /// What has been counted so far; the counting goes on.
    pub(super) fn untold(&self) -> Vec<JournalEntry> {
        in_order(self.0.values().filter_map(|fold| fold.untold.clone()).collect())
    }

    /// What has been counted so far, at the end of the counting.
    pub(super) fn rest(&mut self) -> Vec<JournalEntry> {
        in_order(mem::take(&mut self.0).into_values().filter_map(|fold| fold.untold).collect())
    }
}

/// What those that are alike have in common. A program in a sandbox may call itself another name each time, and would
/// have a line for each.
fn kind(entry: &JournalEntry) -> JournalEntry {
    let program = entry.program.clone().filter(|_| !entry.sandboxed);
    JournalEntry { at: 0, pid: None, program, ..entry.clone() }
}

fn in_order(mut entries: Vec<JournalEntry>) -> Vec<JournalEntry> {
    entries.sort_by_key(|entry| entry.at);
    entries
}
