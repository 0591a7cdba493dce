//! What came back from the authorization page, or from the person who copied it.

use imgurd_proto::{Error, Flow, Secret};
use url::Url;
use url::form_urlencoded::parse;

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

/// Reads a grant obtained elsewhere: token JSON, a redirect URL with its fragment, or a bare refresh token.
pub(crate) fn import(text: &Secret) -> Result<Fields, Error> {
    let text = text.expose().trim();
    let fields = if text.starts_with('{') {
        Fields::from_json(text.as_bytes())
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
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn code(text: &str) -> Content {
        Content::Code(Secret::from(text))
    }

    #[rstest]
    #[case("http://127.0.0.1:8917/callback?state=S&code=abc", Some("S"), code("abc"))]
    #[case("http://127.0.0.1:8917/callback?error=access_denied&state=S", Some("S"), Content::Denied)]
    #[case("http://127.0.0.1:8917/callback?state=S#error=access_denied", Some("S"), Content::Denied)]
    #[case("https://as.example/cb?error=invalid_scope&state=S", Some("S"), Content::Error("invalid_scope".into()))]
    #[case("  abc\n", None, code("abc"))]
    fn understands_what_a_person_pastes(
        #[case] text: &str,
        #[case] state: Option<&str>,
        #[case] content: Content,
    ) {
        let answer = from_paste(&Secret::from(text), Flow::Code).unwrap();
        assert_eq!(answer, Answer { state: state.map(Secret::from), content });
    }

    #[rstest]
    #[case(
        "https://imgur.com/#access_token=AT&expires_in=315360000&token_type=bearer&refresh_token=RT&account_username=NAME&account_id=114888747"
    )]
    #[case(
        "https://www.getpostman.com/oauth2/callback?state=S#access_token=AT&expires_in=315360000&token_type=bearer&refresh_token=RT&account_username=NAME&account_id=114888747"
    )]
    fn understands_the_fragment_of_imgurs_token_flow(#[case] text: &str) {
        let answer = from_paste(&Secret::from(text), Flow::Token).unwrap();
        let Content::Tokens(tokens) = answer.content else { panic!("{answer:?}") };
        assert_eq!(tokens.refresh_token, Some(Secret::from("RT")));
        assert_eq!(tokens.username.as_deref(), Some("NAME"));
        assert_eq!(tokens.expires_in, Some(315_360_000));
        assert_eq!(import(&Secret::from(text)).unwrap().refresh_token, Some(Secret::from("RT")));
    }

    #[test]
    fn a_pin_is_a_pin() {
        let answer = from_paste(&Secret::from("0123456"), Flow::Pin).unwrap();
        assert_eq!(answer.content, Content::Pin(Secret::from("0123456")));
    }

    #[rstest]
    #[case("")]
    #[case("two words")]
    #[case("https://imgur.com/")]
    fn says_what_to_paste_when_it_does_not_understand(#[case] text: &str) {
        let error = from_paste(&Secret::from(text), Flow::Code).unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument { field, .. } if field == "response"), "{error:?}");
    }

    #[rstest]
    #[case(r#"{"access_token":"AT","expires_in":3600,"token_type":"bearer","scope":null,"refresh_token":"RT","account_id":9042594,"account_username":"NAME"}"#)]
    #[case(r#"{"refresh_token":"RT"}"#)]
    #[case("RT")]
    #[case("https://imgur.com/#access_token=AT&refresh_token=RT")]
    fn takes_a_grant_in_every_form(#[case] text: &str) {
        assert_eq!(import(&Secret::from(text)).unwrap().refresh_token, Some(Secret::from("RT")));
    }

    proptest! {
        #[test]
        fn no_input_panics_or_leaks_into_an_error_text(text in "\\PC{0,200}") {
            for flow in [Flow::Code, Flow::Token, Flow::Pin] {
                if let Err(error) = from_paste(&Secret::from(text.clone()), flow) {
                    prop_assert!(text.trim().len() < 8 || !error.to_string().contains(text.trim()));
                }
            }
            if let Err(error) = import(&Secret::from(text.clone())) {
                prop_assert!(text.trim().len() < 8 || !error.to_string().contains(text.trim()));
            }
        }
    }
}
