//! What a token endpoint gives (RFC 6749, section 5.1), read as leniently as servers write it.

use imgurd_proto::Secret;
use imgurd_proto::text::{credential, printable, printable_name};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The canonical name of the one token type there is (RFC 6750).
const BEARER: &str = "Bearer";

/// Tokens, as a server gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenResponse {
    /// The access token; never empty.
    pub access_token: Secret,
    /// Its canonical type, `Bearer`.
    pub token_type: String,
    /// What to refresh with, if a new one came.
    pub refresh_token: Option<Secret>,
    /// Lifetime of the access token in seconds, as the server said it: it may be nought, negative or absurd.
    pub expires_in: Option<i64>,
    /// Lifetime of the refresh token in seconds, where the server says it, which no standard asks of it.
    pub refresh_expires_in: Option<i64>,
    /// Who consented, by name.
    pub username: Option<String>,
    /// Who consented, by the server's number for them.
    pub account_id: Option<String>,
    /// What was consented to.
    pub scope: Option<String>,
}

impl TokenResponse {
    /// Reads the body of a token endpoint's answer, wrapped in Imgur's `data` or not; nothing if no access token is in it.
    #[must_use]
    pub fn from_json(body: &[u8]) -> Option<Self> {
        Fields::from_json(body)?.into_response()
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
        Fields::from_pairs(pairs).into_response()
    }
}

/// The members of a token response, each of which may be missing: an imported grant may be a refresh token alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The access token; never empty.
    pub access_token: Option<Secret>,
    /// Its type: `Bearer` in its canonical form, any other as it was written.
    pub token_type: Option<String>,
    /// The refresh token; never empty.
    pub refresh_token: Option<Secret>,
    /// Lifetime of the access token in seconds, as it was said.
    pub expires_in: Option<i64>,
    /// Lifetime of the refresh token in seconds, as it was said.
    pub refresh_expires_in: Option<i64>,
    /// Who consented, by name.
    pub username: Option<String>,
    /// Who consented, by the server's number for them.
    pub account_id: Option<String>,
    /// What was consented to.
    pub scope: Option<String>,
}

impl Fields {
    /// Reads a JSON object, wrapped in Imgur's `data` or not; nothing if it is none. A member that cannot be read
    /// counts as missing, so that an odd one never costs the tokens beside it.
    #[must_use]
    pub fn from_json(text: &[u8]) -> Option<Self> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text); // a byte order mark
        let raw: RawFields<'_> = serde_json::from_slice(text).ok()?;
        let fields = Self::from(&raw);
        match raw.data {
            Some(data) if !fields.holds_a_token() && data.get().starts_with('{') => {
                serde_json::from_str(data.get()).ok().map(|raw: RawFields<'_>| Self::from(&raw))
            }
            _ => Some(fields),
        }
    }

    /// Reads the pairs of a decoded query or fragment.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut fields = Self::default();
        for (key, value) in pairs {
            let value = value.as_ref();
            match key.as_ref() {
                "access_token" => fields.access_token = secret(value),
                "refresh_token" => fields.refresh_token = secret(value),
                "token_type" => fields.token_type = token_type(value),
                "expires_in" => fields.expires_in = seconds(value),
                "refresh_token_expires_in" | "refresh_expires_in" => {
                    fields.refresh_expires_in = seconds(value);
                }
                "account_username" => fields.username = name(value),
                "account_id" => fields.account_id = name(value),
                "scope" => fields.scope = text(value),
                _ => {}
            }
        }
        fields
    }

    /// Whether there is text in the place of an access token, but none that a token can have.
    #[must_use]
    pub fn has_odd_token(text: &[u8]) -> bool {
        let raw: Option<RawFields<'_>> = serde_json::from_slice(text).ok();
        let text = raw.and_then(|raw| raw.access_token.and_then(raw_string));
        text.is_some_and(|text| !text.is_empty() && credential(&text).is_none())
    }

    /// Whether an access or refresh token is in it.
    #[must_use]
    pub fn holds_a_token(&self) -> bool {
        self.access_token.is_some() || self.refresh_token.is_some()
    }

    /// The response that this is, if there is an access token.
    #[must_use]
    pub fn into_response(self) -> Option<TokenResponse> {
        Some(TokenResponse {
            access_token: self.access_token?,
            token_type: self.token_type.unwrap_or_else(|| BEARER.into()),
            refresh_token: self.refresh_token,
            expires_in: self.expires_in,
            refresh_expires_in: self.refresh_expires_in,
            username: self.username,
            account_id: self.account_id,
            scope: self.scope,
        })
    }
}

