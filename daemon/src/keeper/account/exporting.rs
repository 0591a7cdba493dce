//! Exports a grant to another machine.

use imgurd_proto::{Error, Export};

use super::Machine;
use super::refreshing::Refresh;
use crate::grant::{Secret, Timestamp};

impl Machine {
    /// Everything that the account needs on another machine. It fails while an answer may arrive that replaces the
    /// refresh token: the exported one would be worthless.
    pub(in crate::keeper) fn exported(&self, now: Timestamp) -> Result<Export, Error> {
        let Some(grant) = self.grant() else {
            return Err(self.snapshot(now).error());
        };
        if matches!(self.refresh, Refresh::Sent(_)) || self.revisions.is_publishing() {
            return Err(self.is_refreshing());
        }
        let Some(refresh_token) = grant.refresh_token.clone() else {
            return Err(self.needs_sign_in());
        };
        let is_there = |secret: &Secret| !secret.is_empty();
        Ok(Export {
            account: self.name.clone(),
            settings: self.config.settings(),
            client_secret: self.record.client_secret.clone().filter(is_there),
            refresh_token,
            access_token: grant
                .access
                .as_ref()
                .filter(|access| !access.dead)
                .map(|access| access.token.clone()),
            username: grant.username.clone(),
        })
    }
}
