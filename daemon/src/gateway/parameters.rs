//! The parameters of a request (RFC 6749, sections 3.1 and 3.2): each at most once, and one without a value counts as absent.

use imgurd_proto::Secret;
use url::form_urlencoded::parse;

use super::oauth_error::OauthError;

pub(super) struct Parameters(Vec<(String, Secret)>);

impl Parameters {
    /// # Errors
    /// If a parameter is there twice, or is no text. One that is not known is ignored, however often it comes.
    pub(super) fn read(text: &[u8], known: &[&str]) -> Result<Self, OauthError> {
        let mut given: Vec<(String, Secret)> = Vec::new();
        for (name, value) in parse(text).filter(|(name, _)| known.contains(&&**name)) {
            if given.iter().any(|(other, _)| *other == name) {
                return Err(OauthError::request("the request contains a parameter twice"));
            }
            if value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(OauthError::request("a parameter is not encoded in UTF-8"));
            }
            given.push((name.into_owned(), Secret::from(value.into_owned())));
        }
        given.retain(|(_, value)| !value.is_empty());
        Ok(Self(given))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.secret(name).map(Secret::expose)
    }

    pub(super) fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}