/// The members as unparsed JSON: a number beyond any range must not make the whole answer unreadable.
#[derive(Deserialize)]
struct RawFields<'a> {
    #[serde(borrow)]
    access_token: Option<&'a RawValue>,
    #[serde(borrow)]
    token_type: Option<&'a RawValue>,
    #[serde(borrow)]
    refresh_token: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
    /// As GitHub and others have it.
    #[serde(borrow)]
    refresh_token_expires_in: Option<&'a RawValue>,
    /// As Keycloak has it.
    #[serde(borrow)]
    refresh_expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    account_username: Option<&'a RawValue>,
    #[serde(borrow)]
    account_id: Option<&'a RawValue>,
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl From<&RawFields<'_>> for Fields {
    fn from(raw: &RawFields<'_>) -> Self {
        Self {
            access_token: raw.access_token.and_then(raw_secret),
            token_type: raw.token_type.and_then(raw_string).and_then(|value| token_type(&value)),
            refresh_token: raw.refresh_token.and_then(raw_secret),
            expires_in: raw.expires_in.and_then(raw_scalar).and_then(|value| seconds(&value)),
            refresh_expires_in: raw
                .refresh_token_expires_in
                .or(raw.refresh_expires_in)
                .and_then(raw_scalar)
                .and_then(|value| seconds(&value)),
            username: raw.account_username.and_then(raw_string).and_then(|value| name(&value)),
            account_id: raw.account_id.and_then(raw_scalar).and_then(|value| name(&value)),
            scope: raw.scope.and_then(raw_string).and_then(|value| text(&value)),
        }
    }
}

fn raw_secret(raw: &RawValue) -> Option<Secret> {
    let text: Secret = serde_json::from_str(raw.get()).ok()?;
    secret(text.expose())
}

fn raw_string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// The text of a string, or of a number as it was written.
fn raw_scalar(raw: &RawValue) -> Option<String> {
    let is_number = raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if is_number { Some(raw.get().into()) } else { raw_string(raw) }
}

/// A token that could end a header's line is none (RFC 6749, appendix A).
fn secret(value: &str) -> Option<Secret> {
    credential(value).map(Secret::from)
}

fn text(value: &str) -> Option<String> {
    let value = printable(value);
    let value = value.trim();
    (!value.is_empty()).then(|| value.into())
}

/// A name that the server's users choose.
pub(super) fn name(value: &str) -> Option<String> {
    text(value).map(|name| printable_name(&name))
}

fn token_type(value: &str) -> Option<String> {
    name(value).map(|value| if value.eq_ignore_ascii_case(BEARER) { BEARER.into() } else { value })
}

/// Seconds, however a number may be written: fractions are cut off, and what no integer holds becomes the nearest that
/// one does.
fn seconds(value: &str) -> Option<i64> {
    let value = value.trim();
    if !value.starts_with(|first: char| first == '-' || first == '+' || first.is_ascii_digit()) {
        return None; // `inf` and `nan` are numbers to the parser below
    }
    #[expect(clippy::cast_possible_truncation, reason = "saturating is what is wanted")]
    let from_float =
        || value.parse::<f64>().ok().filter(|seconds| !seconds.is_nan()).map(|seconds| seconds as i64);
    value.parse().ok().or_else(from_float)
}

#[cfg(test)]
mod tests;
