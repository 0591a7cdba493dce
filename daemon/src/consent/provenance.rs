//! Where a pasted grant comes from, as far as its text says. A grant of another server or client is refused, and so is a
//! text with several grants.

use std::collections::BTreeSet;
use std::fmt;

use imgurd_proto::{Error, Secret};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use url::form_urlencoded::parse;

use super::authorization_response::as_url;
use crate::config::AccountConfig;

/// What the names in files and on the web are for a token endpoint, without what is between their words.
const TOKEN_URLS: [&str; 4] = ["tokenurl", "tokenendpoint", "tokenuri", "accesstokenurl"];

/// Fails where `text` names several refresh tokens, or a client or server that is not the account's.
pub(crate) fn check_provenance(text: &Secret, account: &AccountConfig) -> Result<(), Error> {
    let text = text.expose().trim().trim_start_matches('\u{feff}');
    let mut named = Named::default();
    if text.starts_with(['{', '[']) {
        // What is no JSON has been refused.
        let _ =
            Member { name: "", named: &mut named }.deserialize(&mut serde_json::Deserializer::from_str(text));
    } else if let Some(url) = as_url(text) {
        let parts = [url.query(), url.fragment()].into_iter().flatten();
        parts.flat_map(|part| parse(part.as_bytes())).for_each(|(name, value)| named.note(&name, &value));
    }
    named.check(account)
}

/// All that a text names. Members of JSON that come twice count twice.
#[derive(Default)]
struct Named {
    refresh_tokens: BTreeSet<String>,
    client_ids: BTreeSet<String>,
    token_urls: BTreeSet<String>,
    issuers: BTreeSet<String>,
}

impl Named {
    fn note(&mut self, name: &str, value: &str) {
        let value = value.trim();
        // What stands for a variable is none.
        if value.is_empty() || value.contains("{{") {
            return;
        }
        let name: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        let place = match name.as_str() {
            "iss" | "issuer" => &mut self.issuers,
            name if TOKEN_URLS.contains(&name) => &mut self.token_urls,
            name if name.ends_with("refreshtoken") => &mut self.refresh_tokens,
            name if name.ends_with("clientid") => &mut self.client_ids,
            _ => return,
        };
        place.insert(value.to_owned());
    }

    fn check(&self, account: &AccountConfig) -> Result<(), Error> {
        if self.refresh_tokens.len() > 1 {
            let reason = "There are several refresh tokens in it, so none was sent; give one of them alone";
            return Err(Error::invalid("text", reason));
        }
        let is_url = |url: &str| url::Url::parse(url).is_ok_and(|url| url == account.token_url);
        let is_issuer = |iss: &str| account.issuer.as_deref().is_none_or(|known| known == iss);
        for (what, values, fits) in [
            ("client id", &self.client_ids, &(|id: &str| id == account.client_id) as &dyn Fn(&str) -> bool),
            ("token URL", &self.token_urls, &is_url),
            ("issuer", &self.issuers, &is_issuer),
        ] {
            if !values.is_empty() && !values.iter().any(|value| fits(value)) {
                // The text's own words may hold a secret.
                let reason = format!(
                    "The {what} in it is not this account's, so nothing was sent; import it into an account with that {what}"
                );
                return Err(Error::invalid("text", reason));
            }
        }
        Ok(())
    }
}

/// The value of a member, or of an element of one.
struct Member<'a> {
    name: &'a str,
    named: &'a mut Named,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    /// Its text, if it is one.
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        self.named.note(self.name, text);
        Ok(Some(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        self.named.note(self.name, &number.to_string());
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element_seed(Member { name: self.name, named: self.named })?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut key, mut value) = (None, None);
        while let Some(name) = members.next_key::<String>()? {
            let text = members.next_value_seed(Member { name: &name, named: self.named })?;
            match name.as_str() {
                "key" => key = text,
                "value" => value = text,
                _ => {}
            }
        }
        if let (Some(key), Some(value)) = (key, value) {
            self.named.note(&key, &value);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use imgurd_proto::Settings;
    use rstest::rstest;

    use super::*;
    use crate::config::RefreshPolicy;

    fn check(text: &str) -> Result<(), Error> {
        let settings = Settings {
            client_id: Some("c9".to_owned()),
            token_url: Some("https://as.example/token".to_owned()),
            issuer: Some("https://as.example".to_owned()),
            ..Settings::default()
        };
        check_provenance(
            &Secret::from(text),
            &AccountConfig::new(settings, RefreshPolicy::default()).unwrap(),
        )
    }

    #[rstest]
    #[case(r#"{"refresh_token":"SR","client_id":"another"}"#)]
    #[case(r#"{"refresh_token":"SR","token_url":"https://other.example/token"}"#)]
    #[case(r#"{"refresh_token":"SR","iss":"https://other.example"}"#)]
    #[case(r#"{"auth":{"oauth2":[{"key":"accessTokenUrl","value":"https://other.example/token"},{"key":"refreshToken","value":"SR"}]}}"#)]
    #[case(r#"{"auth":{"oauth2":[{"key":"clientId","value":"zzz"},{"key":"refreshToken","value":"SR"}]}}"#)]
    #[case("https://as.example/#access_token=A&refresh_token=SR&client_id=another")]
    fn a_grant_of_another_server_or_client_is_refused(#[case] text: &str) {
        let error = check(text).unwrap_err().to_string();
        assert!(error.contains("not this account's") && !error.contains("SR"), "{error}");
    }

    #[rstest]
    #[case(r#"{"a":{"refresh_token":"SR1"},"b":{"refresh_token":"SR2"}}"#)]
    #[case(r#"[{"refresh_token":"SR1"},{"refresh_token":"SR2"}]"#)]
    #[case(r#"{"refresh_token":"SR1","refresh_token":"SR2"}"#)]
    #[case("https://as.example/#refresh_token=SR1&refresh_token=SR2")]
    fn of_several_grants_none_is_chosen(#[case] text: &str) {
        let error = check(text).unwrap_err().to_string();
        assert!(error.contains("several refresh tokens") && !error.contains("SR1"), "{error}");
    }

    #[rstest]
    #[case("SR")]
    #[case(r#"{"refresh_token":"SR"}"#)]
    #[case(
        "\u{feff}{\"refresh_token\":\"SR\",\"client_id\":\"c9\",\"token_url\":\"https://as.example/token\"}"
    )]
    #[case(r#"{"refresh_token":"SR","old":{"refresh_token":"SR","client_id":"{{id}}"},"n":[1,-1,1.5,null,true]}"#)]
    #[case("https://as.example/callback?state=S#access_token=A&refresh_token=SR")]
    fn a_grant_that_fits_is_taken(#[case] text: &str) {
        assert_eq!(check(text), Ok(()));
    }
}
