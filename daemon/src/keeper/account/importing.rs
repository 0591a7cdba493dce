//! Imports grants from elsewhere. imgurd verifies a grant by a refresh before it replaces another one.

use imgurd_proto::{Error, Secret};

use super::pending::{Identification, Import, PendingRequest};
use super::refreshing::access;
use super::sentences::{CHANGED_MEANWHILE, kept_unverified};
use super::{Machine, Ticket};
use crate::grant::{Access, Grant};
use crate::provider::{Answer, TokenOwner, TokenRequest, TokenResponse, Transient};

impl Machine {
    pub(super) fn candidate(
        &mut self,
        refresh_token: Secret,
        access_token: Option<Secret>,
        username: Option<String>,
    ) -> Grant {
        // The age of an imported access token is unknown, and so is its expiry.
        let access = access_token.map(|token| {
            let dead = self.is_known_dead(&token);
            Access { dead, ..access(token, "Bearer".to_owned(), None, self.now.at) }
        });
        Grant {
            generation: self.next_generation(),
            issuer: self.config.issuer(),
            refresh_token: Some(refresh_token),
            access,
            username,
            account_id: None,
            scope: None,
            granted_at: self.now.at,
            kept: 0,
            lacks_new_refresh_token: false,
            refresh_expires_at: None,
            unverified: true,
        }
    }

    /// Without a working grant, the candidate becomes the current grant, and its first refresh verifies it. Otherwise
    /// it is verified first. Until then it is saved among the replaced grants, so that it cannot get lost.
    pub(super) fn import(&mut self, ticket: Ticket, candidate: Grant, replace: bool) {
        if let Some(error) = candidate.refresh_token.as_ref().and_then(|it| self.refuses_as_replaced(it)) {
            return self.reply(ticket, Err(error));
        }
        if let Some(known) = candidate.refresh_token.as_ref().and_then(|it| self.known_as(it)) {
            let reason = format!(
                "That is {known} of {}, not a refresh token, so imgurd did not send it; import the refresh token",
                self.name
            );
            return self.reply(ticket, Err(Error::invalid("text", reason)));
        }
        let current = self.working();
        if let Some(current) = current.filter(|current| current.is_anothers(&candidate) && !replace) {
            let reason =
                self.imported_anothers(&candidate, current, "nothing changed; import it with --replace");
            return self.reply(ticket, Err(reason));
        }
        if self.is_on_its_way(&candidate) {
            return self.reply(ticket, Err(self.is_verifying()));
        }
        let has_none = current.is_none();
        // A second copy of the same grant is useless.
        let is_the_same = self.grant().is_some_and(|in_use| in_use.refresh_token == candidate.refresh_token);
        let is_held =
            |it: &Grant| it.refresh_token == candidate.refresh_token && it.issuer.is(&candidate.issuer);
        let held = self.record.displaced.iter().position(|displaced| is_held(&displaced.grant));
        if has_none || is_the_same {
            let grant = held.map_or(candidate, |index| self.record.displaced.remove(index).grant);
            if !is_the_same {
                self.install(grant);
            }
            self.settling.push(ticket);
            return self.try_now();
        }
        let is_new = held.is_none();
        if is_new {
            self.set_aside(candidate);
        }
        let index = held.unwrap_or(self.record.displaced.len() - 1);
        let generation = self.record.displaced[index].grant.generation;
        self.verify(Import { ticket, generation, replace, is_new, of_login: false });
    }

    /// Verifies a set-aside grant once it is saved.
    pub(super) fn verify(&mut self, import: Import) {
        let revision = self.revisions.touch_grant();
        self.pending.push(PendingRequest::Recording { revision, import });
    }

    pub(super) fn send_recorded_verification(&mut self) {
        for index in 0..self.pending.len() {
            if let PendingRequest::Recording { revision, import } = self.pending[index]
                && self.revisions.has_saved(revision)
                && let Some(token) = self.displaced(import.generation).and_then(|it| it.refresh_token.clone())
            {
                let op = self.send(TokenRequest::Refresh(token));
                self.pending[index] = PendingRequest::Verify { op, import };
            }
        }
    }

