//! Tokens as Postman shows, copies and exports them.

use serde_json::{Map, Value};

use crate::provider::Fields;

/// How deep folders and requests of a collection may be nested.
const DEEPEST: u32 = 32;

/// Reads the first grant in a token of Postman's list, an environment or a collection. Nothing if the text is no JSON.
pub(super) fn import(text: &str) -> Option<Fields> {
    let whole: Value = serde_json::from_str(text).ok()?;
    Some(find(&whole, DEEPEST).unwrap_or_default())
}

/// An object may hold a token itself; a list may have an element for each of its fields. A token without a refresh token is
/// skipped: collections have access tokens that have expired long ago.
fn find(value: &Value, depth: u32) -> Option<Fields> {
    let here = match value {
        Value::Object(members) => fields(members.iter()),
        Value::Array(items) => fields(items.iter().filter_map(spelled_out)),
        _ => return None,
    };
    if here.refresh_token.is_some() {
        return Some(here);
    }
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Object(members) => members.values().find_map(|inner| find(inner, depth)),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, depth)),
        _ => None,
    }
}

/// `{"key": "refreshToken", "value": "…"}`, unless it is disabled.
fn spelled_out(item: &Value) -> Option<(&String, &Value)> {
    let item: &Map<_, _> = item.as_object()?;
    if item.get("enabled") == Some(&Value::Bool(false)) || item.get("disabled") == Some(&Value::Bool(true)) {
        return None;
    }
    match (item.get("key")?, item.get("value")?) {
        (Value::String(key), value) => Some((key, value)),
        _ => None,
    }
}

fn fields<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>) -> Fields {
    let text = |value: &Value| match value {
        // What stands for a variable is none.
        Value::String(text) if !text.contains("{{") => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Fields::from_pairs(members.filter_map(|(key, value)| Some((name(key), text(value)?))))
}

/// The name that RFC 6749 and Imgur have for it. People call variables as they like: `refreshToken`, `IMGUR_REFRESH_TOKEN`.
fn name(key: &str) -> &str {
    let letters: String = key.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    match letters.strip_prefix("imgur").unwrap_or(&letters) {
        "refreshtoken" => "refresh_token",
        "accesstoken" => "access_token",
        "username" | "accountusername" => "account_username",
        "accountid" => "account_id",
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use imgurd_proto::Secret;
    use rstest::rstest;

    use super::*;

    #[rstest]
    // *Manage Access Tokens*, as it is shown and copied.
    #[case(
        r#"{"name":"mytoken","access_token":"AT","expires_in":315360000,"token_type":"bearer","refresh_token":"RT","account_username":"alice","account_id":9042594,"addTokenTo":"header"}"#
    )]
    #[case(r#"[{"name":"old","access_token":"x"},{"access_token":"AT","refresh_token":"RT","account_username":"alice"}]"#)]
    // An environment, with names as they are in use for Imgur's API.
    #[case(
        r#"{"id":"0f1e","name":"Imgur","values":[{"key":"baseUrl","value":"https://api.imgur.com","enabled":true},{"key":"accessToken","value":"AT","type":"secret","enabled":true},{"key":"refreshToken","value":"RT","enabled":true},{"key":"username","value":"alice","enabled":true}],"_postman_variable_scope":"environment"}"#
    )]
    #[case(
        r#"{"values":[{"key":"refresh_token","value":"spent","enabled":false},{"key":"IMGUR_REFRESH_TOKEN","value":"RT"},{"key":"IMGUR_ACCESS_TOKEN","value":"AT"},{"key":"account_username","value":"alice"}]}"#
    )]
    // A collection of version 2.1: parameters in a list, here of a folder within.
    #[case(
        r#"{"info":{"name":"Imgur","schema":"https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},"auth":{"type":"oauth2","oauth2":[{"key":"accessToken","value":"{{accessToken}}","type":"string"}]},"item":[{"name":"Account","auth":{"type":"oauth2","oauth2":[{"key":"tokenName","value":"mytoken","type":"string"},{"key":"clientId","value":"0123456789abcde","type":"string"},{"key":"accessToken","value":"AT","type":"string"},{"key":"refreshToken","value":"RT","type":"string"},{"key":"username","value":"alice","type":"string"}]},"item":[]}]}"#
    )]
    // One of version 2.0: parameters by name.
    #[case(
        r#"{"item":[{"request":{"auth":{"type":"oauth2","oauth2":{"accessToken":"AT","refreshToken":"RT","tokenType":"bearer","username":"alice"}}}}]}"#
    )]
    // Variables of the collection.
    #[case(
        r#"{"info":{},"item":[],"variable":[{"key":"accessToken","value":"AT"},{"key":"refreshToken","value":"RT"},{"key":"username","value":"alice"}]}"#
    )]
    fn understands_what_postman_shows_and_exports(#[case] text: &str) {
        let fields = import(text).unwrap();
        let tokens = [fields.refresh_token, fields.access_token];
        assert_eq!(tokens, ["RT", "AT"].map(|token| Some(Secret::from(token))));
        assert_eq!(fields.username.as_deref(), Some("alice"));
    }

    #[rstest]
    #[case(r#"{"auth":{"oauth2":[{"key":"accessToken","value":"AT"}]}}"#)]
    #[case(r#"{"values":[{"key":"refreshToken","value":"{{vault}}","enabled":true}]}"#)]
    #[case(r#"{"values":[{"key":"refreshToken","value":"RT","enabled":false}]}"#)]
    #[case(r#"{"values":[{"key":"refreshToken"},{"value":"RT"},{"key":7,"value":"RT"}]}"#)]
    #[case("[]")]
    fn finds_no_grant_where_there_is_none(#[case] text: &str) {
        assert_eq!(import(text).unwrap().refresh_token, None);
    }

    #[test]
    fn is_not_led_into_the_depths() {
        let nested = format!("{}{}{}", "[".repeat(100), r#"{"refreshToken":"RT"}"#, "]".repeat(100));
        assert_eq!(import(&nested).unwrap().refresh_token, None);
    }
}
