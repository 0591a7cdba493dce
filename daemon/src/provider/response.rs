//! The token response (RFC 6749, section 5.1). imgurd parses it leniently, because servers deviate from the standard.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use super::lenient_json::lenient_json;
use imgurd_proto::Secret;
use imgurd_proto::text::{bare, credential, decoded, is_credential, name};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use url::form_urlencoded::{Parse, parse};

use super::id_token::IdToken;

/// The canonical name of the only supported token type (RFC 6750).
const BEARER: &str = "Bearer";

/// The tokens of a server's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenResponse {
    /// The access token; never empty. `None` if the answer has only a refresh token that can be read.
    pub access_token: Option<Secret>,
    /// Its type: `Bearer` in its canonical form, any other as the server wrote it.
    pub token_type: String,
    /// The new refresh token, if there is one; never empty.
    pub refresh_token: Option<Secret>,
    /// Whether the server sent a refresh token that imgurd cannot read.
    pub has_odd_refresh_token: bool,
    /// The lifetime of the access token in seconds, as the server gave it: it may be zero, negative or absurd.
    pub expires_in: Option<i64>,
    /// The lifetime of the refresh token in seconds, if the server gives it. No standard requires that.
    pub refresh_expires_in: Option<i64>,
    /// The granted scope, if it differs from the requested one (RFC 6749, section 5.1); most servers always send it.
    pub scope: Option<String>,
    /// The name of the user who consented.
    pub username: Option<String>,
    /// The server's ID of the user who consented.
    pub account_id: Option<String>,
    /// The user who consented, if the server is an OpenID provider.
    pub id_token: Option<IdToken>,
}

impl TokenResponse {
    /// Reads the text of a token endpoint's response: JSON, also wrapped in Imgur's `data`, or a form, which GitHub
    /// and others send. `None` if it contains no token.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Members::read(text)?.tokens()
    }

    /// Reads the fragment of a redirect (RFC 6749, section 4.2.2); nothing if no access token is in it.
    ///
    /// ```
    /// use imgurd::provider::TokenResponse;
    ///
    /// let fragment = url::form_urlencoded::parse(b"access_token=0123&expires_in=3600&token_type=bearer");
    /// let tokens = TokenResponse::from_pairs(fragment).expect("there is a token in it");
    /// assert_eq!(tokens.expires_in, Some(3600));
    /// assert_eq!(tokens.token_type, "Bearer");
    /// ```
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Option<Self> {
        Members::from_pairs(pairs).tokens().filter(|tokens| tokens.access_token.is_some())
    }

    /// Whether programs can send the access token as it is (RFC 6749, section 7.1).
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        self.token_type == BEARER
    }

    /// Whether this answers the request with `nonce`. An ID token must repeat it (OpenID Connect Core, section
    /// 3.1.3.7).
    #[must_use]
    pub fn answers(&self, nonce: Option<&Secret>) -> bool {
        self.id_token.as_ref().is_none_or(|token| nonce.is_none() || token.nonce.as_ref() == nonce)
    }
}

/// Whether there is a text instead of an access token that is not a valid token.
pub(super) fn has_odd_token(text: &str) -> bool {
    Members::read(text).is_some_and(|members| members.has_odd("access_token"))
}

/// The text of an answer. Some servers end it with a NUL.
pub(super) fn text(body: &[u8]) -> Cow<'_, str> {
    match decoded(body) {
        Cow::Borrowed(text) => text.trim_end_matches('\0').into(),
        Cow::Owned(text) => text.trim_end_matches('\0').to_owned().into(),
    }
}

/// The pairs of a form, with any media type. A page or another text is not a form.
pub(super) fn form(text: &str) -> Option<Parse<'_>> {
    let text = text.trim_ascii().trim_start_matches('?');
    let is_form = !text.starts_with('<') && !text.contains(|letter: char| letter.is_ascii_whitespace());
    is_form.then(|| parse(text.as_bytes()))
}

const NUMBERS: [&str; 4] = ["account_id", "expires_in", "refresh_expires_in", "refresh_token_expires_in"];
/// Values that servers write for an absent member.
const ABSENT: [&str; 4] = ["null", "false", "[]", "{}"];
const TOKENS: [&str; 2] = ["access_token", "refresh_token"];

/// The members by name, as text. A member that occurs several times counts if its values are equal. imgurd does not
/// guess which of two tokens is meant.
struct Members(BTreeMap<String, Option<Secret>>);

