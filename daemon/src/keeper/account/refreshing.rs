//! Refreshes the token: when to ask the server, and what its answers change.

use std::time::Duration;

use imgurd_proto::{Error, RefreshReuse};

use super::{Machine, Shelf, Want};
use crate::grant::{Access, Refusal, Secret, Timestamp};
use crate::keeper::policy;
use crate::provider::{Answer, Delivery, TokenRequest, TokenResponse, Transient};

#[derive(Clone, Debug)]
pub(super) enum Refresh {
    Idle,
    /// The in-flight mark is being saved. Nothing has been sent.
    Marking {
        revision: u64,
    },
    Sent(Sent),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) op: u64,
    pub(super) generation: u64,
    pub(super) presented: Presented,
}

/// Which refresh token was sent to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presented {
    Current,
    Previous,
}

/// Why the last attempt brought no token, if the record does not say that.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Passing {
        reason: String,
        /// Determines the advice if the problem lasts.
        delivery: Delivery,
    },
    /// The server refused the client or a setting.
    Misconfigured { setting: &'static str, reason: String },
    /// The store cannot save the in-flight mark, so nothing was sent.
    NotRecorded { reason: String },
}

impl Machine {
    /// Whether the server has rejected the refresh token finally, as far as imgurd can know.
    pub(super) fn is_refused(&self) -> bool {
        self.record.refusal.is_some_and(|refusal| refusal.confirmed)
    }

    pub(super) fn wanted(&mut self, want: &Want, until: Timestamp) -> Result<(), Error> {
        self.pacing.note_waiting(until);
        self.reload_for_somebody();
        let Some(grant) = self.grant() else {
            return Ok(());
        };
        let is_current = |token: &Secret| grant.access.as_ref().is_some_and(|access| access.token == *token);
        if self.revisions.is_publishing() && !matches!(want, Want::AnotherThan(token) if is_current(token)) {
            // A new token is about to be published, and every caller here waits for it.
            return Ok(());
        }
        match want {
            Want::New | Want::AnotherThan(_) if grant.refresh_token.is_none() => {
                return Err(self.needs_sign_in());
            }
            Want::Valid(least) => {
                if !self.serves(*least, self.now.at) && !self.is_refused() && !self.is_misconfigured() {
                    self.hasten();
                }
            }
            Want::New => {
                self.rate_limit.force(self.now.at)?;
                self.try_soon();
            }
            Want::AnotherThan(rejected) => {
                let Some(access) = grant.access.as_ref().filter(|access| access.token == *rejected) else {
                    return self.replace_older();
                };
                if !access.dead {
                    let age = self.now.at.since(access.issued_at);
                    self.rate_limit.reject(self.now.at, age, access.lifetime)?;
                    self.note_rejected();
                }
                self.try_soon();
            }
        }
        Ok(())
    }

    /// A caller rejected a token that is not the current one. It gets the current one, like every other caller.
    fn replace_older(&mut self) -> Result<(), Error> {
        if self.serves(policy::LEAST_LEFT, self.now.at) || self.login.is_some() {
            return Ok(());
        }
        if self.is_refused() || self.is_misconfigured() {
            return Err(self.snapshot(self.now.at).error());
        }
        self.hasten();
        Ok(())
    }

    pub(super) fn is_misconfigured(&self) -> bool {
        matches!(self.trouble, Some(Trouble::Misconfigured { .. }))
    }

    /// A caller waits for an attempt that is due anyway.
    pub(super) fn hasten(&mut self) {
        self.revisions.hasten(self.now);
        self.pacing.hasten(self.now);
    }

    fn try_soon(&mut self) {
        self.revisions.hasten(self.now);
        self.pacing.try_soon(self.record.refusal.is_some(), self.now.at);
    }

    /// Tries immediately, in this step.
    pub(super) fn try_now(&mut self) {
        self.pacing.try_at(self.now.at);
    }

    /// When the next attempt is due; never while auto-refresh is off and no caller waits.
    pub(super) fn next_try(&self, now: Timestamp) -> Option<Timestamp> {
        let is_free = matches!(self.refresh, Refresh::Idle) && !self.is_shown_already();
        let ready = matches!(self.shelf, Shelf::Read) && is_free;
        let refresh_token = self.grant().and_then(|grant| grant.refresh_token.as_ref());
        if !ready || self.closing || self.revisions.is_publishing() || refresh_token.is_none() {
            return None;
        }
        let wanted = self.config.auto_refresh || self.pacing.somebody_waits(now) || !self.settling.is_empty();
        let out_of_turn = self.trouble.is_none() && self.record.refusal.is_none();
        match self.pacing.retry_at() {
            Some(at) => (wanted || out_of_turn).then_some(at),
            None => {
                self.schedule.filter(|_| self.config.auto_refresh).map(|it| it.start(self.now.calls, now))
            }
        }
    }

