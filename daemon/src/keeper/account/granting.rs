//! Taking in grants (login, import, restore) and letting them go (logout). What makes way is kept.

use imgurd_proto::{Error, Secret};

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
    Recording {
        revision: u64,
        ticket: Ticket,
        generation: u64,
        replace: bool,
    },
    /// An imported grant is being verified.
    Verify {
        op: u64,
        ticket: Ticket,
        generation: u64,
        replace: bool,
    },
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
        };
        let anothers = self
            .working()
            .filter(|current| current.is_anothers(&grant))
            .map(describe);
        if let Some(holder) = anothers.filter(|_| !replace) {
            let name = &self.name;
            let reason = format!(
                "{} signed in, but {name} holds the grant of {holder}: it stays, and the new one is set aside; run \
                 `imgurctl restore {name}` to change over to it, or sign in with --replace",
                describe(&grant)
            );
            self.set_aside(grant, now);
            return fx.push(Effect::Reply {
                ticket,
                result: Err(Error::LoginFailed { reason }),
            });
        }
        self.install(grant, now);
        self.ledger.publish_when_saved([ticket]);
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
            let reason = self.belongs_to_another(
                &candidate,
                current,
                "nothing was changed; import it with --replace",
            );
            return fx.push(Effect::Reply {
                ticket,
                result: Err(reason),
            });
        }
        let is_the_same = current.is_some_and(|current| current.refresh_token == candidate.refresh_token);
        if current.is_none() || is_the_same {
            if !is_the_same {
                self.install(candidate, now);
            }
            self.settling.push(ticket);
            return self.try_now(now);
        }
        let generation = candidate.generation;
        let revision = self.set_aside(candidate, now);
        self.pending.push(Pending::Recording {
            revision,
            ticket,
            generation,
            replace,
        });
    }

    pub(super) fn send_recorded_verification(&mut self, fx: &mut Vec<Effect>) {
        for index in 0..self.pending.len() {
            if let Pending::Recording {
                revision,
                ticket,
                generation,
                replace,
            } = self.pending[index]
                && self.ledger.has_saved(revision)
                && let Some(token) = self
                    .displaced(generation)
                    .and_then(|grant| grant.refresh_token.clone())
            {
                let op = self.send(TokenRequest::Refresh(token), fx);
                self.pending[index] = Pending::Verify {
                    op,
                    ticket,
                    generation,
                    replace,
                };
            }
        }
    }

    pub(super) fn verification_not_recorded(&mut self, reason: &str, fx: &mut Vec<Effect>) {
        let recording = self
            .pending
            .extract_if(.., |pending| matches!(pending, Pending::Recording { .. }));
        for pending in recording.collect::<Vec<_>>() {
            if let Pending::Recording {
                ticket, generation, ..
            } = pending
            {
                self.forget_displaced(generation);
                let reason =
                    format!("{reason}. The token was not used; import it again once the store answers");
                fx.push(Effect::Reply {
                    ticket,
                    result: Err(Error::StoreUnavailable { reason }),
                });
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
                other => fx.push(Effect::Reply {
                    ticket,
                    result: Err(exchange_failed(other)),
                }),
            },
            Some(Pending::Verify {
                ticket,
                generation,
                replace,
                ..
            }) => {
                self.verified(ticket, generation, replace, answer, now, fx);
            }
            Some(Pending::Recording { .. }) | None => {}
        }
    }

    fn verified(
        &mut self,
        ticket: Ticket,
        generation: u64,
        replace: bool,
        answer: Answer,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let Some(index) = self
            .record
            .displaced
            .iter()
            .position(|it| it.grant.generation == generation)
        else {
            let reason = "The account was signed out meanwhile; import the token again".to_owned();
            return fx.push(Effect::Reply {
                ticket,
                result: Err(Error::LoginFailed { reason }),
            });
        };
        let error = match answer {
            Answer::Granted(tokens) => {
                let candidate = renewed(&self.record.displaced[index].grant, tokens, now.at);
                self.record.displaced[index].grant = candidate.clone();
                self.ledger.touch_grant();
                match self
                    .working()
                    .filter(|current| !current.is_same_persons(&candidate) && !replace)
                {
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
                self.forget_displaced(generation);
                verification_failed(other)
            }
        };
        fx.push(Effect::Reply {
            ticket,
            result: Err(error),
        });
    }

    /// A set-aside grant becomes the one in use.
    fn promote(&mut self, index: usize, ticket: Ticket, now: Now) {
        let grant = self.record.displaced.remove(index).grant;
        let is_verified = grant
            .access
            .as_ref()
            .is_some_and(|access| access.issued_at == now.at);
        self.install(grant, now);
        if !is_verified {
            self.try_now(now);
        }
        self.ledger.publish_when_saved([ticket]);
    }

    pub(super) fn restore(&mut self, ticket: Ticket, now: Now, fx: &mut Vec<Effect>) {
        let issuer = self.config.issuer();
        let Some(index) = self
            .record
            .displaced
            .iter()
            .rposition(|it| it.grant.issuer == issuer)
        else {
            let reason = format!(
                "Nothing was displaced in {} within 30 days; run `imgurctl login {0}`",
                self.name
            );
            return fx.push(Effect::Reply {
                ticket,
                result: Err(Error::invalid("account", reason)),
            });
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
        self.shelf = Shelf::Read;
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
        let issuer = self.config.issuer();
        if self.grant().is_some() || !matches!(self.shelf, Shelf::Read) {
            return;
        }
        if let Some(index) = self
            .record
            .displaced
            .iter()
            .rposition(|it| it.grant.issuer == issuer)
        {
            let grant = self.record.displaced.remove(index).grant;
            self.install(grant, now);
            self.ledger.publish_when_saved([]);
        }
    }

    pub(super) fn forget_old_displaced(&mut self, now: Now) {
        self.record
            .displaced
            .retain(|displaced| now.at.since(displaced.at) < policy::DISPLACED_FOR);
    }

    /// `grant` becomes the one in use; the one before it is kept.
    fn install(&mut self, grant: Grant, now: Now) {
        self.forget_old_displaced(now);
        if let Some(old) = self.record.grant.replace(grant) {
            self.record.displaced.push(Displaced {
                grant: old,
                at: now.at,
            });
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

    fn forget_displaced(&mut self, generation: u64) {
        self.record
            .displaced
            .retain(|displaced| displaced.grant.generation != generation);
        self.ledger.touch();
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
}

fn describe(grant: &Grant) -> String {
    grant
        .username
        .clone()
        .unwrap_or_else(|| "somebody unnamed".to_owned())
}

fn exchange_failed(answer: Answer) -> Error {
    match answer {
        Answer::Misconfigured { setting, reason } => Error::Misconfigured {
            setting: setting.to_owned(),
            reason,
        },
        Answer::Refused { reason } => {
            Error::login(format!("The server refused the answer ({reason}); sign in again"))
        }
        Answer::Transient(Transient { reason, .. }) => Error::login(format!(
            "The sign-in could not be completed: {reason}; sign in again"
        )),
        Answer::Granted(_) => Error::login("The server's answer came twice; run `imgurctl status`"),
    }
}

fn verification_failed(answer: Answer) -> Error {
    match answer {
        Answer::Misconfigured { setting, reason } => Error::Misconfigured {
            setting: setting.to_owned(),
            reason,
        },
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
        Answer::Granted(_) => Error::invalid("text", "The server's answer came twice; run `imgurctl status`"),
    }
}
