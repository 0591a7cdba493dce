//! The authorization response, from the redirect or pasted by the user.

use std::borrow::Cow;

use imgurd_proto::text::{
    bare_address, credential, is_place, is_shortened, letters, lone_credential, printable_name,
};
use imgurd_proto::{Error, Flow, Secret};
use url::form_urlencoded::parse;

use crate::provider::TokenResponse;

/// The shortest code or PIN that imgurd accepts without a parameter name, in characters.
const SHORTEST: usize = 3;

/// An answer of the authorization endpoint (RFC 6749, sections 4.1.2 and 4.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthorizationResponse {
    /// The `state` in the answer; a PIN or code that was copied by hand has none.
    pub(super) state: Option<Secret>,
    /// The server that the answer claims to come from (RFC 9207).
    pub(super) iss: Option<String>,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Code(Secret),
    Pin(Secret),
    Tokens(Box<TokenResponse>),
    /// The server's description of it.
    Denied {
        description: Option<String>,
    },
    /// The server's error code, such as `invalid_scope`, and its description.
    Error {
        code: String,
        description: Option<String>,
    },
}

impl Content {
    /// The credential in it, which can be used only once.
    pub(super) fn credential(&self) -> Option<&Secret> {
        match self {
            Self::Code(secret) | Self::Pin(secret) => Some(secret),
            Self::Tokens(tokens) => tokens.access_token.as_ref(),
            Self::Denied { .. } | Self::Error { .. } => None,
        }
    }
}

/// Why a text is not a valid answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAResponse {
    Nothing,
    /// A parameter is there twice (RFC 6749, section 3.1).
    Doubled,
    OtherFlow,
    /// A code, PIN or token has characters that none can have (RFC 6749, appendix A).
    Unreadable,
}

/// The parameters that imgurd reads. Each may occur once.
const PARAMETERS: [&str; 15] = [
    "access_token",
    "account_id",
    "account_username",
    "code",
    "error",
    "error_description",
    "expires_in",
    "id_token",
    "iss",
    "pin",
    "refresh_token",
    "refresh_token_expires_in",
    "scope",
    "state",
    "token_type",
];

const CREDENTIALS: [&str; 4] = ["access_token", "code", "pin", "refresh_token"];

/// Reads the query and fragment of a redirect as one: Imgur's denial may be in either, and in the token flow `state` is in
/// the query and the tokens in the fragment.
pub(super) fn from_redirect(
    query: Option<&str>,
    fragment: Option<&str>,
    flow: Flow,
) -> Result<AuthorizationResponse, NotAResponse> {
    let given = Parameters::read(query, fragment)?;
    let description = given.get("error_description").map(printable_name);
    let content = match given.get("error") {
        Some(code) if is_denial(code) => Content::Denied { description },
        Some(code) => Content::Error { code: printable_name(code), description },
        None => given.content(flow)?,
    };
    let (state, iss) = (given.get("state").map(Secret::from), given.get("iss").map(ToOwned::to_owned));
    Ok(AuthorizationResponse { state, iss, content })
}

