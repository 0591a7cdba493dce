//! Refreshes of a grant that was replaced after they were sent. imgurd still processes their answers, but the current
//! grant does not wait for them.

use super::Machine;
use super::refreshing::{Refresh, Sent};

impl Machine {
    /// Separates the refresh of the current grant from all others, also if that grant was just restored.
    pub(super) fn reassign_refreshes(&mut self) {
        let in_use = self.grant().map(|grant| grant.generation);
        if let Refresh::Sent(sent) = self.refresh
            && Some(sent.generation) != in_use
        {
            self.older.push(sent);
            self.refresh = Refresh::Idle;
        }
        if let Some(index) = self.older.iter().position(|sent| Some(sent.generation) == in_use) {
            self.refresh = Refresh::Sent(self.older.swap_remove(index));
        }
    }

    /// Whether the current refresh token has been sent already, for a grant that was imported with other settings.
    pub(super) fn is_shown_already(&self) -> bool {
        let in_use = self.grant().and_then(|grant| grant.refresh_token.as_ref());
        let mut shown = self.older.iter().filter_map(|sent| self.displaced(sent.generation));
        in_use.is_some() && shown.any(|grant| grant.refresh_token.as_ref() == in_use)
    }

    pub(super) fn take_sent(&mut self, op: u64) -> Option<Sent> {
        if let Refresh::Sent(sent) = self.refresh
            && sent.op == op
        {
            self.refresh = Refresh::Idle;
            return Some(sent);
        }
        let index = self.older.iter().position(|sent| sent.op == op)?;
        Some(self.older.swap_remove(index))
    }
}
