//! The types of a grant, and of what imgurd saves of it. This module imports no other room.

mod fingerprints;

use std::ops::Add;
use std::time::Duration;

pub use fingerprints::Fingerprints;
pub use imgurd_proto::Secret;
use imgurd_proto::text::printable_name;
use serde::{Deserialize, Deserializer, Serialize};

/// A moment on the wall clock, in milliseconds since the Unix epoch. Its arithmetic saturates: no lifetime that a
/// server can name overflows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, the unit of times in the interface.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This many milliseconds later, or earlier if negative.
    #[must_use]
    pub const fn moved(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The time since `earlier`; zero if that is in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_millis)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// An access token and its lifetime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The token.
    pub token: Secret,
    /// Its canonical type, `Bearer`.
    pub token_type: String,
    /// When the answer that brought it arrived.
    pub issued_at: Timestamp,
    /// The lifetime that the server gave; `None` if it gave none that is usable.
    pub lifetime: Option<Duration>,
    /// Whether it does not work any more: a program reported it as rejected, or the server gave the same user and
    /// client a newer access token, which ends the older one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// Whether this process received it, and so knows its age even if the clock is set.
    #[serde(skip)]
    pub witnessed: bool,
}

impl Access {
    /// When it expires, if known.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.lifetime.map(|lifetime| self.issued_at + lifetime)
    }
}

/// The server that a grant or client secret belongs to, and the client there. imgurd sends neither to another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// The application's id.
    pub client_id: String,
    /// Scheme, host and port of the token endpoint: older versions saved only this, and still read it.
    pub origin: String,
    /// The whole token endpoint, as a parsed URL is written; absent in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// The server's issuer identifier (RFC 8414, section 2), if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
}

impl Issuer {
    /// Whether both are the same client at the same server.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.client_id == other.client_id && self.is_same_server(other)
    }

    /// Whether both are the same server. An identifier that only one of them has proves nothing.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        let identifiers = self.identifier.as_ref().zip(other.identifier.as_ref());
        self.token_url == other.token_url
            && self.token_url.is_some()
            && identifiers.is_none_or(|(mine, others)| mine == others)
    }

    /// Binds what an older version saved with only an origin to the token endpoint of `current` if the origin is the
    /// same, because the older version sent it there. Returns whether it did.
    pub fn adopt(&mut self, current: &Self) -> bool {
        let is_older = self.token_url.is_none() && self.origin == current.origin;
        if is_older {
            self.token_url.clone_from(&current.token_url);
            self.identifier.clone_from(&current.identifier);
        }
        is_older
    }
}

/// A client secret that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// The client and server that it belongs to.
    pub issuer: Issuer,
    /// The secret.
    pub secret: Secret,
}

/// The result of a consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its number within the account, which is never reused. An answer belongs to the grant whose number it has.
    pub generation: u64,
    /// The server and client that it belongs to.
    pub issuer: Issuer,
    /// The token that obtains new access tokens.
    pub refresh_token: Option<Secret>,
    /// The current access token; `None` in a grant that was imported without one.
    pub access: Option<Access>,
    /// The name of the user who consented.
    #[serde(default, deserialize_with = "name")]
    pub username: Option<String>,
    /// The server's ID of the user who consented.
    #[serde(default, deserialize_with = "name")]
    pub account_id: Option<String>,
    /// The scope that the server granted, or else the requested one, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When the user consented, or the grant was imported.
    pub granted_at: Timestamp,
    /// How many answers in a row kept the refresh token.
    pub kept: u32,
    /// When the refresh token expires, if the server says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// Whether it was imported and the server has not confirmed it yet. Until then it replaces no working grant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// Whether the last answer had a new refresh token that imgurd could not read. Then this one may be outdated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_new_refresh_token: bool,
}

/// Records of older versions contain names as the server sent them.
fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|name| printable_name(&name)))
}

impl Grant {
    /// Whether both are known to belong to different users.
    #[must_use]
    pub fn is_anothers(&self, other: &Self) -> bool {
        let differ = |a: &Option<String>, b: &Option<String>| a.as_ref().zip(b.as_ref()).map(|(a, b)| a != b);
        differ(&self.account_id, &other.account_id).or_else(|| differ(&self.username, &other.username))
            == Some(true)
    }

