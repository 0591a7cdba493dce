//! When to show each notification for the first time, and when to repeat it until the user reacts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::notice::{Matter, Notice};
use crate::grant::Timestamp;

/// The notices of each account, and when to show them.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    again: Vec<Duration>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    notice: Notice,
    /// When it is shown next; `None` means not again.
    due: Option<Timestamp>,
    times: usize,
    /// Whether there was no server to show it.
    missed: bool,
    /// Whether the user is signing in, which no notification may interrupt.
    held: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// Only the text has changed.
    Reworded,
    /// The problem is over.
    Solved,
}

impl Schedule {
    /// Sets other pauses, which apply after the next showing.
    pub(super) fn set_pauses(&mut self, again: &[Duration]) {
        again.clone_into(&mut self.again);
    }

    /// Sets the notice of an account. `held` means that the user is signing in.
    pub(super) fn update(
        &mut self,
        name: &str,
        notice: Option<Notice>,
        held: bool,
        now: Timestamp,
    ) -> Change {
        let Some(notice) = notice else {
            return if self.entries.remove(name).is_some() { Change::Solved } else { Change::None };
        };
        let pause = pause(&self.again, 1);
        match self.entries.get_mut(name) {
            Some(entry) if entry.notice.matter == notice.matter => {
                // A notice that no server could show is due when a server appears, or after its pause.
                if entry.times == 0 && !entry.missed {
                    entry.due = entry.due.map(|due| due.min(now + notice.grace));
                }
                if entry.held && !held && notice.matter == Matter::Consent {
                    // A user who ended the sign-in knows the state of the account.
                    let later = pause.map(|pause| now + pause);
                    entry.due = entry.due.max(later).filter(|_| later.is_some());
                }
                entry.held = held;
                let reworded = entry.notice != notice;
                entry.notice = notice;
                if reworded { Change::Reworded } else { Change::None }
            }
            _ => {
                let due = Some(now + notice.grace);
                let entry = Entry { notice, due, times: 0, missed: false, held };
                let was_there = self.entries.insert(name.to_owned(), entry).is_some();
                if was_there { Change::Solved } else { Change::None }
            }
        }
    }

    /// The accounts that have a notice.
    pub(super) fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    pub(super) fn notice(&self, name: &str) -> Option<&Notice> {
        self.entries.get(name).map(|entry| &entry.notice)
    }

    /// The notices to show now, which count as shown.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<(String, Notice)> {
        let longest = self.again.iter().max().copied();
        let mut taken = Vec::new();
        for (name, entry) in &mut self.entries {
            // A clock that was set back must not put it off for longer than any pause.
            let latest = longest.map(|longest| now + longest.max(entry.notice.grace));
            if let (Some(due), Some(latest)) = (entry.due, latest) {
                entry.due = Some(due.min(latest));
            }
            if !entry.held && entry.due.is_some_and(|due| due <= now) {
                entry.times += 1;
                entry.missed = false;
                entry.due = pause(&self.again, entry.times).map(|pause| now + pause);
                taken.push((name.clone(), entry.notice.clone()));
            }
        }
        taken
    }

    /// Records that the user postponed it or acted on it. If that changes nothing, it returns after a whole pause.
    pub(super) fn put_off(&mut self, name: &str, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.missed = false;
            entry.due = pause(&self.again, entry.times).map(|pause| now + pause);
        }
    }

    /// Records that it was not shown, because there is no server.
    pub(super) fn missed(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name)
            && !entry.missed
        {
            entry.missed = true;
            entry.times = entry.times.saturating_sub(1);
        }
    }

    /// Records that a server has appeared, so missed notices are due.
    pub(super) fn server_appeared(&mut self, now: Timestamp) {
        for entry in self.entries.values_mut().filter(|entry| entry.missed) {
            entry.due = Some(now);
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.entries.values().filter(|entry| !entry.held).filter_map(|entry| entry.due).min()
    }
}

fn pause(again: &[Duration], times: usize) -> Option<Duration> {
    again.get(times.saturating_sub(1)).or(again.last()).copied()
}

#[cfg(test)]
mod tests;
