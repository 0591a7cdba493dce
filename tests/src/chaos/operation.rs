//! The random operations of a user, a program, the server, the disk or the machine.

use std::fmt;
use std::time::Duration;

use crate::dice::Dice;

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Issuer {
    A,
    B,
}

impl Issuer {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];
}

/// A step of a sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    /// `token --wait`.
    Token(Duration),
    /// `refresh --wait`.
    Refresh(Duration),
    /// `reject` of the token that was returned last.
    Reject,
    /// `reject` of an older token.
    RejectOlder,
    /// `login` as this user, with or without `--replace`.
    Login(&'static str, bool),
    /// Opens the sign-in page, on which the user presses no button yet.
    LoginBegin,
    /// Presses *Allow* on that page.
    LoginAllow(&'static str),
    /// `import` of a new grant.
    Import(&'static str, bool),
    /// `import` of a refresh token that the server has received before.
    ImportOlder(bool),
    Restore,
    Logout,
    /// `account set` to the other server, with its client secret.
    Switch(Issuer),
    /// `account set --client-id` to an unknown client ID, or back.
    ClientId(bool),
    AutoRefresh(bool),
    /// SIGKILL, then a new start.
    Kill,
    /// SIGTERM, then a new start.
    Restart,
    /// The disk becomes full or the keyring hangs; `true` ends the fault.
    Store(bool),
    /// The server stops listening; `true` lets it listen again.
    Network(Issuer, bool),
    /// Spoils the next answer of the token endpoint.
    Spoil(Issuer, Spoil),
    /// Holds answers of the token endpoint until [`Operation::Release`].
    Hold(Issuer),
    Release,
    /// The server invalidates all access tokens early.
    Dead(Issuer),
    /// Sets the wall clock to this difference from the right time, in seconds.
    Clock(i64),
}

/// How an answer is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoil {
    OverCapacity,
    CaptivePortal,
    DropBefore,
    DropAfter,
    Truncated,
    Slow,
    Refused,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

const USERS: [&str; 3] = ["alice", "alice", "bob"];

impl Operation {
    /// A random operation. The operations that users run often are more likely.
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let yes = dice.below(2) == 0;
        let user = dice.of(USERS);
        let issuer = dice.of(Issuer::BOTH);
        let wait = Duration::from_millis(dice.of([0, 300, 2000]));
        match dice.below(36) {
            0..=3 => Self::Token(wait),
            4..=5 => Self::Refresh(wait),
            6..=7 => Self::Reject,
            8 => Self::RejectOlder,
            9..=10 => Self::Login(user, yes),
            11 => Self::LoginBegin,
            12..=13 => Self::LoginAllow(user),
            14..=15 => Self::Import(user, yes),
            16 => Self::ImportOlder(yes),
            17 => Self::Restore,
            18 => Self::Logout,
            19..=20 => Self::Switch(issuer),
            21 => Self::ClientId(yes),
            22 => Self::AutoRefresh(yes),
            23..=24 => Self::Kill,
            25 => Self::Restart,
            26..=27 => Self::Store(yes),
            28 => Self::Network(issuer, yes),
            29..=30 => Self::Spoil(issuer, Spoil::roll(dice)),
            31 => Self::Hold(issuer),
            32..=33 => Self::Release,
            34 => Self::Dead(issuer),
            _ => Self::Clock(dice.of([-86_400, 0, 0, 3_000])),
        }
    }
}

impl Spoil {
    fn roll(dice: &mut Dice) -> Self {
        dice.of([
            Spoil::OverCapacity,
            Spoil::CaptivePortal,
            Spoil::DropBefore,
            Spoil::DropAfter,
            Spoil::Truncated,
            Spoil::Slow,
            Spoil::Refused,
        ])
    }

    /// Whether the server may have replaced a refresh token although the client did not get the whole answer.
    pub(super) fn loses_an_answer(self) -> bool {
        matches!(self, Self::DropAfter | Self::Truncated)
    }
}