    pub(super) fn start_due_refresh(&mut self) {
        if self.grant().is_some_and(|grant| grant.refresh_token.is_none()) {
            self.settle();
        }
        if self.asleep || self.next_try(self.now.at).is_none_or(|at| at > self.now.at) {
            return;
        }
        self.pacing.start(self.now.at);
        let marked = self.record.in_flight.is_some() && self.revisions.is_clean();
        if marked {
            return self.present();
        }
        self.record.in_flight = Some(self.now.at);
        self.refresh = Refresh::Marking { revision: self.revisions.touch() };
    }

    /// The mark is saved, or is not needed: send the request.
    fn present(&mut self) {
        self.refresh = Refresh::Idle;
        let Some(grant) = self.grant() else { return };
        let generation = grant.generation;
        let (presented, token) = match (self.may_present_previous(), &self.record.previous_refresh_token) {
            (true, Some(previous)) => (Presented::Previous, Some(previous.clone())),
            _ => (Presented::Current, grant.refresh_token.clone()),
        };
        if let Some(token) = token {
            let op = self.send(TokenRequest::Refresh(token));
            self.refresh = Refresh::Sent(Sent { op, generation, presented });
        }
    }

    /// Whether imgurd may send the previous refresh token. If a server detects reuse, a replaced token would revoke
    /// the grant (RFC 9700, section 4.14.2).
    fn may_present_previous(&self) -> bool {
        let refused = self.record.refusal.is_some_and(|refusal| refusal.confirmed && !refusal.previous_tried);
        refused && self.config.refresh_reuse == RefreshReuse::Tolerated
    }

    pub(super) fn send_recorded(&mut self) {
        if self.asleep {
            return; // the mark stays, and is used when the machine has resumed
        }
        if matches!(self.refresh, Refresh::Marking { revision } if self.revisions.has_saved(revision)) {
            self.present();
        }
        self.send_recorded_verification();
    }

    /// The store cannot save the mark. If the last two answers kept the refresh token, the next one probably keeps it
    /// too, so imgurd sends that token anyway. Otherwise it sends nothing.
    pub(super) fn mark_failed(&mut self, reason: String) {
        let is_kept = self.grant().is_some_and(|grant| grant.kept >= 2) && !self.may_present_previous();
        if is_kept && !self.asleep {
            return self.present();
        }
        self.trouble = Some(Trouble::NotRecorded { reason });
        self.settle();
    }

    /// An attempt has failed. Answers the callers that wait for its end and not for a success.
    fn settle(&mut self) {
        for ticket in std::mem::take(&mut self.settling) {
            self.reply(ticket, Ok(()));
        }
    }

    pub(super) fn answered(&mut self, op: u64, answer: Answer) {
        let Some(Sent { generation, presented, .. }) = self.take_sent(op) else {
            return self.pending_answered(op, answer);
        };
        if self.record.grant.as_ref().is_none_or(|grant| grant.generation != generation) {
            return self.older_answered(op, generation, answer);
        }
        match answer {
            Answer::Granted(tokens) => return self.refreshed(op, presented, tokens),
            Answer::Refused { reason } => self.refused(presented, &reason),
            Answer::Misconfigured { setting, reason } => self.misconfigured(setting, reason),
            Answer::Transient(transient) if self.is_silent_refusal(&transient) => {
                self.refused(presented, &transient.reason);
            }
            Answer::Transient(transient) => self.failed_for_now(transient),
        }
        self.failed += 1;
        self.settle();
    }

    fn refreshed(&mut self, op: u64, presented: Presented, tokens: TokenResponse) {
        let Some(mut old) = self.record.grant.take() else {
            return;
        };
        if presented == Presented::Previous {
            // This token works, and stays valid unless the answer replaces it (RFC 6749, section 6).
            std::mem::swap(&mut old.refresh_token, &mut self.record.previous_refresh_token);
        }
        let odd_type = (!tokens.is_bearer()).then(|| tokens.token_type.clone());
        let lacks_access_token = tokens.access_token.is_none();
        let new = self.renew(&old, tokens, self.now.at);
        if new.refresh_token != old.refresh_token {
            self.record.previous_refresh_token = old.refresh_token;
        }
        let generation = new.generation;
        self.record.grant = Some(new);
        self.drop_previous_unless_tolerated();
        self.record.refusal = None;
        self.expire_displaced();
        self.revisions.touch_grant();
        if lacks_access_token {
            return self.refreshed_without_access_token(generation, op);
        }
        self.record.in_flight = None;
        self.rate_limit.succeeded(self.now.at);
        self.forget_failures();
        if let Some(odd_type) = odd_type {
            // The refresh token is kept; the access token is useless.
            self.misconfigured("token_type", Self::issues_other_tokens(&odd_type));
        }
        self.supersede(generation, op);
        let settled = std::mem::take(&mut self.settling);
        self.revisions.publish_when_saved(settled);
    }

