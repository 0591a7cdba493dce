//! Saves each change of the record in memory to the store.

use imgurd_proto::Error;

use super::refreshing::{Refresh, Trouble};
use super::{Effect, Machine, Now, Shelf, Ticket};
use crate::grant::{Displaced, Record, Timestamp};
use crate::keeper::policy;
use crate::store::{self, IfMissing, StoreError};

#[derive(Clone, Debug, Default)]
pub(super) struct Revisions {
    revision: u64,
    grant_revision: u64,
    /// The latest revision whose loss would cost a grant or a client secret.
    vital_revision: u64,
    /// The latest revision in which the user brought a grant. The user knows what the store lacks.
    users_revision: u64,
    published: u64,
    saved: u64,
    writing: Option<u64>,
    slow: bool,
    failure: Option<String>,
    tries: u32,
    retry_at: Option<Timestamp>,
    waiting: Vec<(u64, Ticket)>,
    /// Callers to answer when a revision is saved, or when the store is known to be behind.
    acknowledging: Vec<(u64, Ticket)>,
    /// The revision whose new token is published when it is saved, and the callers that wait for it.
    unpublished: Option<(u64, Vec<Ticket>)>,
}

impl Revisions {
    pub(super) fn is_clean(&self) -> bool {
        self.saved >= self.revision
    }

    /// Whether the process may end now: everything is saved, or the store does not work and lacks only notes, such as the
    /// in-flight mark of a refresh that was not sent.
    pub(super) fn may_end(&self) -> bool {
        self.is_clean() || (self.saved >= self.vital_revision && self.lags().is_some())
    }

    /// Why the store is behind, if it is: it failed, or is slow.
    pub(super) fn lags(&self) -> Option<String> {
        let slow = self.slow.then(|| "The store does not answer".to_owned());
        (!self.is_clean()).then(|| self.failure.clone().or(slow)).flatten()
    }

    pub(super) fn grant_is_unsaved(&self) -> bool {
        let lags = self.grant_revision > self.saved && self.lags().is_some();
        self.unpublished.is_none() && (lags || self.published > self.saved)
    }

    pub(super) fn is_publishing(&self) -> bool {
        self.unpublished.is_some()
    }

