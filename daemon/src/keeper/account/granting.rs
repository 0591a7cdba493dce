//! Taking in grants (login, import, restore) and letting them go (logout). What makes way is kept.

use imgurd_proto::{Error, Secret};
use url::Url;

use super::refreshing::{Refresh, access, renewed};
use super::{Account, Effect, Now, Shelf, Ticket};
use crate::grant::{Displaced, Grant, Record};
use crate::keeper::policy;
use crate::provider::{Answer, TokenRequest, TokenResponse, Transient};

/// A request that is no refresh of the grant in use.
#[derive(Clone, Debug)]
pub(super) enum Pending {
    /// A code or PIN is being exchanged.
    Exchange { op: u64, ticket: Ticket, replace: bool },
    /// An imported grant, set aside for now, is being recorded before it is spent on its verification.
    Recording { revision: u64, import: Import },
    /// An imported grant is being verified.
    Verify { op: u64, import: Import },
}

/// An import over a working grant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Import {
    ticket: Ticket,
    generation: u64,
    /// Whether it may displace what it cannot be compared with.
    replace: bool,
    /// Whether the grant came with it, rather than having been set aside before.
    is_new: bool,
}

impl Account {
    pub(super) fn exchange(
        &mut self,
        ticket: Ticket,
        request: TokenRequest,
        replace: bool,
        fx: &mut Vec<Effect>,
    ) {
        let op = self.send(request, fx);
        self.pending.push(Pending::Exchange { op, ticket, replace });
    }

    pub(super) fn accept(
        &mut self,
        ticket: Ticket,
        tokens: TokenResponse,
        replace: bool,
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
        let grant = Grant {
            generation: self.next_generation(),
            issuer: self.config.issuer(),
            refresh_token,
            access: Some(access(access_token, token_type, expires_in, now.at)),
            username,
            account_id,
            granted_at: now.at,
            kept: 0,
            refresh_expires_at: policy::lifetime(refresh_expires_in).map(|lifetime| now.at + lifetime),
        };
        let anothers = self.working().filter(|current| current.is_anothers(&grant)).map(describe);
        if let Some(holder) = anothers.filter(|_| !replace) {
            let name = &self.name;
            let reason = format!(
                "{} signed in, but {name} holds the grant of {holder}: it stays, and the new one is set aside; run \
                 `imgurctl restore {name}` to change over to it, or sign in with --replace",
                describe(&grant)
            );
            let set_aside = Some(describe(&grant));
            self.set_aside(grant, now);
            return fx.push(Effect::Reply { ticket, result: Err(Error::LoginFailed { reason, set_aside }) });
        }
        self.install(grant, now);
        self.ledger.publish_when_saved([ticket]);
    }

    /// What to ask the API with whose grant it is.
    pub(in crate::keeper) fn identifiable(&self) -> Option<(u64, Url, Secret)> {
        let grant = self.grant()?;
        Some((grant.generation, self.config.api_url.clone()?, grant.access.as_ref()?.token.clone()))
    }

    pub(super) fn identified(&mut self, generation: u64, username: String) {
        let grant = self.record.grant.as_mut().filter(|grant| grant.generation == generation);
        if let Some(grant) = grant.filter(|grant| grant.username.as_ref() != Some(&username)) {
            grant.username = Some(username);
            self.ledger.touch();
        }
    }

    pub(super) fn candidate(
        &mut self,
        refresh_token: Secret,
        access_token: Option<Secret>,
        username: Option<String>,
        now: Now,
    ) -> Grant {
        // How old an imported access token is nobody knows, so nothing is known of its expiry either.
        let access = access_token.map(|token| access(token, "Bearer".to_owned(), None, now.at));
        Grant {
            generation: self.next_generation(),
            issuer: self.config.issuer(),
            refresh_token: Some(refresh_token),
            access,
            username,
            account_id: None,
            granted_at: now.at,
            kept: 0,
            refresh_expires_at: None,
        }
    }

