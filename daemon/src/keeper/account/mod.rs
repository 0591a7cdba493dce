//! One account as a pure state machine: `(state, event, now) -> (state, effects)`.
//!
//! It touches no wire, disk or clock, so every rule about grants can be tested by feeding it events. ARCHITECTURE.md lists
//! its parts.

mod client_secret;
mod environment;
mod event;
mod exporting;
mod granting;
mod identification;
mod importing;
mod issuer;
mod older;
mod pacing;
mod pending;
mod reasons;
mod refreshing;
mod revoking;
mod saving;
mod sentences;
mod superseded;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use imgurd_proto::Error;

use super::policy::Schedule;
use super::rate_limit::RateLimit;
use super::{gone, policy};
use crate::config::AccountConfig;
use crate::grant::{Fingerprints, Grant, Record, Timestamp};
use crate::provider::{Client, DeviceRequest, TokenRequest};

pub use event::{Ask, Effect, Event, Now, Ticket, Want};
pub use issuer::Began;
use pacing::Pacing;
use pending::{Arrival, Identification, PendingRequest};
use refreshing::{Refresh, Sent, Trouble};
use saving::Revisions;
use sentences::CHANGED_MEANWHILE;
pub(crate) use sentences::another_sign_in;
pub use view::Snapshot;
pub(super) use view::{Progress, Verdict};

/// What imgurd knows about the account's record in the store.
#[derive(Clone, Debug)]
enum Shelf {
    /// Not read yet, or unreadable.
    Unread { loading: bool, reason: Option<String>, tries: u32, last_try: Timestamp },
    /// The store works, but does not have the grant that it once saved.
    Vanished { reason: String, last_try: Timestamp },
    /// Read: the record in memory is current.
    Read,
    /// Read, without grants: the client secret is in the store only. `reason` says why it could not be loaded.
    PutAway { fetching: bool, reason: Option<String> },
}

/// One account.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are independent of each other")]
pub struct Machine {
    name: String,
    config: Arc<AccountConfig>,
    shelf: Shelf,
    /// Whether the store last reported that it is locked.
    locked: bool,
    /// Requests from before the record was read, and the settings when they began.
    held: Vec<(Ticket, Ask, Began)>,
    record: Record,
    revisions: Revisions,
    refresh: Refresh,
    /// Refreshes of replaced grants that are in progress.
    older: Vec<Sent>,
    trouble: Option<Trouble>,
    pacing: Pacing,
    schedule: Option<Schedule>,
    /// Since when, and how often, the server has refused refreshes without an error code.
    wordless: Option<(Timestamp, u32)>,
    /// Fingerprints of rejected access tokens. A restored grant may contain one of them.
    rejected: Fingerprints,
    rate_limit: RateLimit,
    pending: Vec<PendingRequest>,
    identifications: Vec<Identification>,
    /// Callers that wait for the end of the next attempt, whatever its result.
    settling: Vec<Ticket>,
    login: Option<String>,
    /// Whether a caller was told that the user can sign in.
    login_expected: bool,
    closing: bool,
    /// Whether the machine is about to suspend. The answer to a request that is sent now might be lost.
    asleep: bool,
    now: Now,
    effects: Vec<Effect>,
    /// How far this machine's clock is ahead of the server's, in milliseconds, if known.
    skew: Option<i64>,
    issue: u64,
    failed: u64,
    logouts: u64,
    next_op: u64,
    /// The value of `next_op` when an answer last contained tokens.
    granted: Option<u64>,
    /// The value of `next_op` when the login in progress began.
    login_began: Option<u64>,
}

impl Machine {
    /// Creates an account whose record is not read yet. The caller carries out the effects.
    #[must_use]
    pub fn new(name: String, config: Arc<AccountConfig>, now: Now) -> (Self, Vec<Effect>) {
        let mut account = Self {
            name,
            config,
            shelf: Shelf::Unread { loading: true, reason: None, tries: 0, last_try: now.at },
            locked: false,
            held: Vec::new(),
            record: Record::default(),
            revisions: Revisions::default(),
            refresh: Refresh::Idle,
            older: Vec::new(),
            trouble: None,
            pacing: Pacing::default(),
            schedule: None,
            wordless: None,
            rejected: Fingerprints::default(),
            rate_limit: RateLimit::default(),
            pending: Vec::new(),
            identifications: Vec::new(),
            settling: Vec::new(),
            login: None,
            login_expected: false,
            closing: false,
            asleep: false,
            now,
            effects: vec![Effect::Load],
            skew: None,
            issue: 0,
            failed: 0,
            logouts: 0,
            next_op: 0,
            granted: None,
            login_began: None,
        };
        let effects = std::mem::take(&mut account.effects);
        (account, effects)
    }