    /// The server may accept only the new refresh token from now on, but its answer was useless otherwise. The in-flight
    /// mark stays, as after every answer that could not be read.
    fn refreshed_without_access_token(&mut self, generation: u64, op: u64) {
        self.supersede(generation, op);
        self.failed_for_now(Transient {
            reason: Self::lacks_access_token(),
            retry_after: None,
            delivery: Delivery::InDoubt,
        });
        self.failed += 1;
        self.settle();
    }

    /// The current grant is new or renewed, so earlier failures do not matter any more.
    pub(super) fn forget_failures(&mut self) {
        self.trouble = None;
        self.pacing.reset();
        self.wordless = None;
        self.schedule();
    }

    /// An answer for a replaced grant changes no current grant and undoes no logout. But if that grant can be
    /// restored, it gets the new tokens.
    fn older_answered(&mut self, op: u64, generation: u64, answer: Answer) {
        self.note_lost_answer(&answer);
        let Answer::Granted(tokens) = answer else { return };
        if let Some(index) = self.displaced_index(generation) {
            let old = self.record.displaced[index].grant.clone();
            self.record.displaced[index].grant = self.renew(&old, tokens, self.now.at);
            self.revisions.touch_grant();
            self.supersede(generation, op);
        } else {
            self.revoke_unkept(tokens);
        }
    }

    fn refused(&mut self, presented: Presented, reason: &str) {
        self.record.in_flight = None;
        self.pacing.answered();
        self.revisions.touch();
        let mut refusal = self.record.refusal.unwrap_or(refusal_since(self.now.at));
        refusal.first_at = refusal.first_at.min(self.now.at);
        refusal.confirmed |= self.now.at.since(refusal.first_at) >= policy::CONFIRM_AFTER;
        refusal.previous_tried |= presented == Presented::Previous;
        self.record.refusal = Some(refusal);
        let reason = format!("The server rejected the refresh token ({reason})");
        self.trouble = Some(Trouble::Passing { reason, delivery: Delivery::Answered });
        self.pacing.pause_until(if !refusal.confirmed {
            refusal.first_at + policy::spread(policy::CONFIRM_AFTER, self.now.dice)
        } else if self.may_present_previous() && self.record.previous_refresh_token.is_some() {
            self.now.at
        } else {
            self.now.at + policy::spread(policy::REFUSED_RETRY, self.now.dice)
        });
    }

    /// Some servers refuse an invalid refresh token without an error code (glewlwyd: 400 with an empty body). If that
    /// lasts beyond the expiry of the access token, it counts as a repeated refusal.
    fn is_silent_refusal(&mut self, transient: &Transient) -> bool {
        match transient.delivery {
            Delivery::Wordless => {}
            Delivery::Answered
            | Delivery::Undecided
            | Delivery::TooSoon
            | Delivery::Unclear
            | Delivery::NotOauth => {
                self.wordless = None;
                return false;
            }
            Delivery::NotSent | Delivery::InDoubt => return false,
        }
        let (since, tries) =
            self.wordless.map_or((self.now.at, 1), |(since, tries)| (since.min(self.now.at), tries + 1));
        self.wordless = Some((since, tries));
        let (longest, most) = policy::WORDLESS;
        let lasts =
            tries >= most && self.now.at.since(since) >= longest && !self.serves(Duration::ZERO, self.now.at);
        if lasts && self.record.refusal.is_none() {
            self.record.refusal = Some(refusal_since(since));
        }
        lasts
    }

    fn misconfigured(&mut self, setting: &'static str, reason: String) {
        self.record.in_flight = None;
        self.pacing.answered();
        self.revisions.touch();
        self.trouble = Some(Trouble::Misconfigured { setting, reason });
        self.pacing.try_at(self.now.at + policy::spread(policy::MISCONFIGURED_RETRY, self.now.dice));
    }

    /// The in-flight mark stays. After a restart it costs one attempt, and it saves the next attempt a write.
    fn failed_for_now(&mut self, transient: Transient) {
        self.pacing.failed(&transient, self.now);
        self.trouble = Some(Trouble::Passing { reason: transient.reason, delivery: transient.delivery });
    }
}

fn refusal_since(first_at: Timestamp) -> Refusal {
    Refusal { first_at, confirmed: false, previous_tried: false, witnessed: true }
}

pub(super) fn access(token: Secret, token_type: String, expires_in: Option<i64>, now: Timestamp) -> Access {
    let lifetime = policy::lifetime(expires_in);
    Access { token, token_type, issued_at: now, lifetime, dead: false, witnessed: true }
}