/// Decoded parameters. One without a value counts as absent (RFC 6749, section 3.1).
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(query: Option<&str>, fragment: Option<&str>) -> Result<Self, NotAResponse> {
        let mut given = Self(Vec::new());
        for part in [query, fragment].into_iter().flatten() {
            let pairs = parse(part.as_bytes()).into_owned();
            let pairs: Vec<_> =
                pairs.filter(|(name, value)| is_parameter(name) && !value.is_empty()).collect();
            let is_twice = |(at, (name, _)): (usize, &(String, String))| {
                pairs[..at].iter().any(|(earlier, _)| earlier == name)
            };
            // Servers repeat `state` in the fragment, and imgurd reads both parts together.
            let differs =
                |(name, value): &(String, String)| given.get(name).is_some_and(|known| known != value);
            if pairs.iter().enumerate().any(is_twice) || pairs.iter().any(differs) {
                return Err(NotAResponse::Doubled);
            }
            given.0.extend(pairs);
        }
        Ok(given)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn content(&self, flow: Flow) -> Result<Content, NotAResponse> {
        let content = match flow {
            Flow::Code => self.secret("code")?.map(Content::Code),
            Flow::Pin => self.secret("pin")?.map(Content::Pin),
            Flow::Token => self.tokens()?.map(Box::new).map(Content::Tokens),
            Flow::Device => None,
        };
        content.ok_or_else(|| {
            let is_of_another = CREDENTIALS.iter().any(|name| self.get(name).is_some());
            if is_of_another { NotAResponse::OtherFlow } else { NotAResponse::Nothing }
        })
    }

    /// Reads the tokens. If one of them is invalid, the whole answer is invalid, because the user can copy it again
    /// completely.
    fn tokens(&self) -> Result<Option<TokenResponse>, NotAResponse> {
        self.secret("access_token")?;
        self.secret("refresh_token")?;
        Ok(TokenResponse::from_pairs(self.0.iter().map(|(name, value)| (name, value))))
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, NotAResponse> {
        let read = |text| credential(text).map(Secret::from).ok_or(NotAResponse::Unreadable);
        self.get(name).map(read).transpose()
    }
}

/// `access_denied` (RFC 6749, section 4.1.2.1), and what some servers write instead.
fn is_denial(code: &str) -> bool {
    ["accessdenied", "userdenied", "consentdenied", "usercancelled", "usercanceled", "cancelled", "canceled"]
        .contains(&letters(code).as_str())
}

fn is_parameter(name: &str) -> bool {
    PARAMETERS.contains(&name)
}

/// Reads a pasted answer: the address of the redirect or its parameters, a code or a PIN, recognised by its shape. An
/// ambiguous text is refused. The [session](super::session) compares the `state` of an address with the login's.
pub(crate) fn from_paste(text: &Secret, flow: Flow) -> Result<AuthorizationResponse, Error> {
    let text = &unwrapped(text.expose());
    if text.is_empty() {
        return Err(refused(
            "The answer is empty; paste the PIN, the code or the whole address from the browser",
        ));
    }
    if is_shortened(text) {
        return Err(refused(
            "The answer ends with dots, so a program has shortened it; copy the whole address from the browser",
        ));
    }
    if let Some((query, fragment)) = parts_of_address(text) {
        // `code=…` alone is a code with its name.
        let is_labelled = flow != Flow::Token && !text.contains(['?', '#', '&']);
        return from_address(query, fragment, flow, is_labelled);
    }
    if has_scheme(text) {
        return Err(refused(NotAResponse::Nothing.of_an_address()));
    }
    // A single key press is not an answer.
    let is_answer = |text: &&str| text.len() >= SHORTEST && !is_word(text, flow);
    let secret = Secret::from(lone_credential(text).filter(is_answer).ok_or_else(|| {
        refused("That is not a PIN, a code or an address; paste one of them and nothing else")
    })?);
    let content = match flow {
        Flow::Code => Content::Code(secret),
        Flow::Pin => Content::Pin(secret),
        Flow::Device => {
            return Err(refused(
                "A device code needs no pasted answer; enter the code on the server's page, and imgurd completes the \
                 sign-in",
            ));
        }
        Flow::Token => {
            return Err(refused(
                "The flow token has its answer in the address; paste the whole address from the browser",
            ));
        }
    };
    Ok(AuthorizationResponse { state: None, iss: None, content })
}

/// What pages, programs and people write before an answer: `Location: http://…`.
const LABELS: [&str; 8] =
    ["address", "authorization code", "code", "link", "location", "pin", "redirect url", "url"];

/// The answer in a pasted text, without what is around it: a label, quotes, a copy of itself, or a second encoding.
fn unwrapped(text: &str) -> Cow<'_, str> {
    let text = bare_address(text);
    let is_label = |label: &str| LABELS.iter().any(|known| known.eq_ignore_ascii_case(label.trim()));
    let answer =
        text.split_once(':').filter(|(label, _)| is_label(label)).map_or(&*text, |(_, answer)| answer);
    let address = bare_address(answer);
    let address = once(&address);
    // All of an address is encoded: `http%3A%2F%2F…`.
    let is_encoded = address.to_ascii_lowercase().contains("%3a%2f%2f") && !address.contains([':', '&', '=']);
    match parse(address.as_bytes()).next().filter(|_| is_encoded) {
        Some((address, _)) => address.into_owned().into(),
        None => address.to_owned().into(),
    }
}

/// An address that was pasted twice counts once.
fn once(text: &str) -> &str {
    let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let is_twice = first.contains("://") && first.trim_end() == second.trim_start();
    if is_twice { first.trim_end() } else { text }
}

/// Whether it begins like a URI without an authority, such as `about:blank`. No known code does.
fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphabetic() || b"+-.".contains(&byte))
}

/// The shortest code of letters only, in characters. A shorter text is a word, such as `quit`.
const SHORTEST_OF_LETTERS: usize = 16;

/// Whether it is a word and no answer. A PIN may be of capitals, or of hexadecimal digits.
fn is_word(text: &str, flow: Flow) -> bool {
    let is_of_a_pin = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_hexdigit();
    text.len() < SHORTEST_OF_LETTERS
        && text.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !(flow == Flow::Pin && text.bytes().all(is_of_a_pin))
}

fn from_address(
    query: Option<&str>,
    fragment: Option<&str>,
    flow: Flow,
    is_labelled: bool,
) -> Result<AuthorizationResponse, Error> {
    let answer = from_redirect(query, fragment, flow).map_err(|reason| refused(reason.of_an_address()))?;
    let is_bare = is_labelled && matches!(answer.content, Content::Code(_) | Content::Pin(_));
    if answer.state.is_none() && !is_bare {
        return Err(refused(
            "The address has no state, so it may belong to another sign-in; paste the whole address from the browser",
        ));
    }
    Ok(answer)
}

impl NotAResponse {
    fn of_an_address(self) -> &'static str {
        match self {
            Self::Nothing => {
                "The address contains no answer; paste the address that the browser shows after you allow access"
            }
            Self::Doubled => {
                "The address contains a parameter twice; paste the address from the browser, and only once"
            }
            Self::OtherFlow => {
                "The address contains the answer of another flow; paste the address that this sign-in's page led to"
            }
            Self::Unreadable => {
                "The code or token in the address contains invalid characters; copy the whole address again"
            }
        }
    }
}

fn refused(reason: &str) -> Error {
    Error::invalid("response", reason)
}

/// The query and fragment of an address, whose beginning may be missing. Bare parameters count as the query.
fn parts_of_address(text: &str) -> Option<(Option<&str>, Option<&str>)> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let (head, fragment) = split_at(text, '#');
    let (place, query) = split_at(head, '?');
    if query.is_some() || fragment.is_some() || is_place(place) {
        return Some((query, fragment));
    }
    let mut names = parse(text.as_bytes()).map(|(name, _)| name);
    (text.contains('=') && names.any(|name| is_parameter(&name))).then_some((Some(text), None))
}

fn split_at(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests;
