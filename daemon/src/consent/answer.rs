//! What came back from the authorization page, or from the person who copied it.

use imgurd_proto::{Error, Flow, Secret};
use url::Url;
use url::form_urlencoded::parse;

use super::postman;
use crate::provider::{Fields, TokenResponse};

/// An answer of the authorization endpoint (RFC 6749, sections 4.1.2 and 4.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The `state` that came with it; a PIN or code copied by hand has none.
    pub(super) state: Option<Secret>,
    pub(super) content: Content,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Code(Secret),
    Pin(Secret),
    Tokens(Box<TokenResponse>),
    Denied,
    /// The server's error code, such as `invalid_scope`.
    Error(String),
}

/// Reads the query and fragment of the callback. Imgur's denial may be in either, and in the token flow `state` is in
/// the query while the tokens are in the fragment: both are read as one.
pub(super) fn from_redirect(query: Option<&str>, fragment: Option<&str>) -> Option<Answer> {
    let pairs = || [query, fragment].into_iter().flatten().flat_map(|part| parse(part.as_bytes()));
    let find =
        |name: &str| pairs().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value);
    let content = if let Some(error) = find("error") {
        if error == "access_denied" { Content::Denied } else { Content::Error(error_code(&error)) }
    } else if let Some(tokens) = TokenResponse::from_pairs(pairs()) {
        Content::Tokens(Box::new(tokens))
    } else if let Some(code) = find("code") {
        Content::Code(Secret::from(code.into_owned()))
    } else if let Some(pin) = find("pin") {
        Content::Pin(Secret::from(pin.into_owned()))
    } else {
        return None;
    };
    Some(Answer { state: find("state").map(|state| Secret::from(state.into_owned())), content })
}

/// Reads what a person pasted: a whole redirect URL, a code or a PIN.
pub(super) fn from_paste(text: &Secret, flow: Flow) -> Result<Answer, Error> {
    let text = text.expose().trim();
    let not_understood = |reason: &str| Err(Error::invalid("response", reason));
    if text.is_empty() {
        return not_understood(
            "The answer is empty; paste the PIN, the code or the whole address the browser ended at",
        );
    }
    if let Some(url) = as_url(text) {
        return from_redirect(url.query(), url.fragment()).map_or_else(
            || not_understood("The address holds no answer; paste the one that the browser ended at after you allowed access"),
            Ok,
        );
    }
    if text.len() > 2048 || text.contains(char::is_whitespace) {
        return not_understood("That is neither a PIN, nor a code, nor an address; paste just one of them");
    }
    let secret = Secret::from(text);
    match flow {
        Flow::Code => Ok(Answer { state: None, content: Content::Code(secret) }),
        Flow::Pin => Ok(Answer { state: None, content: Content::Pin(secret) }),
        Flow::Token => {
            not_understood("The flow is token, whose answer is in the address; paste the whole address")
        }
    }
}

/// Reads a grant obtained elsewhere: token JSON, what Postman exports, a redirect URL with its fragment, or a bare
/// refresh token.
pub(crate) fn import(text: &Secret) -> Result<Fields, Error> {
    let text = text.expose().trim();
    let fields = if text.starts_with(['{', '[']) {
        let plain = Fields::from_json(text.as_bytes());
        plain.filter(|fields| fields.refresh_token.is_some()).or_else(|| postman::import(text))
    } else if let Some(url) = as_url(text) {
        let pairs =
            [url.query(), url.fragment()].into_iter().flatten().flat_map(|part| parse(part.as_bytes()));
        Some(Fields::from_pairs(pairs))
    } else if !text.is_empty() && text.len() <= 4096 && !text.contains(char::is_whitespace) {
        Some(Fields { refresh_token: Some(Secret::from(text)), ..Fields::default() })
    } else {
        None
    };
    match fields {
        Some(fields) if fields.refresh_token.is_some() => Ok(fields),
        Some(_) => Err(Error::invalid(
            "text",
            "There is no refresh token in it, so nothing could be kept fresh; import one that has it",
        )),
        None => Err(Error::invalid(
            "text",
            "That is no token JSON, no redirect address and no refresh token; give one of these on standard input",
        )),
    }
}

fn as_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(Url::has_host)
}

/// RFC 6749, section 4.1.2.1, allows little more than letters in it; what a stranger puts there is not repeated.
fn error_code(text: &str) -> String {
    let is_plain = text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_plain { text.to_owned() } else { "an error that is not in the standard".to_owned() }
}

#[cfg(test)]
mod tests;
