//! Taking in grants (login, restore) and letting them go (logout). What makes way is kept.

use std::path::PathBuf;

use imgurd_proto::{Error, Secret};
use url::Url;

use super::importing::Import;
use super::refreshing::{Refresh, access};
use super::whose::Asking;
use super::{Account, Began, CHANGED_MEANWHILE, Effect, Now, Shelf, Ticket};
use crate::grant::{Displaced, Grant, Issuer, Record, Timestamp};
use crate::keeper::policy;
use crate::provider::{Answer, TokenRequest, TokenResponse, Transient};

/// A request that is no refresh of the grant in use.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    /// A code or PIN is being exchanged.
    Exchange { op: u64, ticket: Ticket, began: Began, replace: bool },
    /// An imported grant, set aside for now, is being recorded before it is spent on its verification.
    Recording { revision: u64, import: Import },
    /// An imported grant is being verified.
    Verify { op: u64, import: Import },
}

/// Who says whose tokens are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The token endpoint, which answered ourselves.
    Servers,
    /// A redirect that came through the browser: anyone's.
    Browsers,
}

/// How tokens have come.
pub(super) struct Arrival {
    /// Where from.
    pub(super) issuer: Issuer,
    /// Who says whose they are.
    pub(super) word: Word,
    /// Whether another person's grant may make way.
    pub(super) replace: bool,
    /// The number of the first request that may have led to them.
    pub(super) began: u64,
}

impl Account {
    pub(super) fn exchange(
        &mut self,
        ticket: Ticket,
        request: TokenRequest,
        began: Began,
        replace: bool,
        fx: &mut Vec<Effect>,
    ) {
        let op = self.send(request, fx);
        self.pending.push(Pending::Exchange { op, ticket, began, replace });
    }

    /// Takes tokens in that `issuer` gave; `began` is the number of the first request that may have led to them.
    pub(super) fn accept(
        &mut self,
        ticket: Ticket,
        tokens: TokenResponse,
        arrival: Arrival,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let TokenResponse {
            access_token,
            token_type,
            refresh_token,
            expires_in,
            refresh_expires_in,
            username,
            account_id,
            ..
        } = tokens;
        let Arrival { issuer, word, replace, began } = arrival;
        let grant = Grant {
            generation: self.next_generation(),
            issuer,
            refresh_token,
            access: Some(access(access_token, token_type, expires_in, now.at)),
            username,
            account_id,
            granted_at: now.at,
            kept: 0,
            refresh_expires_at: policy::lifetime(refresh_expires_in).map(|lifetime| now.at + lifetime),
            unverified: false,
        };
        if !grant.issuer.is(&self.config.issuer()) {
            let set_aside = Some(describe(&grant));
            self.set_aside(grant, now);
            let reason = format!("The new grant is set aside, since {CHANGED_MEANWHILE}");
            return fx.push(Effect::Reply { ticket, result: Err(Error::LoginFailed { reason, set_aside }) });
        }
        if let Some(current) = self.working().filter(|_| !replace) {
            let anothers = current.is_anothers(&grant).then(|| self.is_anothers(&grant, current));
            let (generation, vouched) = (grant.generation, word == Word::Servers);
            self.set_aside(grant, now);
            return match anothers {
                Some(error) => fx.push(Effect::Reply { ticket, result: Err(error) }),
                None => self.ask_whose(Asking { ticket, generation, vouched, began }, now, fx),
            };
        }
        let generation = grant.generation;
        self.install(grant, now);
        self.supersede(generation, began, now);
        self.publish_or_settle(ticket);
    }

    /// Who signed in or restored waits for the token, and where that is dead or in doubt, for the refresh that brings
    /// another.
    pub(super) fn publish_or_settle(&mut self, ticket: Ticket) {
        let is_dead = self.grant().and_then(|grant| grant.access.as_ref()).is_none_or(|access| access.dead);
        if is_dead && self.retry_at.is_some() && self.trouble.is_none() {
            return self.settling.push(ticket);
        }
        self.ledger.publish_when_saved([ticket]);
    }

    /// What to ask the API with whose grant it is.
    pub(in crate::keeper) fn identifiable(&self) -> Option<(u64, Url, Option<PathBuf>, Secret)> {
        let (grant, config) = (self.grant()?, &self.config);
        let token = grant.access.as_ref()?.token.clone();
        Some((grant.generation, config.api_url.clone()?, config.ca_file.clone(), token))
    }