    pub(super) fn has_saved(&self, revision: u64) -> bool {
        self.saved >= revision
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    pub(super) fn clock_set(&mut self, by: i64) {
        self.retry_at = self.retry_at.map(|at| at.moved(by));
    }

    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    pub(super) fn hasten(&mut self, now: Now) {
        self.retry_at = self.retry_at.map(|at| at.min(now.at + policy::LEAST_PAUSE));
    }

    pub(super) fn retry_now(&mut self) {
        self.retry_at = None;
    }

    pub(super) fn touch(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    pub(super) fn touch_client_secret(&mut self) {
        self.vital_revision = self.touch();
    }

    pub(super) fn touch_grant(&mut self) -> u64 {
        self.grant_revision = self.touch();
        self.vital_revision = self.revision;
        // Even if the store failed before: retry immediately.
        self.retry_at = None;
        self.revision
    }

    /// The user has brought a grant, or deleted all of them.
    pub(super) fn touch_by_user(&mut self) -> u64 {
        self.users_revision = self.touch_grant();
        self.users_revision
    }

    fn if_missing(&self) -> IfMissing {
        if self.users_revision > self.saved { IfMissing::Create } else { IfMissing::Fail }
    }

    pub(super) fn publish_when_saved(&mut self, tickets: impl IntoIterator<Item = Ticket>) {
        let mut waiting = self.unpublished.take().map_or_else(Vec::new, |(_, tickets)| tickets);
        waiting.extend(tickets);
        self.unpublished = Some((self.revision, waiting));
    }

    /// Takes the callers that wait for a token that will not be published.
    pub(super) fn take_unpublished(&mut self) -> Vec<Ticket> {
        self.unpublished.as_mut().map_or_else(Vec::new, |(_, tickets)| std::mem::take(tickets))
    }

    pub(super) fn reply_when_saved(&mut self, ticket: Ticket) {
        self.waiting.push((self.revision, ticket));
    }

    /// Answers when the current revision is saved; no caller waits for longer than the store's time limit.
    pub(super) fn acknowledge(&mut self, ticket: Ticket) {
        self.acknowledging.push((self.revision, ticket));
    }

    fn take_write(&mut self, now: Now) -> Option<u64> {
        let held_back = self.retry_at.is_some_and(|at| at > now.at);
        if self.is_clean() || self.writing.is_some() || held_back {
            return None;
        }
        self.retry_at = None;
        self.writing = Some(self.revision);
        self.writing
    }

    fn written(&mut self, revision: u64, result: Result<(), StoreError>, now: Now) {
        self.writing = None;
        self.slow = false;
        match result {
            Ok(()) => {
                self.saved = self.saved.max(revision);
                self.tries = 0;
                self.failure = None;
            }
            Err(error) => {
                self.tries += 1;
                self.failure = Some(error.to_string());
                self.retry_at = Some(now.at + policy::LEAST_PAUSE.max(policy::backoff(self.tries, now.dice)));
            }
        }
    }
}

impl Machine {
    /// Starts a write if the store is behind and no write is in progress. Only one at a time, so writes cannot overtake
    /// each other.
    pub(super) fn flush(&mut self) {
        if self.is_read()
            && let Some(revision) = self.revisions.take_write(self.now)
        {
            let if_missing = self.revisions.if_missing();
            self.effects.push(Effect::Save { revision, record: Box::new(self.record.clone()), if_missing });
        }
        // Do not wait again for a store that fails or hangs; serve the grant from memory.
        if self.revisions.lags().is_some() {
            self.publish();
        }
        let saved = if self.revisions.lags().is_some() { u64::MAX } else { self.revisions.saved };
        for (_, ticket) in self.revisions.acknowledging.extract_if(.., |(revision, _)| *revision <= saved) {
            self.effects.push(Effect::Reply { ticket, result: Ok(()) });
        }
    }

    pub(super) fn saved(&mut self, revision: u64, result: Result<(), StoreError>) {
        self.locked = matches!(result, Err(StoreError::Locked(_)));
        self.revisions.written(revision, result, self.now);
        if self.revisions.failure.is_some() {
            return self.store_fails();
        }
        let saved = self.revisions.saved;
        for (_, ticket) in self.revisions.waiting.extract_if(.., |(revision, _)| *revision <= saved) {
            self.effects.push(Effect::Reply { ticket, result: Ok(()) });
        }
        if self.revisions.unpublished.as_ref().is_some_and(|(revision, _)| *revision <= saved) {
            self.publish();
        }
        if matches!(self.trouble, Some(Trouble::NotRecorded { .. })) {
            self.trouble = None;
        }
        self.send_recorded();
    }

    pub(super) fn save_is_slow(&mut self, revision: u64) {
        if self.revisions.writing == Some(revision) {
            self.revisions.slow = true;
            self.store_fails();
        }
    }

    /// The store is behind and will stay so for a while. No caller waits for it, and imgurd sends nothing whose
    /// answer it could not save.
    fn store_fails(&mut self) {
        let reason = self.revisions.lags().unwrap_or_default();
        for (_, ticket) in self.revisions.waiting.drain(..) {
            let error = Error::StoreUnavailable { reason: format!("{reason}. imgurd keeps retrying") };
            self.effects.push(Effect::Reply { ticket, result: Err(error) });
        }
        self.publish();
        self.verification_not_recorded(&reason);
        if matches!(self.refresh, Refresh::Marking { .. }) {
            self.mark_failed(reason);
        }
    }

    /// Why the store still has the grants that the user deleted, if it has.
    pub(super) fn why_not_deleted(&self) -> Option<String> {
        let is_behind = !self.record.holds_a_grant() && self.revisions.grant_is_unsaved();
        let why = self.revisions.lags().filter(|_| is_behind)?;
        Some(format!(
            "You signed out, but the saved grants are not deleted yet and return if imgurd restarts. {why}"
        ))
    }

    fn publish(&mut self) {
        let Some((revision, tickets)) = self.revisions.unpublished.take() else { return };
        self.revisions.published = revision;
        self.issue += 1;
        for ticket in tickets {
            self.reply(ticket, Ok(()));
        }
    }

    pub(super) fn loaded(&mut self, result: Result<Option<Record>, StoreError>) {
        if matches!(self.shelf, Shelf::Read | Shelf::PutAway { fetching: false, .. }) {
            return;
        }
        self.locked = matches!(result, Err(StoreError::Locked(_)));
        match result {
            Err(StoreError::Vanished(reason)) => {
                self.shelf = Shelf::Vanished { reason, last_try: self.now.at }
            }
            result if matches!(self.shelf, Shelf::PutAway { .. }) => self.client_secret_loaded(result),
            Ok(Some(record)) if record.is_outdated => self.put_outdated_aside(record),
            Ok(record) => self.take_record(record.unwrap_or_default()),
            // If the user signs in because the item has vanished, and the code is spent, the error must not say only
            // that the store cannot be read.
            Err(_) if matches!(self.shelf, Shelf::Vanished { .. }) && !self.pending.is_empty() => {}
            Err(error) => {
                let tries = if let Shelf::Unread { tries, .. } = self.shelf { tries + 1 } else { 1 };
                let reason = Some(error.to_string());
                self.shelf = Shelf::Unread { loading: false, reason, tries, last_try: self.now.at };
            }
        }
        for (ticket, ask, began) in std::mem::take(&mut self.held) {
            self.carry_out(ticket, ask, began);
        }
    }

    /// Keeps the content of an outdated record, with its grant among those to restore, in case the user decides
    /// against the newer one.
    fn put_outdated_aside(&mut self, mut record: Record) {
        let grant = record.grant.take();
        record.displaced.extend(grant.map(|grant| Displaced { grant, at: self.now.at }));
        record.is_outdated = false;
        self.record = record;
        self.shelf = Shelf::Vanished { reason: store::outdated(&self.name), last_try: self.now.at };
    }

    /// Another store has replaced the previous one: saves to it what is in memory.
    pub(super) fn store_replaced(&mut self) {
        if matches!(self.shelf, Shelf::Read) && self.record.holds_a_grant() {
            self.revisions.touch();
            self.revisions.retry_now();
        }
    }

    fn take_record(&mut self, record: Record) {
        self.shelf = Shelf::Read;
        self.record = record;
        self.drop_previous_unless_tolerated();
        self.match_issuer();
        self.mark_dead_tokens();
        self.resume();
    }

    /// Starts to use a grant that was loaded, or that returned with its settings.
    pub(super) fn resume(&mut self) {
        self.schedule();
        let interrupted = self.record.in_flight.is_some();
        if interrupted || self.record.refusal.is_some() {
            // An answer was lost, or a rejection has to be confirmed: try the current token immediately.
            self.try_now();
        } else if self.pacing.somebody_waits(self.now.at)
            && self.grant().is_some()
            && !self.is_fresh(self.now.at)
        {
            // The callers asked when the record was not readable yet; auto-refresh may be off.
            self.hasten();
        }
    }

    /// When to read an unreadable store again. A vanished grant may come back too, but only a caller that waits for it
    /// makes reading worthwhile.
    pub(super) fn reload_at(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.shelf {
            Shelf::Unread { loading: false, tries, last_try, .. } => {
                Some(*last_try + policy::IMPATIENT.max(policy::backoff(*tries, 1.0)))
            }
            Shelf::Vanished { last_try, .. } if self.pacing.somebody_waits(now) => {
                Some(*last_try + policy::IMPATIENT)
            }
            _ => None,
        }
    }

    pub(super) fn reload_when_due(&mut self) {
        if self.reload_at(self.now.at).is_some_and(|at| at <= self.now.at) {
            self.reload();
        }
    }

    /// A caller waits for the record: reads it again, unless that was just done.
    pub(super) fn reload_for_somebody(&mut self) {
        let last = match &self.shelf {
            Shelf::Unread { last_try, .. } | Shelf::Vanished { last_try, .. } => *last_try,
            Shelf::Read | Shelf::PutAway { .. } => return,
        };
        if self.now.at.since(last) >= policy::LEAST_PAUSE || last > self.now.at {
            self.reload();
        }
    }

    pub(super) fn reload(&mut self) {
        match &mut self.shelf {
            Shelf::Unread { loading: loading @ false, last_try, .. } => {
                *loading = true;
                *last_try = self.now.at;
            }
            Shelf::Vanished { last_try, .. } => *last_try = self.now.at,
            Shelf::Unread { .. } | Shelf::Read | Shelf::PutAway { .. } => return,
        }
        self.effects.push(Effect::Load);
    }
}
