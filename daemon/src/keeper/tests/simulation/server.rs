//! A token endpoint that records exactly which refresh tokens and access tokens are valid.

use std::collections::BTreeMap;
use std::time::Duration;

use super::chance::Chance;
use crate::grant::Secret;
use crate::provider::{Answer, Delivery, TokenRequest, TokenResponse, Transient};

/// How long a replaced refresh token stays valid with a grace period.
const GRACE: Duration = Duration::from_secs(30);

/// What a refresh does to the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    /// Nothing.
    Off,
    /// It is sometimes replaced, and the old one stays valid.
    Lax,
    /// It is replaced, and the old one stays valid for 30 s.
    Grace,
    /// It is replaced, and the old one is invalid.
    Plain,
    /// Like `Plain`, and using the old one again revokes the grant (RFC 9700, section 4.14.2).
    Strict,
}

/// The condition of the server and of the connection to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Fine,
    Unreachable,
    Flaky,
    Overloaded,
    Portal,
    Refusing,
    Misconfigured,
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Served,
    NotSent,
    LostOnTheWay,
    LostOnTheWayBack,
    Fault(Option<Duration>),
    Refused,
    Misconfigured,
}

struct Family {
    user: &'static str,
    client: String,
    revoked: bool,
    current: String,
    /// Replaced refresh tokens, and when they were replaced.
    replaced: BTreeMap<String, Duration>,
    /// Valid access tokens, and until when.
    live: BTreeMap<String, Option<Duration>>,
}

/// The server.
pub(super) struct Server {
    pub(super) rotation: Rotation,
    /// Whether a new access token invalidates the others of the same client and user.
    pub(super) one_live: bool,
    pub(super) expires_in: Option<i64>,
    pub(super) mood: Mood,
    /// The longest time for a request or an answer.
    pub(super) slowest: Duration,
    chance: Chance,
    families: BTreeMap<u64, Family>,
    given: u64,
}

impl Server {
    pub(super) fn new(mut chance: Chance) -> Self {
        use Rotation::*;
        Self {
            rotation: chance.pick(&[Off, Lax, Grace, Plain, Plain, Strict]),
            one_live: chance.one_in(2),
            expires_in: chance.pick(&[None, Some(1), Some(60), Some(3600), Some(36_000), Some(315_360_000)]),
            mood: Mood::Fine,
            slowest: Duration::from_secs(14),
            chance,
            families: BTreeMap::new(),
            given: 0,
        }
    }

    /// What happens to the next request, and how long it takes in each direction.
    pub(super) fn plan(&mut self) -> (Fate, Duration, Duration) {
        let chance = &mut self.chance;
        let (one, two) = (chance.below(8), chance.below(3601));
        let pause = chance.pick(&[None, Some(Duration::ZERO), Some(Duration::from_secs(two))]);
        let lost = chance.pick(&[Fate::LostOnTheWay, Fate::LostOnTheWayBack]);
        let fate = match self.mood {
            Mood::Fine if chance.one_in(40) => lost,
            Mood::Unreachable => Fate::NotSent,
            Mood::Flaky if one < 3 => lost,
            Mood::Flaky if one < 5 => Fate::NotSent,
            Mood::Flaky if one < 6 => Fate::Fault(None),
            Mood::Fine | Mood::Flaky => Fate::Served,
            Mood::Overloaded => Fate::Fault(pause),
            Mood::Portal => Fate::Fault(None),
            Mood::Refusing => Fate::Refused,
            Mood::Misconfigured => Fate::Misconfigured,
        };
        let longest = chance.pick(&[20, 20, 300, 2_000, 14_000]);
        let longest = Duration::from_millis(longest).min(self.slowest);
        (fate, chance.span(longest), chance.span(longest))
    }

    /// Processes a request; `None` if the server refuses it.
    pub(super) fn serve(
        &mut self,
        client: &str,
        request: &TokenRequest,
        truth: Duration,
    ) -> Option<TokenResponse> {
        match request {
            TokenRequest::Code { code, .. } | TokenRequest::Pin(code) | TokenRequest::Device(code) => {
                let user = if code.expose() == "bob" { "bob" } else { "alice" };
                Some(self.consent(user, client, truth))
            }
            TokenRequest::Refresh(token) => self.refresh(client, token.expose(), truth),
        }
    }

    /// A user allows access.
    pub(super) fn consent(&mut self, user: &'static str, client: &str, truth: Duration) -> TokenResponse {
        self.given += 1;
        let number = self.given;
        let current = format!("r{number}.0");
        let family = Family {
            user,
            client: client.to_owned(),
            revoked: false,
            current: current.clone(),
            replaced: BTreeMap::new(),
            live: BTreeMap::new(),
        };
        self.families.insert(number, family);
        self.answer(number, Some(current), truth)
    }