    pub(super) fn identified(&mut self, generation: u64, username: String) {
        let grant = self.record.grant.as_mut().filter(|grant| grant.generation == generation);
        if let Some(grant) = grant.filter(|grant| grant.username.as_ref() != Some(&username)) {
            grant.username = Some(username);
            self.ledger.touch();
        }
    }

    pub(super) fn pending_answered(&mut self, op: u64, answer: Answer, now: Now, fx: &mut Vec<Effect>) {
        let position = self.pending.iter().position(|pending| match pending {
            Pending::Exchange { op: sent, .. } | Pending::Verify { op: sent, .. } => *sent == op,
            Pending::Recording { .. } => false,
        });
        match position.map(|index| self.pending.swap_remove(index)) {
            Some(Pending::Exchange { ticket, began, replace, .. }) => match answer {
                Answer::Granted(_) if began.logouts != self.logouts => {
                    fx.push(Effect::Reply { ticket, result: Err(self.signed_out_meanwhile()) });
                }
                Answer::Granted(tokens) => {
                    if began.issuer.is(&self.config.issuer()) {
                        self.note_proven();
                    }
                    let arrival = Arrival { issuer: began.issuer, word: Word::Servers, replace, began: op };
                    self.accept(ticket, tokens, arrival, now, fx);
                }
                other => {
                    self.doubt(&other, now);
                    fx.push(Effect::Reply { ticket, result: Err(self.exchange_failed(other)) });
                }
            },
            Some(Pending::Verify { import, .. }) => self.verified(op, import, answer, now, fx),
            Some(Pending::Recording { .. }) | None => {}
        }
    }

    pub(super) fn restore(&mut self, ticket: Ticket, now: Now, fx: &mut Vec<Effect>) {
        let Some(index) = self.restorable() else {
            let reason =
                format!("Nothing was displaced in {} within 30 days; run `imgurctl login {0}`", self.name);
            return fx.push(Effect::Reply { ticket, result: Err(Error::invalid("account", reason)) });
        };
        let restored = &self.record.displaced[index].grant;
        if restored.unverified && self.working().is_some() {
            if self.is_on_its_way(restored) {
                return fx.push(Effect::Reply { ticket, result: Err(self.is_verifying()) });
            }
            return self.verify(ticket, index, false, false);
        }
        let grant = self.record.displaced.remove(index).grant;
        let made_way = self.record.grant.is_some();
        self.install(grant, now);
        if made_way {
            // It is the last to come back, so that each is reached in turn.
            self.record.displaced.rotate_right(1);
        }
        // Its access token may have been killed by the sign-in that displaced it (an Imgur report: ShareX#1158).
        self.try_now(now);
        self.ledger.publish_when_saved([ticket]);
    }

    /// Forgets every grant, and keeps the client's secret for the next login.
    pub(super) fn logout(&mut self, ticket: Ticket, fx: &mut Vec<Effect>) {
        self.login_expected = false;
        if matches!(self.shelf, Shelf::PutAway { .. }) {
            return fx.push(Effect::Reply { ticket, result: Ok(()) }); // nothing is left to forget
        }
        self.record = Record {
            client_secret: self.record.client_secret.take(),
            replaced: std::mem::take(&mut self.record.replaced),
            proven: std::mem::take(&mut self.record.proven),
            client_secret_issuer: self.record.client_secret_issuer.take(),
            other_client_secrets: std::mem::take(&mut self.record.other_client_secrets),
            next_generation: self.record.next_generation,
            ..Record::default()
        };
        self.shelf = Shelf::Read;
        self.use_none();
        self.ledger.touch_grant();
        let bringing = self.ledger.take_unpublished().into_iter().chain(std::mem::take(&mut self.settling));
        for ticket in bringing {
            fx.push(Effect::Reply { ticket, result: Err(self.signed_out_meanwhile()) });
        }
        self.ledger.reply_when_saved(ticket);
    }

    /// A changed identity sets the grant aside; changing it back restores it.
    pub(super) fn bring_back_what_fits(&mut self, now: Now) {
        if self.grant().is_some() || !matches!(self.shelf, Shelf::Read) {
            return;
        }
        if let Some(index) = self.restorable() {
            let grant = self.record.displaced.remove(index).grant;
            self.install(grant, now);
        }
    }