    /// Whether both are known to belong to the same user.
    #[must_use]
    pub fn is_same_persons(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        same(&self.account_id, &other.account_id)
            || (same(&self.username, &other.username) && !self.is_anothers(other))
    }
}

/// A grant that was replaced. imgurd keeps it for 30 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    /// The grant.
    pub grant: Grant,
    /// When it was replaced.
    pub at: Timestamp,
}

/// The server refused the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When it refused it first.
    pub first_at: Timestamp,
    /// Whether it refused it again, at least a minute later.
    pub confirmed: bool,
    /// Whether imgurd has tried the previous refresh token since.
    pub previous_tried: bool,
    /// Whether this process received the refusal, and so knows its age even if the clock is set.
    #[serde(skip)]
    pub witnessed: bool,
}

/// Everything that imgurd saves for one account, as one item of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The client secret.
    pub client_secret: Option<Secret>,
    /// The server that the secret belongs to; absent without one, and in records of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_issuer: Option<Issuer>,
    /// Secrets of other servers and clients, the latest last. They return with their settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_client_secrets: Vec<ClientSecret>,
    /// The grant in use.
    pub grant: Option<Grant>,
    /// The refresh token that the current one replaced. imgurd keeps it only if the server tolerates reuse; otherwise
    /// the fingerprint in `replaced` is enough.
    pub previous_refresh_token: Option<Secret>,
    /// Refresh tokens that newer ones replaced. If reuse revokes the grant (RFC 9700, section 4.14.2), imgurd sends
    /// none of them again.
    #[serde(skip_serializing_if = "Fingerprints::is_empty")]
    pub replaced: Fingerprints,
    /// The client settings with which the server last gave tokens.
    #[serde(skip_serializing_if = "Fingerprints::is_empty")]
    pub proven: Fingerprints,
    /// Grants that were replaced, the latest last.
    pub displaced: Vec<Displaced>,
    /// Set before a refresh is sent, and cleared by its answer. If it is set at start, an answer was lost.
    pub in_flight: Option<Timestamp>,
    /// The server's refusal of the refresh token.
    pub refusal: Option<Refusal>,
    /// The number of the next grant.
    pub next_generation: u64,
    /// When it was saved, if the store needs that to recognise an older record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_at: Option<Timestamp>,
    /// Whether a newer record was stored since, for example in another keyring.
    #[serde(skip)]
    pub is_outdated: bool,
}

impl Record {
    /// Whether it contains a refresh token or an access token.
    #[must_use]
    pub fn holds_a_grant(&self) -> bool {
        self.grant.is_some() || !self.displaced.is_empty()
    }

    /// The current grant and the replaced ones.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.grant.iter().chain(self.displaced.iter().map(|displaced| &displaced.grant))
    }

    /// The same, mutable.
    pub fn grants_mut(&mut self) -> impl Iterator<Item = &mut Grant> {
        self.grant.iter_mut().chain(self.displaced.iter_mut().map(|displaced| &mut displaced.grant))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_panic_message_with_a_record_contains_no_secret() {
        let grant = json!({
            "generation": 1, "issuer": { "client_id": "id", "origin": "https://example.org" }, "kept": 0,
            "refresh_token": "kept-secret", "granted_at": 0,
            "access": { "token": "kept-secret", "token_type": "Bearer", "issued_at": 0 },
        });
        let record = json!({
            "client_secret": "kept-secret", "grant": grant, "previous_refresh_token": "kept-secret",
            "displaced": [{ "grant": grant, "at": 0 }],
        });
        let record: Record = serde_json::from_value(record).unwrap();
        let panic = catch_unwind(|| panic!("{record:?}")).unwrap_err();
        let message = panic.downcast::<String>().unwrap();
        assert!(message.contains("Record") && message.matches("[redacted]").count() == 6, "{message}");
        assert!(!message.contains("kept-secret"));
    }
}
