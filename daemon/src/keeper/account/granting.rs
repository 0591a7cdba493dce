//! Accepts grants (login, restore) and deletes them (logout). A grant that is replaced is kept.

use imgurd_proto::Error;

use super::pending::{Arrival, Identification, Import, PendingRequest};
use super::refreshing::{Refresh, access};
use super::sentences::{another_sign_in, set_aside_for_its_issuer};
use super::{Began, Machine, Shelf, Ticket};
use crate::grant::{Displaced, Grant, Record, Timestamp};
use crate::keeper::policy;
use crate::provider::{Answer, TokenRequest, TokenResponse};

impl Machine {
    pub(super) fn exchange(&mut self, ticket: Ticket, request: TokenRequest, began: Began, replace: bool) {
        if let TokenRequest::Code { code: given, .. } | TokenRequest::Pin(given) = &request
            && let Some(known) = self.known_as_no_answer(given)
        {
            let reason = format!(
                "That is {known} of {}, not the answer of the sign-in page; paste what the page gives you",
                self.name
            );
            return self.reply(ticket, Err(Error::invalid("response", reason)));
        }
        let nonce = match &request {
            TokenRequest::Code { nonce, .. } => nonce.clone(),
            TokenRequest::Pin(_) | TokenRequest::Device(_) | TokenRequest::Refresh(_) => None,
        };
        let polls = matches!(request, TokenRequest::Device(_));
        let op = self.send(request);
        self.pending.push(PendingRequest::Exchange { op, ticket, began, replace, nonce, polls });
    }

    pub(super) fn accept(&mut self, ticket: Ticket, tokens: TokenResponse, arrival: Arrival) {
        let Arrival { issuer, vouched, replace, began } = arrival;
        if !tokens.is_bearer() {
            return self.reply(ticket, Err(self.not_bearer(&tokens.token_type)));
        }
        let lacks_access_token = tokens.access_token.is_none();
        let grant = Grant {
            generation: self.next_generation(),
            issuer,
            refresh_token: tokens.refresh_token,
            access: tokens
                .access_token
                .map(|token| access(token, tokens.token_type, tokens.expires_in, self.now.at)),
            username: tokens.username.or_else(|| Some(tokens.id_token?.user.name().to_owned())),
            account_id: tokens.account_id,
            // A server need not repeat the requested scope (RFC 6749, section 5.1).
            scope: tokens.scope.or_else(|| self.config.scope.clone()),
            granted_at: self.now.at,
            kept: 0,
            lacks_new_refresh_token: tokens.has_odd_refresh_token,
            refresh_expires_at: policy::lifetime(tokens.refresh_expires_in)
                .map(|lifetime| self.now.at + lifetime),
            unverified: lacks_access_token,
        };
        if !grant.issuer.is(&self.config.issuer()) {
            let error = set_aside_for_its_issuer(&grant);
            self.set_aside(grant);
            return self.reply(ticket, Err(error));
        }
        if lacks_access_token && self.working().is_some() {
            self.set_aside(grant);
            return self.reply(ticket, Err(Error::login(self.set_aside_without_access_token())));
        }
        if let Some(current) = self.working().filter(|_| !replace) {
            let anothers = current.is_anothers(&grant).then(|| self.another_signed_in(&grant, current));
            let generation = grant.generation;
            self.set_aside(grant);
            return match anothers {
                Some(error) => self.reply(ticket, Err(error)),
                None => {
                    self.identify(Identification { ticket, generation, vouched, began, is_verified: false });
                }
            };
        }
        self.put_in_use(grant, began, ticket);
    }

    /// Makes a set-aside grant the current one.
    pub(super) fn promote(&mut self, index: usize, began: u64, ticket: Ticket) {
        let grant = self.record.displaced.remove(index).grant;
        self.put_in_use(grant, began, ticket);
    }

    fn put_in_use(&mut self, grant: Grant, began: u64, ticket: Ticket) {
        let (generation, lacks_access_token) = (grant.generation, grant.access.is_none());
        self.install(grant);
        self.supersede(generation, began);
        if lacks_access_token {
            self.try_now();
        }
        self.publish_or_settle(ticket);
    }

    /// A caller that signed in or restored waits for the token. If that token is invalid or in doubt, the caller waits
    /// for the refresh that brings another one.
    fn publish_or_settle(&mut self, ticket: Ticket) {
        let is_dead = self.grant().and_then(|grant| grant.access.as_ref()).is_none_or(|access| access.dead);
        if is_dead && self.pacing.retry_at().is_some() && self.trouble.is_none() {
            return self.settling.push(ticket);
        }
        self.revisions.publish_when_saved([ticket]);
    }

    pub(super) fn pending_answered(&mut self, op: u64, answer: Answer) {
        match self.take_pending(op) {
            Some(PendingRequest::Exchange { ticket, began, replace, nonce, polls, .. }) => match answer {
                Answer::Granted(tokens) if began.logouts != self.logouts => {
                    self.revoke_unkept(tokens);
                    self.reply(ticket, Err(self.signed_out_meanwhile()));
                }
                Answer::Granted(tokens) if !tokens.answers(nonce.as_ref()) => {
                    self.reply(ticket, Err(Error::login(another_sign_in(&self.name))));
                }
                Answer::Granted(tokens) => {
                    if began.issuer.is(&self.config.issuer()) {
                        self.note_proven();
                    }
                    let arrival = Arrival { issuer: began.issuer, vouched: true, replace, began: op };
                    self.accept(ticket, tokens, arrival);
                }
                other => {
                    self.note_lost_answer(&other);
                    let failed = if polls { self.poll_failed(other) } else { self.exchange_failed(other) };
                    self.reply(ticket, Err(failed));
                }
            },
            Some(PendingRequest::Verify { import, .. }) => self.verified(op, import, answer),
            Some(PendingRequest::Recording { .. }) | None => {}
        }
    }