    /// Without a working grant the candidate becomes the grant, and its first refresh verifies it. Otherwise it is
    /// verified first, from the place where displaced grants are kept, so that spending it cannot lose it.
    pub(super) fn import(
        &mut self,
        ticket: Ticket,
        candidate: Grant,
        replace: bool,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let current = self.working();
        if let Some(current) = current.filter(|current| current.is_anothers(&candidate) && !replace) {
            let reason =
                self.belongs_to_another(&candidate, current, "nothing was changed; import it with --replace");
            return fx.push(Effect::Reply { ticket, result: Err(reason) });
        }
        if self.is_on_its_way(&candidate) {
            let reason = format!("An import into {} is being verified; try again in a moment", self.name);
            let error = Error::TemporarilyUnavailable { reason, retry_at: None };
            return fx.push(Effect::Reply { ticket, result: Err(error) });
        }
        let is_the_same = current.is_some_and(|current| current.refresh_token == candidate.refresh_token);
        let has_none = current.is_none();
        let is_held =
            |it: &Grant| it.refresh_token == candidate.refresh_token && it.issuer == candidate.issuer;
        let held = self.record.displaced.iter().position(|displaced| is_held(&displaced.grant));
        if has_none || is_the_same {
            let grant = held.map_or(candidate, |index| self.record.displaced.remove(index).grant);
            if !is_the_same {
                self.install(grant, now);
            }
            self.settling.push(ticket);
            return self.try_now(now);
        }
        let generation =
            held.map_or(candidate.generation, |index| self.record.displaced[index].grant.generation);
        let is_new = held.is_none();
        let revision = if is_new { self.set_aside(candidate, now) } else { self.ledger.touch() };
        self.pending
            .push(Pending::Recording { revision, import: Import { ticket, generation, replace, is_new } });
    }

    /// Whether another import is being verified, or this very token may be before the server already: for the grant
    /// that made way, or for one that was logged out and whose answer nobody will keep.
    fn is_on_its_way(&self, candidate: &Grant) -> bool {
        let sent = match self.refresh {
            Refresh::Sent { generation, .. } if !self.is_in_use(generation) => {
                Some(self.displaced(generation))
            }
            _ => None,
        };
        let may_be_this =
            |sent: Option<&Grant>| sent.is_none_or(|it| it.refresh_token == candidate.refresh_token);
        self.verifying().is_some() || sent.is_some_and(may_be_this)
    }

    fn is_in_use(&self, generation: u64) -> bool {
        self.record.grant.as_ref().is_some_and(|grant| grant.generation == generation)
    }

    pub(super) fn send_recorded_verification(&mut self, fx: &mut Vec<Effect>) {
        for index in 0..self.pending.len() {
            if let Pending::Recording { revision, import } = self.pending[index]
                && self.ledger.has_saved(revision)
                && let Some(token) = self.displaced(import.generation).and_then(|it| it.refresh_token.clone())
            {
                let op = self.send(TokenRequest::Refresh(token), fx);
                self.pending[index] = Pending::Verify { op, import };
            }
        }
    }

    pub(super) fn verification_not_recorded(&mut self, reason: &str, fx: &mut Vec<Effect>) {
        let recording = self.pending.extract_if(.., |pending| matches!(pending, Pending::Recording { .. }));
        for pending in recording.collect::<Vec<_>>() {
            if let Pending::Recording { import: Import { ticket, generation, is_new, .. }, .. } = pending {
                self.forget_candidate(generation, is_new);
                let reason =
                    format!("{reason}. The token was not used; import it again once the store answers");
                fx.push(Effect::Reply { ticket, result: Err(Error::StoreUnavailable { reason }) });
            }
        }
    }

