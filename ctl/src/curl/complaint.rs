//! Whether what curl wrote is an API's answer that rejects the token.

use imgurd_proto::rejects_token;
use serde_json::{Deserializer, Value};

/// Whether a server that answered with `status` rejects the token, by the body in what curl wrote: before it may be
/// headers, behind it what --write-out asks for.
pub(super) fn is_about_the_token(status: u16, written: &[u8]) -> bool {
    rejects_token(status, object(written).unwrap_or_default())
}

/// The first JSON object that begins a line.
fn object(written: &[u8]) -> Option<&[u8]> {
    let begins = |at: &usize| written[*at] == b'{' && (*at == 0 || written[at - 1] == b'\n');
    (0..written.len()).filter(begins).find_map(|at| {
        let mut values = Deserializer::from_slice(&written[at..]).into_iter::<Value>();
        values.next()?.ok()?;
        Some(&written[at..at + values.byte_offset()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_between_headers_and_what_curl_adds() {
        const INVALID: &str = r#"{"data":{"error":"The access token provided is invalid."},"status":403}"#;
        let written = format!("HTTP/1.1 403 Forbidden\r\nX-A: {{b\r\n\r\n{INVALID}403\n");
        assert!(is_about_the_token(403, written.as_bytes()));
        let written = format!("{{odd\n{INVALID}");
        assert!(is_about_the_token(403, written.as_bytes()));
        assert!(is_about_the_token(401, b"") && !is_about_the_token(403, b"access token"));
    }
}