    pub(super) fn restore(&mut self, ticket: Ticket) {
        let Some(index) = self.restorable() else {
            return self.reply(ticket, Err(self.nothing_to_restore()));
        };
        let restored = &self.record.displaced[index].grant;
        if restored.unverified && self.working().is_some() {
            if self.is_on_its_way(restored) {
                return self.reply(ticket, Err(self.is_verifying()));
            }
            let import = Import {
                ticket,
                generation: restored.generation,
                replace: false,
                is_new: false,
                of_login: false,
            };
            return self.verify(import);
        }
        let grant = self.record.displaced.remove(index).grant;
        let made_way = self.record.grant.is_some();
        self.install(grant);
        if made_way {
            // This one is the last to be restored again, so repeated restores reach each grant in turn.
            self.record.displaced.rotate_right(1);
        }
        // The sign-in that replaced it may have invalidated its access token (an Imgur report: ShareX#1158).
        self.try_now();
        self.revisions.publish_when_saved([ticket]);
    }

    /// Deletes all grants. Keeps the client secret for the next login.
    pub(super) fn logout(&mut self, ticket: Ticket) {
        self.login_expected = false;
        if matches!(self.shelf, Shelf::PutAway { .. }) {
            return self.reply(ticket, Ok(())); // all grants are deleted already
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
        self.clear_current();
        self.revisions.touch_by_user();
        let bringing =
            self.revisions.take_unpublished().into_iter().chain(std::mem::take(&mut self.settling));
        for ticket in bringing {
            self.reply(ticket, Err(self.signed_out_meanwhile()));
        }
        self.revisions.reply_when_saved(ticket);
    }

    /// Sets the grant of another client or server aside, and restores one that fits the settings.
    pub(super) fn restore_matching(&mut self) {
        if self.grant().is_some() || !matches!(self.shelf, Shelf::Read) {
            return;
        }
        if let Some(index) = self.restorable() {
            let grant = self.record.displaced.remove(index).grant;
            self.install(grant);
        }
    }

    /// The latest replaced grant that fits the configuration. A grant that was never verified comes last, and one
    /// that is being verified does not count.
    fn restorable(&self) -> Option<usize> {
        let (issuer, verifying) = (self.config.issuer(), self.verifying());
        let fits = |grant: &Grant| grant.issuer.is(&issuer) && Some(grant.generation) != verifying;
        let displaced = &self.record.displaced;
        let verified = displaced.iter().rposition(|it| fits(&it.grant) && !it.grant.unverified);
        verified.or_else(|| displaced.iter().rposition(|it| fits(&it.grant)))
    }

    /// Deletes old replaced grants, unless the clock may be wrong, because deleted grants do not come back.
    pub(super) fn expire_displaced(&mut self) {
        if !self.clock_is_confirmed() {
            return;
        }
        let (before, verifying) = (self.record.displaced.clone(), self.verifying());
        for displaced in &mut self.record.displaced {
            displaced.at = displaced.at.min(self.now.at);
        }
        // Its answer may still arrive: a request lasts through suspend.
        let is_verifying = |it: &Displaced| Some(it.grant.generation) == verifying;
        let is_recent = |it: &Displaced| self.now.at.since(it.at) < policy::DISPLACED_FOR;
        self.record.displaced.retain(|displaced| is_recent(displaced) || is_verifying(displaced));
        if self.record.displaced != before {
            self.revisions.touch();
        }
    }

    fn displaced_at(&self) -> Timestamp {
        if self.clock_is_confirmed() { self.now.at } else { Timestamp::from_millis(i64::MAX) }
    }

    /// Makes `grant` the current one, which is served once it is saved. Keeps the previous grant.
    pub(super) fn install(&mut self, grant: Grant) {
        self.expire_displaced();
        if let Some(old) = self.record.grant.replace(grant) {
            let at = self.displaced_at();
            self.record.displaced.push(Displaced { grant: old, at });
        }
        self.shelf = Shelf::Read;
        self.clear_current();
        self.revisions.touch_by_user();
        self.forget_failures();
        let settled = std::mem::take(&mut self.settling);
        self.revisions.publish_when_saved(settled);
    }

    fn clear_current(&mut self) {
        self.record.in_flight = None;
        self.record.refusal = None;
        if let previous @ Some(_) = self.record.previous_refresh_token.take() {
            self.note_replaced(previous);
        }
        self.trouble = None;
        self.pacing.reset();
        self.schedule = None;
        // A mark that is being saved is invalid now. A request that was sent continues, and its answer finds its grant
        // by generation.
        if matches!(self.refresh, Refresh::Marking { .. }) {
            self.refresh = Refresh::Idle;
        }
    }

    pub(super) fn set_aside(&mut self, grant: Grant) -> u64 {
        self.expire_displaced();
        let at = self.displaced_at();
        self.record.displaced.push(Displaced { grant, at });
        self.shelf = Shelf::Read;
        self.revisions.touch_by_user()
    }

    pub(super) fn next_generation(&mut self) -> u64 {
        self.record.next_generation += 1;
        self.record.next_generation
    }

    /// The current grant, unless the server has refused it twice.
    pub(super) fn working(&self) -> Option<&Grant> {
        self.grant().filter(|_| !self.is_refused())
    }
}