    pub(super) fn pending_answered(&mut self, op: u64, answer: Answer, now: Now, fx: &mut Vec<Effect>) {
        let position = self.pending.iter().position(|pending| match pending {
            Pending::Exchange { op: sent, .. } | Pending::Verify { op: sent, .. } => *sent == op,
            Pending::Recording { .. } => false,
        });
        match position.map(|index| self.pending.swap_remove(index)) {
            Some(Pending::Exchange { ticket, replace, .. }) => match answer {
                Answer::Granted(tokens) => self.accept(ticket, tokens, replace, now, fx),
                other => fx.push(Effect::Reply { ticket, result: Err(self.exchange_failed(other)) }),
            },
            Some(Pending::Verify { import, .. }) => self.verified(import, answer, now, fx),
            Some(Pending::Recording { .. }) | None => {}
        }
    }

    fn verified(&mut self, import: Import, answer: Answer, now: Now, fx: &mut Vec<Effect>) {
        let Import { ticket, generation, replace, is_new } = import;
        let Some(index) = self.record.displaced.iter().position(|it| it.grant.generation == generation)
        else {
            let error = Error::login("The account was signed out meanwhile; import the token again");
            return fx.push(Effect::Reply { ticket, result: Err(error) });
        };
        let error = match answer {
            Answer::Granted(tokens) => {
                let candidate = renewed(&self.record.displaced[index].grant, tokens, now.at);
                self.record.displaced[index].grant = candidate.clone();
                self.ledger.touch_grant();
                match self.working().filter(|current| !current.is_same_persons(&candidate) && !replace) {
                    Some(current) => {
                        let name = &self.name;
                        let then =
                            format!("it was set aside; run `imgurctl restore {name}` to change over to it");
                        self.belongs_to_another(&candidate, current, &then)
                    }
                    None => return self.promote(index, ticket, now),
                }
            }
            Answer::Transient(_) if replace => return self.promote(index, ticket, now),
            other => {
                self.forget_candidate(generation, is_new);
                self.verification_failed(other)
            }
        };
        fx.push(Effect::Reply { ticket, result: Err(error) });
    }

    /// A set-aside grant becomes the one in use.
    fn promote(&mut self, index: usize, ticket: Ticket, now: Now) {
        let grant = self.record.displaced.remove(index).grant;
        let is_verified = grant.access.as_ref().is_some_and(|access| access.issued_at == now.at);
        self.install(grant, now);
        if !is_verified {
            self.try_now(now);
        }
        self.ledger.publish_when_saved([ticket]);
    }

    pub(super) fn restore(&mut self, ticket: Ticket, now: Now, fx: &mut Vec<Effect>) {
        let Some(index) = self.restorable() else {
            let reason =
                format!("Nothing was displaced in {} within 30 days; run `imgurctl login {0}`", self.name);
            return fx.push(Effect::Reply { ticket, result: Err(Error::invalid("account", reason)) });
        };
        let grant = self.record.displaced.remove(index).grant;
        self.install(grant, now);
        // Its access token may have been killed by the sign-in that displaced it (an Imgur report: ShareX#1158).
        self.try_now(now);
        self.ledger.publish_when_saved([ticket]);
    }

    /// Forgets every grant, and keeps the client's secret for the next login.
    pub(super) fn logout(&mut self, ticket: Ticket) {
        self.record = Record {
            client_secret: self.record.client_secret.take(),
            next_generation: self.record.next_generation,
            ..Record::default()
        };
        self.shelf = Shelf::Read;
        self.use_none();
        self.ledger.touch_grant();
        self.ledger.reply_when_saved(ticket);
    }

    pub(super) fn keep_client_secret(&mut self, ticket: Ticket, secret: Secret, now: Now) {
        self.record.client_secret = Some(secret).filter(|secret| !secret.is_empty());
        self.ledger.touch();
        self.ledger.reply_when_saved(ticket);
        if self.is_misconfigured() {
            self.trouble = None;
            self.try_now(now);
        }
    }

    /// A changed identity sets the grant aside; changing it back restores it.
    pub(super) fn bring_back_what_fits(&mut self, now: Now) {
        if self.grant().is_some() || !matches!(self.shelf, Shelf::Read) {
            return;
        }
        if let Some(index) = self.restorable() {
            let grant = self.record.displaced.remove(index).grant;
            self.install(grant, now);
            self.ledger.publish_when_saved([]);
        }
    }