    pub(super) fn verification_not_recorded(&mut self, reason: &str) {
        let reason =
            format!("{reason}. imgurd did not use the token; import it again when the store answers");
        self.cancel_verifications(&Error::StoreUnavailable { reason });
    }

    /// Cancels verifications that have not been sent. The callers still have their tokens.
    pub(super) fn cancel_verifications(&mut self, error: &Error) {
        let recording =
            self.pending.extract_if(.., |pending| matches!(pending, PendingRequest::Recording { .. }));
        for pending in recording.collect::<Vec<_>>() {
            if let PendingRequest::Recording { import: Import { ticket, generation, is_new, .. }, .. } =
                pending
            {
                self.forget_candidate(generation, is_new);
                self.reply(ticket, Err(error.clone()));
            }
        }
    }

    pub(super) fn verified(&mut self, op: u64, import: Import, answer: Answer) {
        self.note_lost_answer(&answer);
        let Import { ticket, generation, replace, is_new, of_login } = import;
        let Some(index) = self.displaced_index(generation) else {
            return self.reply(ticket, Err(self.signed_out_meanwhile()));
        };
        let fits = self.record.displaced[index].grant.issuer.is(&self.config.issuer());
        match answer {
            Answer::Granted(tokens) => self.works(op, import, index, tokens),
            Answer::Transient(Transient { reason, .. }) if (replace || !is_new) && !of_login && fits => {
                self.reply(ticket, Err(kept_unverified(&self.name, &reason)));
            }
            other => {
                self.forget_candidate(generation, is_new);
                if !of_login {
                    let error = self.verification_failed(other);
                    return self.reply(ticket, Err(error));
                }
                match self.may_take_over(index, false, TokenOwner::Rejected) {
                    Ok(()) => self.promote(index, op, ticket),
                    Err(error) => self.reply(ticket, Err(error)),
                }
            }
        }
    }

    /// Installs the grant at `index`, which has brought these tokens, unless it is another user's.
    fn works(&mut self, op: u64, import: Import, index: usize, tokens: TokenResponse) {
        let Import { ticket, generation, replace, .. } = import;
        let old = self.record.displaced[index].grant.clone();
        // The names in the imported text prove nothing.
        let (username, account_id) = (tokens.username.clone(), tokens.account_id.clone());
        let said = Grant { username, account_id, ..old.clone() };
        let lacks_access_token = tokens.access_token.is_none();
        let candidate = self.renew(&old, tokens, self.now.at);
        let fits = old.issuer.is(&self.config.issuer());
        self.record.displaced[index].grant = candidate.clone();
        self.revisions.touch_grant();
        if !fits {
            let reason = format!("The grant works, but imgurd set it aside, because {CHANGED_MEANWHILE}");
            return self.reply(ticket, Err(Error::login(reason)));
        }
        if lacks_access_token {
            self.supersede(generation, op);
            return self.reply(ticket, Err(Error::unavailable(self.set_aside_without_access_token())));
        }
        let Some(current) = self.working().filter(|_| !replace) else {
            return self.promote(index, op, ticket);
        };
        if !current.is_anothers(&candidate) {
            let vouched = current.is_same_persons(&said);
            let (began, is_verified) = (op, true);
            return self.identify(Identification { ticket, generation, vouched, began, is_verified });
        }
        let then = format!("imgurd set it aside; run `imgurctl restore {}` to switch to it", self.name);
        let error = self.imported_anothers(&candidate, current, &then);
        self.supersede(generation, op);
        self.reply(ticket, Err(error));
    }

    pub(super) fn displaced(&self, generation: u64) -> Option<&Grant> {
        self.displaced_index(generation).map(|index| &self.record.displaced[index].grant)
    }

    pub(super) fn displaced_index(&self, generation: u64) -> Option<usize> {
        self.record.displaced.iter().position(|displaced| displaced.grant.generation == generation)
    }

    /// Deletes a candidate that failed, unless it was set aside earlier.
    fn forget_candidate(&mut self, generation: u64, is_new: bool) {
        if is_new {
            self.record.displaced.retain(|displaced| displaced.grant.generation != generation);
            self.revisions.touch();
        }
    }
}
