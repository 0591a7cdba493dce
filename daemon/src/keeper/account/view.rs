//! The account as callers see it: its state, its token, and the reason.

use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Account, DEFAULT_MIN_VALID_S, Error, Secret, State, Token};

use super::refreshing::{Refresh, Trouble};
use super::{Machine, Want};
use crate::grant::{Access, Timestamp};
use crate::keeper::policy;

/// What callers read of an account without asking the keeper. So a caller of a valid token never queues.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The account as the interface shows it.
    pub info: Arc<Account>,
    /// The token to hand out, if there is one.
    pub(crate) served: Option<Arc<Served>>,
    /// The generation of the token.
    pub(crate) issue: u64,
    pub(crate) failed: u64,
    pub(in crate::keeper) logouts: u64,
    /// Whether the last attempt failed, even while another one is in progress: then imgurd serves the token that is
    /// still valid.
    is_in_trouble: bool,
    /// The invalid setting, in the state `misconfigured`.
    setting: &'static str,
    /// Whether unlocking the store would fix it.
    pub(in crate::keeper) locked: bool,
    /// Whether there is no refresh token, so that no further token will follow.
    pub(in crate::keeper) is_last: bool,
    /// From when on the user should know that the token will not be refreshed.
    pub(in crate::keeper) ages_at: Option<Timestamp>,
}

/// The shortest remaining lifetime of a token that imgurd hands out.
const LAST_RESORT: Duration = Duration::from_millis(1);

/// A token to hand out while it is valid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Served {
    access: Access,
    token: Arc<Token>,
    /// What the token allows, if known (RFC 6749, section 3.3): what the server granted, or else what was requested.
    pub(in crate::keeper) scope: Option<String>,
}

/// What a caller gets from a snapshot.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Token(Arc<Token>),
    /// An error that waiting does not solve.
    Fails(Error),
    Wait,
}

/// The keeper's progress when it accepted a caller's request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) issue: u64,
    pub(crate) failed: u64,
}

impl Served {
    /// How long it remains valid; `None` if that is unknown.
    fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let expires_at = self.access.expires_at()?;
        // If the clock is wrong, the token may expire at any moment. That is good enough for callers that would
        // otherwise get none.
        let is_sure = !policy::is_from_the_future(&self.access, now);
        Some(if is_sure { expires_at.since(now) } else { LAST_RESORT })
    }

    fn is_valid_for(&self, least: Duration, now: Timestamp) -> bool {
        let enough = |lifetime| policy::min_valid(least, lifetime).max(LAST_RESORT);
        self.remaining(now).zip(self.access.lifetime).is_none_or(|(left, lifetime)| left >= enough(lifetime))
    }
}

impl Snapshot {
    /// The token in `text`, which a caller reports as rejected. A program may send it with other text (`NAME=value`,
    /// a header, an address). Unchanged, that would not match the current token, and imgurd would hand the same token
    /// out again.
    pub(crate) fn recognised(&self, text: Secret) -> Secret {
        let current = self.served.as_ref().map(|served| &served.access.token);
        current.filter(|token| text.expose().contains(token.expose())).cloned().unwrap_or(text)
    }

    /// The result for a caller now; `progress` is set once the keeper has accepted the request. `strict` callers named
    /// the validity that they need; others get a token that is still valid while the server or store has a problem.
    pub(crate) fn verdict(
        &self,
        want: &Want,
        strict: bool,
        progress: Option<Progress>,
        now: Timestamp,
    ) -> Verdict {
        let served = self.served.as_ref();
        let good = match want {
            Want::Valid(least) => served.filter(|it| {
                it.is_valid_for(*least, now)
                    || (!strict && self.is_in_trouble && it.is_valid_for(Duration::ZERO, now))
            }),
            Want::New => served.filter(|_| progress.is_some_and(|progress| self.issue > progress.issue)),
            Want::AnotherThan(rejected) => served
                .filter(|it| it.access.token != *rejected && it.is_valid_for(Duration::from_mins(1), now)),
        };
        if let Some(served) = good {
            return Verdict::Token(Arc::clone(&served.token));
        }
        let waits_for_a_try =
            !matches!(want, Want::Valid(_)) && progress.is_none_or(|progress| self.failed == progress.failed);
        match self.info.state {
            State::Empty if !self.info.login_pending => Verdict::Fails(self.error()),
            State::ConsentNeeded | State::Misconfigured if !self.info.login_pending && !waits_for_a_try => {
                Verdict::Fails(self.error())
            }
            _ => Verdict::Wait,
        }
    }

    /// The result for a caller whose waiting time is over: a token that is still valid, unless the caller named a
    /// longer validity.
    pub(crate) fn last_resort(&self, want: &Want, strict: bool, now: Timestamp) -> Result<Arc<Token>, Error> {
        let served = self.served.as_ref().filter(|_| matches!(want, Want::Valid(_)) && !strict);
        match served.filter(|served| served.is_valid_for(Duration::ZERO, now)) {
            Some(served) => Ok(Arc::clone(&served.token)),
            None => Err(self.error()),
        }
    }