    /// Processes one event.
    #[must_use]
    pub fn step(mut self, event: Event, now: Now) -> (Self, Vec<Effect>) {
        self.now = now;
        match event {
            Event::Loaded(result) => self.loaded(result),
            Event::Saved { revision, result } => self.saved(revision, result),
            Event::SaveIsSlow { revision } => self.save_is_slow(revision),
            Event::Answered { op, answer } => self.answered(op, answer),
            Event::Tick => self.reload_when_due(),
            Event::Asked { ticket, ask, began } => self.asked(ticket, ask, began),
            Event::Identified { generation, owner } => self.identified(generation, owner),
            Event::Configured(config) => self.configured(config),
            Event::Login(login) => {
                // Its own number separates answers before it from answers after it.
                self.next_op += 1;
                self.login_began = Some(self.next_op);
                self.login = login;
                self.login_expected = false;
            }
            Event::Closing => self.close(),
            Event::ClockSet(by) => self.clock_set(by),
            Event::ServerTime(time) => self.server_time(time),
            Event::Sleep(true) => self.asleep = true,
            Event::Sleep(false) => self.wake(),
            Event::Online => self.online(),
            Event::StoreReplaced => self.store_replaced(),
        }
        self.reassign_refreshes();
        self.start_due_refresh();
        self.flush();
        // A token that was published before it was saved may itself be due for a refresh.
        self.start_due_refresh();
        self.flush();
        self.release_client_secret();
        let effects = std::mem::take(&mut self.effects);
        (self, effects)
    }

