//! Refreshes that were sent for a grant which made way meanwhile. Their answers are still taken in, and the grant in use
//! does not wait for them.

use super::Account;
use super::refreshing::{Presented, Refresh};

/// A refresh on its way of a grant that is not in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Older {
    op: u64,
    pub(super) generation: u64,
    presented: Presented,
}

impl Account {
    /// Keeps the refresh of the grant in use apart from all others, also where that grant has just come back.
    pub(super) fn follow_the_grant(&mut self) {
        let in_use = self.grant().map(|grant| grant.generation);
        if let Refresh::Sent { op, generation, presented } = self.refresh
            && Some(generation) != in_use
        {
            self.older.push(Older { op, generation, presented });
            self.refresh = Refresh::Idle;
        }
        if let Some(index) = self.older.iter().position(|older| Some(older.generation) == in_use) {
            let Older { op, generation, presented } = self.older.swap_remove(index);
            self.refresh = Refresh::Sent { op, generation, presented };
        }
    }

    /// Whether the refresh token in use is before a server already, as that of a grant which somebody imported for other
    /// settings.
    pub(super) fn is_shown_already(&self) -> bool {
        let in_use = self.grant().and_then(|grant| grant.refresh_token.as_ref());
        let shown = self.older.iter().filter_map(|older| self.displaced(older.generation));
        in_use.is_some() && shown.into_iter().any(|grant| grant.refresh_token.as_ref() == in_use)
    }

    /// Whose refresh the answer to `op` is, and what was presented, where it was a refresh.
    pub(super) fn take_sent(&mut self, op: u64) -> Option<(u64, Presented)> {
        if let Refresh::Sent { op: sent, generation, presented } = self.refresh
            && sent == op
        {
            self.refresh = Refresh::Idle;
            return Some((generation, presented));
        }
        let index = self.older.iter().position(|older| older.op == op)?;
        let Older { generation, presented, .. } = self.older.swap_remove(index);
        Some((generation, presented))
    }
}
