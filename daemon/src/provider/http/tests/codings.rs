//! Answers that are compressed. A line more is a test more.

use super::*;

/// [`TOKENS`], compressed by Python.
const GZIP: &str = "H4sIAAAAAAACA6tWSkxOTi0uji/Jz07NU7JSSkw0NFTSUUqtKMgsSi2OzwSKGZsZGOgogRXEl1QWpAJVJaUmFqUWAdUVpaYBlWXAtSclGRkp1QIAmPOUulYAAAA=";
const ZLIB: &str = "eJyrVkpMTk4tLo4vyc9OzVOyUkpMNDRU0lFKrSjILEotjs8EihmbGRjoKIEVxJdUFqQCVSWlJhalFgHVFaWmAZVlwLUnJRkZKdUCAOeQHKA=";
const RAW: &str =
    "q1ZKTE5OLS6OL8nPTs1TslJKTDQ0VNJRSq0oyCxKLY7PBIoZmxkY6CiBFcSXVBakAlUlpSYWpRYB1RWlpgGVZcC1JyUZGSnVAgA=";

async fn encoded(status: &str, coding: &str, body: &[u8]) -> (Answer, String) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n");
    let answer = [head.as_bytes(), body].concat();
    exchange(client, refresh(), async |stream| stream.write_all(&answer).await.unwrap()).await
}

#[rstest]
#[case("gzip", GZIP)]
#[case("deflate", ZLIB)]
#[tokio::test]
async fn reads_the_content_codings_that_it_asks_for(#[case] coding: &str, #[case] body: &str) {
    let (answer, sent) = encoded("200 OK", coding, &BASE64_STANDARD.decode(body).unwrap()).await;
    assert!(matches!(&answer, Answer::Granted(tokens) if tokens.access_token.expose() == "aa11"));
    let asked = sent.lines().find_map(|line| line.strip_prefix("accept-encoding: ")).unwrap();
    assert!(asked.contains(coding) && !asked.contains("br") && !asked.contains("zstd"), "{asked}");
}

#[rstest]
#[case::not_asked_for("br", RAW, "“br”")]
#[case::not_asked_for("zstd", RAW, "“zstd”")]
#[case::another("gzip", ZLIB, "cannot be decompressed")]
#[case::none_at_all("gzip", "eyJhY2Nlc3NfdG9rZW4iOiJhYTExIn0=", "cannot be decompressed")]
#[case::cut_off("gzip", &GZIP[..40], "cannot be decompressed")]
#[case::raw("deflate", RAW, "cannot be decompressed")]
#[tokio::test]
async fn doubts_tokens_that_it_cannot_decompress(
    #[case] coding: &str,
    #[case] body: &str,
    #[case] says: &str,
) {
    let (answer, _) = encoded("200 OK", coding, &BASE64_STANDARD.decode(body).unwrap()).await;
    let transient = transient(answer);
    assert!(transient.reason.contains(says), "{}", transient.reason);
    assert_eq!(transient.delivery, Delivery::InDoubt);
}