    /// When the machine needs the next [`Event::Tick`].
    #[must_use]
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let turns_stale = self.turns_stale_at().filter(|at| *at > now);
        let next_try = self.next_try(now).filter(|_| !self.asleep);
        [self.reload_at(now), self.revisions.retry_at(), next_try, turns_stale].into_iter().flatten().min()
    }

    /// Whether nothing is in progress and everything is saved.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.may_end() && (self.revisions.is_clean() || !self.is_read())
    }

    /// Whether the process can end without interrupting or losing anything.
    #[must_use]
    pub fn may_end(&self) -> bool {
        !self.is_sending() && (self.revisions.may_end() || !self.is_read()) && !self.holds_a_change()
    }

    /// The account was removed, or the daemon stops. imgurd completes requested changes; no other caller waits.
    fn close(&mut self) {
        self.closing = true;
        let (changes, others): (Vec<_>, Vec<_>) =
            self.held.drain(..).partition(|(_, ask, _)| ask.is_a_change());
        self.held = changes;
        self.effects
            .extend(others.into_iter().map(|(ticket, ..)| Effect::Reply { ticket, result: Err(gone()) }));
    }

    fn holds_a_change(&self) -> bool {
        self.held.iter().any(|(_, ask, _)| ask.is_a_change())
    }

    fn is_sending(&self) -> bool {
        matches!(self.refresh, Refresh::Sent(_)) || !self.older.is_empty() || !self.pending.is_empty()
    }

    /// The current grant, if the configured client got it from the configured server.
    fn grant(&self) -> Option<&Grant> {
        self.record.grant.as_ref().filter(|grant| grant.issuer.is(&self.config.issuer()))
    }

    fn asked(&mut self, ticket: Ticket, ask: Ask, began: Option<Began>) {
        if let Err(error) = self.check_room(&ask) {
            return self.reply(ticket, Err(error));
        }
        self.fetch_client_secret(&ask);
        let began = began.unwrap_or_else(|| self.began());
        if matches!(ask, Ask::Logout) {
            // Later requests come after the logout, even if they have to wait for the store.
            self.logouts += 1;
        }
        if self.is_loading() {
            return self.held.push((ticket, ask, began));
        }
        self.carry_out(ticket, ask, began);
    }

    fn carry_out(&mut self, ticket: Ticket, ask: Ask, began: Began) {
        if let Ask::Want { want, until } = ask {
            let is_news = matches!(&want, Want::AnotherThan(token) if self.note_rejected_of_displaced(token));
            let result = self.wanted(&want, until);
            if is_news && result.is_ok() {
                return self.revisions.acknowledge(ticket);
            }
            return self.effects.push(Effect::Reply { ticket, result });
        }
        if let Err(error) = self.check_writable(&ask).and_then(|()| self.check_unchanged(&ask, &began)) {
            return self.reply(ticket, Err(error));
        }
        match ask {
            Ask::Want { .. } | Ask::Ready => {
                self.login_expected = true;
                self.reply(ticket, Ok(()));
            }
            Ask::SignIn { flow, client_secret } => {
                self.prepare_sign_in(ticket, flow, client_secret, &began.issuer);
            }
            Ask::Exchange { request, replace } => self.exchange(ticket, request, began, replace),
            Ask::Accept { tokens, replace } => {
                let first = self.login_began.unwrap_or(self.next_op + 1);
                let arrival = Arrival { issuer: began.issuer, vouched: false, replace, began: first };
                self.accept(ticket, tokens, arrival);
            }
            Ask::Import { refresh_token, access_token, username, replace } => {
                let candidate = self.candidate(refresh_token, access_token, username);
                self.import(ticket, candidate, replace);
            }
            Ask::Restore => self.restore(ticket),
            Ask::Logout => self.logout(ticket),
            Ask::KeepClientSecret(secret) => self.keep_client_secret(ticket, secret, &began.issuer),
            Ask::Reload => {
                self.reload();
                self.revisions.retry_now();
                self.reply(ticket, Ok(()));
            }
        }
    }

    fn reply(&mut self, ticket: Ticket, result: Result<(), Error>) {
        self.effects.push(Effect::Reply { ticket, result });
    }

    /// Whether the record in memory is current and may be saved.
    fn is_read(&self) -> bool {
        matches!(self.shelf, Shelf::Read | Shelf::PutAway { .. })
    }

    fn is_loading(&self) -> bool {
        matches!(self.shelf, Shelf::Unread { loading: true, .. } | Shelf::PutAway { fetching: true, .. })
    }

    /// Checks that there is room for one more request. imgurd carries requests out even if their callers leave, so a
    /// caller that leaves and asks again adds to them.
    fn check_room(&self, ask: &Ask) -> Result<(), Error> {
        let is_full = match ask {
            _ if self.is_loading() => self.held.len() >= policy::MOST_HELD,
            Ask::Exchange { .. } | Ask::Import { .. } => {
                self.pending.len() + self.identifications.len() + self.settling.len() >= policy::MOST_REQUESTS
            }
            _ => false,
        };
        if is_full { Err(self.is_busy()) } else { Ok(()) }
    }

    /// Checks that the record may be changed: nothing may overwrite a grant that could not be read.
    fn check_writable(&self, ask: &Ask) -> Result<(), Error> {
        match &self.shelf {
            Shelf::Unread { reason, .. } if !matches!(ask, Ask::Reload) => Err(Error::StoreUnavailable {
                reason: reason
                    .clone()
                    .unwrap_or_else(|| "imgurd is still reading the store; try again in a moment".to_owned()),
            }),
            // A client secret alone must not replace a grant that may come back; a new login or a logout may.
            Shelf::Vanished { reason, .. } if matches!(ask, Ask::KeepClientSecret(_)) => {
                let reason = format!(
                    "{reason}. imgurd did not keep the client secret: give it when you sign in, with `imgurctl login \
                     {} --client-secret-stdin`",
                    self.name
                );
                Err(Error::StoreUnavailable { reason })
            }
            Shelf::PutAway { reason: Some(reason), .. } if ask.needs_the_client_secret() => {
                Err(Error::StoreUnavailable { reason: reason.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The configuration has changed. Sets aside a grant of another client or server, and restores one that fits.
    fn configured(&mut self, config: Arc<AccountConfig>) {
        let policy_changed = config.policy != self.config.policy;
        let issuer_changed = !config.issuer().is(&self.config.issuer());
        self.config = config;
        self.closing = false;
        self.drop_previous_unless_tolerated();
        if issuer_changed {
            self.cancel_verifications(&Error::login(CHANGED_MEANWHILE));
            self.forget_failures();
            self.match_issuer();
            return self.resume();
        }
        if self.is_misconfigured() {
            self.trouble = None;
            self.try_now();
        }
        if policy_changed {
            self.schedule();
        }
    }

    fn schedule(&mut self) {
        let access = self.grant().and_then(|grant| grant.access.as_ref());
        self.schedule = access.and_then(|access| {
            let schedule = policy::schedule(access, self.config.policy, self.now.at, self.now.dice);
            if access.dead { Some(Schedule::at(self.now.at)) } else { schedule }
        });
    }

    fn client(&self) -> Client {
        Client {
            id: self.config.client_id.clone(),
            secret: self.record.client_secret.clone(),
            auth: self.config.client_auth,
            resource: self.config.resource.clone(),
            token_url: self.config.token_url.clone(),
            ca_file: self.config.ca_file.clone(),
            proven: false,
        }
    }

    /// The request for a device code (RFC 8628, section 3.1).
    pub(in crate::keeper) fn device_request(&self) -> Option<DeviceRequest> {
        let url = self.config.device_auth_url.clone()?;
        Some(DeviceRequest { client: self.client(), url, scope: self.config.scope.clone() })
    }

    fn send(&mut self, request: TokenRequest) -> u64 {
        self.next_op += 1;
        let client = Client { proven: self.is_proven(), ..self.client() };
        self.effects.push(Effect::Send { op: self.next_op, client, request });
        self.next_op
    }
}
