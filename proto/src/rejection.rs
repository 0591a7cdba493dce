//! Whether an API rejected a request because of its access token.

use serde_json::Value;

use crate::text::decoded;

/// Whether a server that answered with `status` and this body rejected the access token. Then report the token with
/// [`RejectToken`](crate::RejectToken), and repeat the request once with the new one.
///
/// A 401 means that (RFC 6750, section 3.1). Imgur uses 403 for many errors; it means that only if its text is about
/// the access token. An answer that the server is over capacity does not, whatever its status.
#[must_use]
pub fn rejects_token(status: u16, body: &[u8]) -> bool {
    let body: Value = serde_json::from_str(&decoded(body)).unwrap_or_default();
    let says = |part| error_texts(&body).any(|text| text.to_ascii_lowercase().contains(part));
    match status {
        401 => !says("over capacity"),
        403 => says("access token") && !says("over capacity"),
        _ => false,
    }
}

/// The error texts in a JSON body, from all places where Imgur's API and its token endpoint put them.
pub fn error_texts(body: &Value) -> impl Iterator<Item = &str> {
    let (error, data) = (&body["error"], &body["data"]);
    let inner = &data["error"];
    let first = &body["errors"][0];
    let codes = [&error["code"], &first["code"]];
    let texts = [&error["message"], data, inner, &inner["message"], &first["detail"]];
    let places = std::iter::once(error).chain(codes).chain(texts);
    places.filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID: &[u8] = br#"{"data":{"error":"The access token provided is invalid.","request":"\/3\/account\/me","method":"GET"},"success":false,"status":403}"#;
    const FULL: &[u8] = br#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"success":false,"status":403}"#;

    #[test]
    fn a_401_or_a_403_about_the_token_rejects_it() {
        for (status, body) in [
            (403, INVALID),
            (401, INVALID),
            (401, b""),
            (401, b"<html>"),
            (403, br#"{"errors":[{"detail":"Access token expired"}]}"#),
        ] {
            assert!(rejects_token(status, body), "{status} {}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn other_errors_do_not_reject_the_token() {
        for (status, body) in [
            (200, INVALID),
            (500, INVALID),
            (401, FULL),
            (403, FULL),
            (403, br#"{"data":{"error":"Unauthorized"},"success":false,"status":403}"#),
            (403, br#"{"data":{"error":"Invalid client_id"},"status":403}"#),
            (403, b"<html>access token</html>"),
            (403, b""),
        ] {
            assert!(!rejects_token(status, body), "{status} {}", String::from_utf8_lossy(body));
        }
    }
}