impl Members {
    fn from_pairs<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut members = Self(BTreeMap::new());
        for (name, value) in pairs {
            members.add(name.as_ref(), Secret::from(value.as_ref()));
        }
        members
    }

    /// Adds a member; `None` is an unreadable value.
    fn add(&mut self, name: &str, value: impl Into<Option<Secret>>) {
        let value = value.into();
        match self.0.entry(name.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(mut known) if *known.get() != value => {
                known.insert(None);
            }
            Entry::Occupied(_) => {}
        }
    }

    fn read(text: &str) -> Option<Self> {
        // A page between the server and imgurd may have escaped it.
        let unescaped = text.replace("&amp;", "&");
        Self::from_json(text).or_else(|| form(&unescaped).map(Self::from_pairs))
    }

    fn from_json(text: &str) -> Option<Self> {
        let text = lenient_json(text)?;
        let RawMembers(raw) = serde_json::from_str(&text).ok()?;
        let members = Self::from_raw(&raw);
        let holds_a_token = TOKENS.iter().any(|name| members.secret(name).is_some());
        match raw.iter().find(|(name, _)| name == "data") {
            Some((_, data)) if !holds_a_token && data.get().starts_with('{') => {
                serde_json::from_str(data.get()).ok().map(|RawMembers(raw)| Self::from_raw(&raw))
            }
            _ => Some(members),
        }
    }

    /// Takes unparsed JSON, so that a number beyond every range does not make the whole answer unreadable.
    fn from_raw(raw: &[(String, &RawValue)]) -> Self {
        let text = |name: &str, value: &str| {
            let is_number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            let is_whole = value.bytes().all(|byte| byte.is_ascii_digit());
            if (is_number && NUMBERS.contains(&name)) || (is_whole && TOKENS.contains(&name)) {
                return Some(Secret::from(value));
            }
            if name == "scope" && value.starts_with('[') {
                return serde_json::from_str(value).ok().map(|scopes: Vec<String>| scopes.join(" ").into());
            }
            serde_json::from_str(value).ok()
        };
        let mut members = Self(BTreeMap::new());
        for (name, value) in raw.iter().filter(|(_, value)| !ABSENT.contains(&value.get())) {
            members.add(name, text(name, value.get()));
        }
        members
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_ref().map(Secret::expose)
    }

    /// A token with a line end is not valid (RFC 6749, appendix A), because it could end a header.
    fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name)
            .and_then(credential)
            .map(without_type)
            .filter(|text| !is_nothing(text))
            .map(Secret::from)
    }

    fn has_odd(&self, name: &str) -> bool {
        let is_odd = |value: &Option<Secret>| {
            value
                .as_ref()
                .is_none_or(|value| !bare(value.expose()).is_empty() && credential(value.expose()).is_none())
        };
        let is_nothing = self.get(name).is_some_and(is_nothing);
        !is_nothing && self.0.get(name).is_some_and(is_odd)
    }

    /// Whether a refresh token without an access token is certainly one: a message about it may have its name.
    fn is_clear(&self, token: &Secret) -> bool {
        let token = token.expose();
        !token.contains(' ') && (self.0.len() > 1 || token.contains(|letter: char| letter.is_ascii_digit()))
    }

    fn tokens(&self) -> Option<TokenResponse> {
        // The first is GitHub's name, the second Keycloak's.
        let refresh_expires_in = self.get("refresh_token_expires_in").or(self.get("refresh_expires_in"));
        let access_token = self.secret("access_token");
        let refresh_token = self.secret("refresh_token");
        if access_token.is_none() && !refresh_token.as_ref().is_some_and(|token| self.is_clear(token)) {
            return None;
        }
        // A refresh token that equals the access token is a mistake of the server, and useless.
        let is_mistaken = refresh_token.is_some() && refresh_token == access_token;
        let id_token = self.get("id_token").and_then(IdToken::read);
        let user = id_token.as_ref().map(|token| &token.user);
        let username = self.get("account_username").and_then(name);
        let account_id = self.get("account_id").and_then(name);
        Some(TokenResponse {
            access_token,
            token_type: self.get("token_type").and_then(token_type).unwrap_or_else(|| BEARER.into()),
            refresh_token: refresh_token.filter(|_| !is_mistaken),
            has_odd_refresh_token: is_mistaken || self.has_odd("refresh_token"),
            expires_in: self.get("expires_in").and_then(seconds),
            refresh_expires_in: refresh_expires_in.and_then(seconds),
            scope: self.get("scope").and_then(scope),
            username: username.or_else(|| user?.username.clone()),
            account_id: account_id.or_else(|| user.map(|user| user.subject.clone())),
            id_token,
        })
    }
}

/// An access token without the type that some servers put before it, as in a header.
fn without_type(token: &str) -> &str {
    match token.split_at_checked(BEARER.len() + 1) {
        Some((kind, token)) if kind.trim_end().eq_ignore_ascii_case(BEARER) && !token.contains(' ') => token,
        _ => token,
    }
}

/// Whether this is a text that programs write for an absent value.
fn is_nothing(text: &str) -> bool {
    matches!(text.trim(), "0" | "null" | "undefined" | "None" | "nil" | "false")
}

/// The members of a JSON object in their order, including repeated ones.
struct RawMembers<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = RawMembers<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let entries = std::iter::from_fn(|| members.next_entry().transpose());
                entries.collect::<Result<_, _>>().map(RawMembers)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A scope (RFC 6749, section 3.3). An empty one says nothing.
fn scope(value: &str) -> Option<String> {
    let scopes: Vec<_> = value.split_whitespace().collect();
    Some(scopes.join(" ")).filter(|scope| scope.len() <= LONGEST_SCOPE && is_credential(scope))
}

/// More than a server grants, in bytes: it is saved with the grant.
const LONGEST_SCOPE: usize = 4096;

fn token_type(value: &str) -> Option<String> {
    // Some gateways write the latter.
    let is_bearer =
        |value: &str| [BEARER, "BearerToken"].iter().any(|known| known.eq_ignore_ascii_case(value));
    name(value).map(|value| if is_bearer(&value) { BEARER.into() } else { value })
}

/// Reads seconds in any number format. Fractions are cut off, and a number beyond an integer's range becomes the
/// nearest integer.
fn seconds(value: &str) -> Option<i64> {
    let value = value.trim();
    if !value.starts_with(|first: char| first == '-' || first == '+' || first.is_ascii_digit()) {
        return None; // the parser below reads `inf` and `nan` as numbers
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturating is what is wanted")]
    let from_float =
        || value.parse::<f64>().ok().filter(|seconds| !seconds.is_nan()).map(|seconds| seconds as i64);
    value.parse().ok().or_else(from_float)
}

#[cfg(test)]
mod tests;