    /// The grant displaced last of those that fit the configuration; one that was never verified has displaced nothing and
    /// comes last. One that is just being verified is in use.
    fn restorable(&self) -> Option<usize> {
        let (issuer, verifying) = (self.config.issuer(), self.verifying());
        let fits = |grant: &Grant| grant.issuer.is(&issuer) && Some(grant.generation) != verifying;
        let displaced = &self.record.displaced;
        let verified = displaced.iter().rposition(|it| fits(&it.grant) && !it.grant.unverified);
        verified.or_else(|| displaced.iter().rposition(|it| fits(&it.grant)))
    }

    /// Not while the clock may be wrong: what it throws away does not come back.
    pub(super) fn forget_old_displaced(&mut self, now: Now) {
        if !self.clock_is_confirmed() {
            return;
        }
        let (before, verifying) = (self.record.displaced.clone(), self.verifying());
        for displaced in &mut self.record.displaced {
            displaced.at = displaced.at.min(now.at);
        }
        // Its answer may be on its way: where the machine sleeps, a request takes as long as that.
        let is_verifying = |it: &Displaced| Some(it.grant.generation) == verifying;
        let is_recent = |it: &Displaced| now.at.since(it.at) < policy::DISPLACED_FOR;
        self.record.displaced.retain(|displaced| is_recent(displaced) || is_verifying(displaced));
        if self.record.displaced != before {
            self.ledger.touch();
        }
    }

    /// When a grant makes way: now, or in a future that begins as soon as the clock can be trusted.
    fn displaced_at(&self, now: Now) -> Timestamp {
        if self.clock_is_confirmed() { now.at } else { Timestamp::from_millis(i64::MAX) }
    }

    /// `grant` becomes the one in use, and is handed out once it is stored; the one before it is kept.
    pub(super) fn install(&mut self, grant: Grant, now: Now) {
        self.forget_old_displaced(now);
        if let Some(old) = self.record.grant.replace(grant) {
            let at = self.displaced_at(now);
            self.record.displaced.push(Displaced { grant: old, at });
        }
        self.shelf = Shelf::Read;
        self.use_none();
        self.ledger.touch_grant();
        self.begin_anew(now);
        let settled = std::mem::take(&mut self.settling);
        self.ledger.publish_when_saved(settled);
    }

    fn use_none(&mut self) {
        self.record.in_flight = None;
        self.record.refusal = None;
        if let previous @ Some(_) = self.record.previous_refresh_token.take() {
            self.note_replaced(previous);
        }
        self.trouble = None;
        self.retry_at = None;
        self.refresh_at = None;
        // A mark on its way is void; a request on its way goes on, and its answer finds its grant by generation.
        if matches!(self.refresh, Refresh::Marking { .. }) {
            self.refresh = Refresh::Idle;
        }
    }

    pub(super) fn set_aside(&mut self, grant: Grant, now: Now) -> u64 {
        self.forget_old_displaced(now);
        let at = self.displaced_at(now);
        self.record.displaced.push(Displaced { grant, at });
        self.shelf = Shelf::Read;
        self.ledger.touch_grant()
    }

    pub(super) fn next_generation(&mut self) -> u64 {
        self.record.next_generation += 1;
        self.record.next_generation
    }

    /// The grant in use, unless the server has refused it for good.
    pub(super) fn working(&self) -> Option<&Grant> {
        self.grant().filter(|_| !self.is_refused())
    }

    pub(super) fn belongs_to_another(&self, candidate: &Grant, current: &Grant, then: &str) -> Error {
        let name = &self.name;
        let (candidate, current) = (describe(candidate), describe(current));
        Error::invalid(
            "replace",
            format!("The grant is {candidate}'s, but {name} holds that of {current}: {then}"),
        )
    }

    fn exchange_failed(&self, answer: Answer) -> Error {
        match answer {
            Answer::Misconfigured { setting, reason } => {
                self.misconfigured_by(setting, &reason, "sign in again")
            }
            Answer::Refused { reason } => {
                Error::login(format!("The server refused the answer ({reason}); sign in again"))
            }
            Answer::Transient(Transient { reason, .. }) => {
                Error::login(format!("The sign-in could not be completed: {reason}; sign in again"))
            }
            Answer::Granted(_) => Error::login("The server's answer came twice; run `imgurctl status`"),
        }
    }

    pub(super) fn misconfigured_by(&self, setting: &str, reason: &str, then: &str) -> Error {
        let reason = format!("{reason}; {}, then {then}", self.mended(setting));
        Error::Misconfigured { setting: setting.to_owned(), reason }
    }
}

pub(super) fn describe(grant: &Grant) -> String {
    grant.username.clone().unwrap_or_else(|| "somebody unnamed".to_owned())
}