    fn refresh(&mut self, client: &str, token: &str, truth: Duration) -> Option<TokenResponse> {
        let (rotation, number) = (self.rotation, family_of(token)?);
        let coin = self.chance.one_in(2);
        let family = self.families.get_mut(&number)?;
        if family.revoked || family.client != client {
            return None;
        }
        if token != family.current {
            let since = truth.saturating_sub(*family.replaced.get(token)?);
            let is_good = rotation == Rotation::Lax || (rotation == Rotation::Grace && since <= GRACE);
            family.revoked = rotation == Rotation::Strict;
            if !is_good {
                return None;
            }
        }
        let told = match rotation {
            Rotation::Off => coin.then(|| token.to_owned()),
            Rotation::Lax if coin => None,
            _ => Some(self.replace(number, truth)),
        };
        Some(self.answer(number, told, truth))
    }

    fn replace(&mut self, number: u64, truth: Duration) -> String {
        self.given += 1;
        let new = format!("r{number}.{}", self.given);
        let family = self.families.get_mut(&number).unwrap();
        let old = std::mem::replace(&mut family.current, new.clone());
        family.replaced.insert(old, truth);
        new
    }

    fn answer(&mut self, number: u64, refresh_token: Option<String>, truth: Duration) -> TokenResponse {
        self.given += 1;
        let access = format!("a{number}.{}", self.given);
        let (user, client) = (self.families[&number].user, self.families[&number].client.clone());
        if self.one_live {
            let same = self.families.values_mut().filter(|it| it.user == user && it.client == client);
            same.for_each(|family| family.live.clear());
        }
        let lifetime = self.expires_in.map(|secs| Duration::from_secs(secs.unsigned_abs()));
        let live = &mut self.families.get_mut(&number).unwrap().live;
        live.insert(access.clone(), lifetime.map(|lifetime| truth + lifetime));
        TokenResponse {
            access_token: Some(Secret::from(access)),
            token_type: "Bearer".to_owned(),
            refresh_token: refresh_token.map(Secret::from),
            expires_in: self.expires_in,
            refresh_expires_in: None,
            has_odd_refresh_token: false,
            id_token: None,
            username: Some(user.to_owned()),
            account_id: Some(if user == "bob" { "2" } else { "1" }.to_owned()),
            scope: None,
        }
    }

    /// Whether the API accepts `access`.
    pub(super) fn accepts(&self, access: &str, truth: Duration) -> bool {
        let family = family_of(access).and_then(|number| self.families.get(&number));
        let until = family.and_then(|family| family.live.get(access));
        until.is_some_and(|until| until.is_none_or(|until| truth < until))
    }

    /// Whether a refresh with `refresh` would succeed.
    pub(super) fn would_refresh(&self, client: &str, refresh: &str) -> bool {
        let family = family_of(refresh).and_then(|number| self.families.get(&number));
        family.is_some_and(|it| !it.revoked && it.client == client && it.current == refresh)
    }

    pub(super) fn user_of(&self, token: &str) -> Option<&'static str> {
        Some(self.families.get(&family_of(token)?)?.user)
    }

    pub(super) fn client_of(&self, token: &str) -> Option<&str> {
        Some(&self.families.get(&family_of(token)?)?.client)
    }

    /// Invalidates an access token, as another program's refresh does.
    pub(super) fn kill(&mut self, access: &str) {
        if let Some(family) = family_of(access).and_then(|number| self.families.get_mut(&number)) {
            family.live.remove(access);
        }
    }

    /// The user revokes the consent.
    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(family) = family_of(token).and_then(|number| self.families.get_mut(&number)) {
            family.revoked = true;
            family.live.clear();
        }
    }
}

/// The number of the consent that a token belongs to.
pub(super) fn family_of(token: &str) -> Option<u64> {
    token.get(1..)?.split('.').next()?.parse().ok()
}

/// The keeper's classification of an answer; `served` is the server's response.
pub(super) fn reading(fate: Fate, served: Option<TokenResponse>) -> Answer {
    let transient = |reason: &str, retry_after, delivery| {
        Answer::Transient(Transient { reason: reason.to_owned(), retry_after, delivery })
    };
    let refused = || Answer::Refused { reason: "Invalid refresh token".to_owned() };
    match fate {
        Fate::Served => served.map_or_else(refused, Answer::Granted),
        Fate::Refused => refused(),
        Fate::NotSent => transient("The server cannot be reached", None, Delivery::NotSent),
        Fate::LostOnTheWay | Fate::LostOnTheWayBack => {
            transient("The connection was cut", None, Delivery::InDoubt)
        }
        Fate::Fault(pause) => transient("The server is over capacity", pause, Delivery::Answered),
        Fate::Misconfigured => Answer::Misconfigured {
            setting: "client_secret",
            reason: "The client credentials are invalid".to_owned(),
        },
    }
}
