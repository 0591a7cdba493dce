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
    /// `reject` of the token that was handed out last.
    Reject,
    /// `reject` of a token that was handed out before that.
    RejectOlder,
    /// `login` as this user, with or without `--replace`.
    Login(&'static str, bool),
    /// The sign-in page is open, and the user has not pressed a button yet.
    LoginBegin,
    /// *Allow* is pressed on that page.
    LoginAllow(&'static str),
    /// `import` of a new grant.
    Import(&'static str, bool),
    /// `import` of a refresh token that the account has shown before.
    ImportOlder(bool),
    Restore,
    Logout,
    /// `account set` to the other server, with the secret that it knows.
    Switch(Issuer),
    /// `account set --client-id` to an unknown client ID, or back.
    ClientId(bool),
    AutoRefresh(bool),
    /// SIGKILL, and a new start.
    Kill,
    /// SIGTERM, and a new start.
    Restart,
    /// The disk is full, or the keyring hangs; or works again.
    Store(bool),
    /// The server stops listening, or listens again.
    Network(Issuer, bool),
    /// The answer to the next request at the token endpoint is spoiled, after it was processed or instead of it.
    Spoil(Issuer, Spoil),
    /// Answers of the token endpoint are held back until [`Operation::Release`].
    Hold(Issuer),
    Release,
    /// The server ends all access tokens before their time.
    Dead(Issuer),
    /// The wall clock is set, in seconds from the right time.
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
    /// Any operation; frequent operations of users are frequent here.
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

    /// Whether a refresh token may be replaced in an answer that never arrives whole.
    pub(super) fn loses_an_answer(self) -> bool {
        matches!(self, Self::DropAfter | Self::Truncated)
    }
}
