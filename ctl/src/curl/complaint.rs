//! Whether what an API answered is a complaint of the token. Imgur says 403 to many things.

use serde_json::{Deserializer, Value};

/// Whether a server that answered with `status` and this body wants another token. A 401 is enough, as RFC 6750 (section
/// 3.1) has it, unless it says that something else is amiss; a 403 has to speak of the token.
pub(super) fn is_about_the_token(status: u16, body: &[u8]) -> bool {
    let texts = object(body).map(|body| texts(&body)).unwrap_or_default();
    let mentions = |part| texts.iter().any(|text| text.contains(part));
    match status {
        _ if mentions("over capacity") => false,
        401 => true,
        403 => mentions("access token"),
        _ => false,
    }
}

/// The first object in what curl wrote: before it may be headers, behind it what --write-out asks for.
fn object(written: &[u8]) -> Option<Value> {
    let begins = |at: &usize| written[*at] == b'{' && (*at == 0 || written[at - 1] == b'\n');
    let read = |at: usize| Deserializer::from_slice(&written[at..]).into_iter().next()?.ok();
    (0..written.len()).filter(begins).find_map(read).filter(Value::is_object)
}

/// Wherever Imgur puts its words.
fn texts(body: &Value) -> Vec<String> {
    let (error, data) = (&body["error"], &body["data"]);
    let inner = &data["error"];
    let places = [error, &error["message"], data, inner, &inner["message"], &body["errors"][0]["detail"]];
    places.into_iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID: &str = r#"{"data":{"error":"The access token provided is invalid.","request":"\/3\/account\/me","method":"GET"},"success":false,"status":403}"#;
    const UNAUTHORIZED: &str = r#"{"data":{"error":"Unauthorized"},"success":false,"status":403}"#;
    const FULL: &str = r#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"success":false,"status":403}"#;

    #[test]
    fn is_what_speaks_of_the_token_and_no_other_refusal() {
        let about = |status, body: &str| is_about_the_token(status, body.as_bytes());
        assert!(about(403, INVALID) && about(401, INVALID));
        assert!(about(401, r#"{"data":{"error":"Authentication required"},"status":401}"#));
        assert!(about(401, "") && about(401, "<html>"));
        assert!(about(403, r#"{"errors":[{"detail":"Access token expired"}]}"#));
        for (status, body) in [
            (403, UNAUTHORIZED),
            (403, FULL),
            (401, FULL),
            (403, r#"{"data":{"error":"Invalid client_id"},"status":403}"#),
            (403, r#"{"data":{"error":"Malformed auth header."},"status":403}"#),
            (403, "<html>access token</html>"),
            (403, ""),
            (429, INVALID),
            (200, INVALID),
            (400, INVALID),
        ] {
            assert!(!about(status, body), "{status} {body}");
        }
    }

    #[test]
    fn is_found_between_headers_and_what_curl_adds() {
        let written = format!("HTTP/1.1 403 Forbidden\r\nX-A: {{b\r\n\r\n{INVALID}403\n");
        assert!(is_about_the_token(403, written.as_bytes()));
    }
}
