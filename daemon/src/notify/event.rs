//! What happens to notifications, and to sign-ins that began with a click.

use super::notice::Notice;

pub(super) enum Event {
    Appeared,
    /// The server and its notifications are gone.
    Gone,
    /// What happened to an account's notification with this number.
    News(String, u64, News),
    /// A login that started with a click needs the user to open a page or enter a code.
    ByHand(String, Notice),
    /// The login ended without a grant.
    Failed(String),
}

/// What happened to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The server shows it with this ID.
    Shown(u32),
    /// There is no server, it does not answer, or it has left.
    Failed,
    /// The user clicked the action that solves the problem.
    Accepted,
    /// The user clicked *Later*.
    Later,
    /// It was closed, or its time-out passed.
    Closed,
}
