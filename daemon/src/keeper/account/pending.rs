//! The requests that wait for the server, the store or the API before a new grant is used.

use super::{Began, Machine, Ticket};
use crate::grant::{Grant, Issuer, Secret};

/// A request other than a refresh of the current grant.
#[derive(Clone, Debug)]
pub(super) enum PendingRequest {
    Exchange {
        op: u64,
        ticket: Ticket,
        began: Began,
        replace: bool,
        /// The nonce that an ID token in the answer must contain.
        nonce: Option<Secret>,
        /// Whether imgurd asks the server again if the answer is neither yes nor no.
        polls: bool,
    },
    /// An imported grant is set aside and is being saved before it is sent for verification.
    Recording {
        revision: u64,
        import: Import,
    },
    Verify {
        op: u64,
        import: Import,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Import {
    pub(super) ticket: Ticket,
    pub(super) generation: u64,
    /// Whether it may replace a grant that it cannot be compared with.
    pub(super) replace: bool,
    /// Whether the import brought the grant, which was not set aside before.
    pub(super) is_new: bool,
    /// Whether a login brought the grant, and the API rejected its first access token.
    pub(super) of_login: bool,
}

/// A grant that is set aside until the API says whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identification {
    pub(super) ticket: Ticket,
    pub(super) generation: u64,
    /// Whether the token endpoint itself said that it is the same user's. That counts if there is no API.
    pub(super) vouched: bool,
    /// The number of the first request that may have led to it.
    pub(super) began: u64,
    /// Whether its refresh token has been used to verify it.
    pub(super) is_verified: bool,
}

/// How tokens arrived.
pub(super) struct Arrival {
    pub(super) issuer: Issuer,
    /// Whether the token endpoint itself sent them. A redirect passes through the browser, so its tokens may be
    /// anyone's.
    pub(super) vouched: bool,
    /// Whether it may replace another user's grant.
    pub(super) replace: bool,
    /// The number of the first request that may have led to them.
    pub(super) began: u64,
}

impl Machine {
    pub(super) fn take_pending(&mut self, op: u64) -> Option<PendingRequest> {
        let is_answered = |pending: &PendingRequest| match pending {
            PendingRequest::Exchange { op: sent, .. } | PendingRequest::Verify { op: sent, .. } => {
                *sent == op
            }
            PendingRequest::Recording { .. } => false,
        };
        let index = self.pending.iter().position(is_answered)?;
        Some(self.pending.swap_remove(index))
    }

    /// The imported grant whose refresh token has been sent to the server, or is about to be.
    pub(super) fn verifying(&self) -> Option<u64> {
        self.pending.iter().find_map(|pending| match pending {
            PendingRequest::Recording { import, .. } | PendingRequest::Verify { import, .. } => {
                Some(import.generation)
            }
            PendingRequest::Exchange { .. } => None,
        })
    }

    /// Whether another import is being verified, or the server may have this token already: for a replaced grant, or
    /// for a logged-out grant, whose answer nothing keeps.
    pub(super) fn is_on_its_way(&self, candidate: &Grant) -> bool {
        let may_be_this =
            |sent: Option<&Grant>| sent.is_none_or(|it| it.refresh_token == candidate.refresh_token);
        let sent_for = |generation| self.record.grants().find(|grant| grant.generation == generation);
        let mut older = self.older.iter().map(|older| sent_for(older.generation));
        self.verifying().is_some() || older.any(may_be_this)
    }
}