    pub(crate) fn error(&self) -> Error {
        let account = self.info.name.clone();
        let reason = self.info.reason.clone().unwrap_or_else(|| {
            "imgurd got no token within the wait; try again, or see `imgurctl status`".to_owned()
        });
        match self.info.state {
            State::Empty | State::ConsentNeeded => Error::ConsentNeeded { account, reason },
            State::Misconfigured => Error::Misconfigured { setting: self.setting.to_owned(), reason },
            State::StoreUnavailable => Error::StoreUnavailable { reason },
            _ => Error::TemporarilyUnavailable { reason, retry_at: self.info.retry_at },
        }
    }
}

impl Machine {
    pub(super) fn serves(&self, least: Duration, now: Timestamp) -> bool {
        self.served().is_some_and(|served| served.is_valid_for(least, now))
    }

    /// The token to hand out. Between the server's answer and the publication there is none: the old token may be
    /// invalid, and the new one is not saved yet.
    fn served(&self) -> Option<Served> {
        let grant = self.grant().filter(|_| !self.revisions.is_publishing())?;
        let access = grant.access.clone().filter(|access| !access.dead)?;
        let token = Token {
            account: self.name.clone(),
            access_token: access.token.clone(),
            token_type: access.token_type.clone(),
            expires_at: access.expires_at().map(Timestamp::as_secs),
            username: grant.username.clone(),
        };
        let scope = grant.scope.clone().or_else(|| self.config.scope.clone());
        Some(Served { access, token: Arc::new(token), scope })
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.serves(Duration::from_secs(DEFAULT_MIN_VALID_S.unsigned_abs()), now)
    }

    /// When the state stops being `fresh` unless something happens.
    pub(super) fn turns_stale_at(&self) -> Option<Timestamp> {
        let access = self.grant()?.access.as_ref()?;
        let lifetime = access.lifetime?;
        let least = policy::min_valid(Duration::from_secs(DEFAULT_MIN_VALID_S.unsigned_abs()), lifetime);
        Some(access.issued_at + lifetime.saturating_sub(least) + Duration::from_millis(1))
    }

    fn state(&self, now: Timestamp) -> State {
        let Some(grant) = self.grant().filter(|_| self.is_read()) else {
            return if self.is_read() { State::Empty } else { State::StoreUnavailable };
        };
        let is_under_way = match self.refresh {
            Refresh::Idle => self.revisions.is_publishing(),
            Refresh::Marking { .. } => true,
            // A request for a replaced grant does not concern the current one.
            Refresh::Sent(sent) => sent.generation == grant.generation || self.revisions.is_publishing(),
        };
        match &self.trouble {
            _ if self.is_refused() => State::ConsentNeeded,
            _ if grant.refresh_token.is_none() && !self.is_fresh(now) => State::ConsentNeeded,
            Some(Trouble::Misconfigured { .. }) => State::Misconfigured,
            Some(Trouble::NotRecorded { .. }) => State::StoreUnavailable,
            _ if is_under_way => State::Refreshing,
            Some(Trouble::Passing { .. }) if self.next_try(now).is_some() => State::Waiting,
            _ if self.is_fresh(now) => State::Fresh,
            _ => State::Stale,
        }
    }

    /// The account as it looks at `now`.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let state = self.state(now);
        let grant = self.grant();
        let handed_out = grant.filter(|_| !self.revisions.is_publishing());
        let next_try = self.next_try(now);
        let waits = self.pacing.retry_at().is_some();
        let info = Account {
            name: self.name.clone(),
            is_default: false,
            username: grant.and_then(|grant| grant.username.clone()),
            state,
            reason: self.reason(state, now),
            auto_refresh: self.config.auto_refresh,
            login_pending: self.login.is_some(),
            login_id: self.login.clone(),
            unsaved: self.revisions.grant_is_unsaved(),
            refused: self.record.refusal.is_some() && grant.is_some(),
            expires_at: handed_out
                .and_then(|grant| grant.access.as_ref()?.expires_at())
                .map(Timestamp::as_secs),
            next_refresh_at: next_try.filter(|_| !waits).map(Timestamp::as_secs),
            retry_at: next_try.filter(|_| waits).or(self.reload_at(now)).map(Timestamp::as_secs),
            granted_at: grant.map(|grant| grant.granted_at.as_secs()),
            clock_skew_s: self.notable_skew(),
            settings: self.config.settings(),
        };
        Snapshot {
            info: Arc::new(info),
            served: self.served().map(Arc::new),
            issue: self.issue,
            failed: self.failed,
            logouts: self.logouts,
            is_in_trouble: self.trouble.is_some() || self.is_refused(),
            setting: self.setting_at_fault(),
            locked: self.locked,
            is_last: grant.is_some_and(|grant| grant.refresh_token.is_none()),
            ages_at: self.ages_at(),
        }
    }

    /// From when on the user should know that the token or refresh token comes near its end, if nothing refreshes it
    /// or all attempts fail.
    fn ages_at(&self) -> Option<Timestamp> {
        let is_refreshed = self.config.auto_refresh && self.trouble.is_none();
        let grant = self.grant().filter(|_| !is_refreshed)?;
        let access = grant.access.as_ref()?;
        let end = grant.refresh_expires_at.map(|at| policy::ends_soon_at(access.issued_at, at));
        end.into_iter().chain([policy::ages_at(access, self.config.policy)]).min()
    }
}