    /// The grant displaced last of those that fit the configuration. One that is just being verified is in use.
    fn restorable(&self) -> Option<usize> {
        let (issuer, verifying) = (self.config.issuer(), self.verifying());
        let fits = |grant: &Grant| grant.issuer == issuer && Some(grant.generation) != verifying;
        self.record.displaced.iter().rposition(|displaced| fits(&displaced.grant))
    }

    /// The imported grant whose refresh token is on its way to the server, or about to be.
    fn verifying(&self) -> Option<u64> {
        self.pending.iter().find_map(|pending| match pending {
            Pending::Recording { import, .. } | Pending::Verify { import, .. } => Some(import.generation),
            Pending::Exchange { .. } => None,
        })
    }

    pub(super) fn forget_old_displaced(&mut self, now: Now) {
        self.record.displaced.retain(|displaced| now.at.since(displaced.at) < policy::DISPLACED_FOR);
    }

    /// `grant` becomes the one in use; the one before it is kept.
    fn install(&mut self, grant: Grant, now: Now) {
        self.forget_old_displaced(now);
        if let Some(old) = self.record.grant.replace(grant) {
            self.record.displaced.push(Displaced { grant: old, at: now.at });
        }
        self.shelf = Shelf::Read;
        self.use_none();
        self.ledger.touch_grant();
        self.begin_anew(now);
    }

    fn use_none(&mut self) {
        self.record.in_flight = None;
        self.record.refusal = None;
        self.record.previous_refresh_token = None;
        self.trouble = None;
        self.retry_at = None;
        self.refresh_at = None;
        // A mark on its way is void; a request on its way goes on, and its answer finds its grant by generation.
        if matches!(self.refresh, Refresh::Marking { .. }) {
            self.refresh = Refresh::Idle;
        }
    }

    fn set_aside(&mut self, grant: Grant, now: Now) -> u64 {
        self.forget_old_displaced(now);
        self.record.displaced.push(Displaced { grant, at: now.at });
        self.ledger.touch_grant()
    }

    fn displaced(&self, generation: u64) -> Option<&Grant> {
        self.record
            .displaced
            .iter()
            .map(|displaced| &displaced.grant)
            .find(|grant| grant.generation == generation)
    }

    /// A candidate that came to nothing goes; one that had been set aside before stays there.
    fn forget_candidate(&mut self, generation: u64, is_new: bool) {
        if is_new {
            self.record.displaced.retain(|displaced| displaced.grant.generation != generation);
            self.ledger.touch();
        }
    }

    fn next_generation(&mut self) -> u64 {
        self.record.next_generation += 1;
        self.record.next_generation
    }

    /// The grant in use, unless the server has refused it for good.
    fn working(&self) -> Option<&Grant> {
        self.grant().filter(|_| !self.is_refused())
    }

    fn belongs_to_another(&self, candidate: &Grant, current: &Grant, then: &str) -> Error {
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

    fn verification_failed(&self, answer: Answer) -> Error {
        match answer {
            Answer::Misconfigured { setting, reason } => {
                self.misconfigured_by(setting, &reason, "import again")
            }
            Answer::Refused { reason } => Error::invalid(
                "text",
                format!("The server refused this token ({reason}); the grant at hand stays"),
            ),
            Answer::Transient(Transient { reason, .. }) => Error::TemporarilyUnavailable {
                reason: format!(
                    "The token could not be verified: {reason}. The grant at hand stays; try again later, or import with --replace"
                ),
                retry_at: None,
            },
            Answer::Granted(_) => {
                Error::invalid("text", "The server's answer came twice; run `imgurctl status`")
            }
        }
    }

    fn misconfigured_by(&self, setting: &str, reason: &str, then: &str) -> Error {
        let reason = format!("{reason}; {}, then {then}", self.mended(setting));
        Error::Misconfigured { setting: setting.to_owned(), reason }
    }
}

fn describe(grant: &Grant) -> String {
    grant.username.clone().unwrap_or_else(|| "somebody unnamed".to_owned())
}
