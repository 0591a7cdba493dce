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
#[case::an_older_name("x-gzip", GZIP)]
#[case::without_its_header("deflate", RAW)]
#[case::another("gzip", ZLIB)]
#[case::with_a_line_end(
    "gzip",
    "H4sIAAAAAAACA6tWSkxOTi0uji/Jz07NU7JSSkw0NFTSUUqtKMgsSi2OzwSKGZsZGOgogRXEl1QWpAJVJaUmFqUWAdUVpaYBlWXAtSclGRkp1QIAmPOUulYAAAANCg=="
)]
#[case::another("br", GZIP)]
#[case::of_letters("utf-8", GZIP)]
#[case::none_at_all("gzip", "eyJhY2Nlc3NfdG9rZW4iOiJhYTExIn0=")]
#[case::none_at_all("deflate", "eyJhY2Nlc3NfdG9rZW4iOiJhYTExIn0=")]
#[tokio::test]
async fn reads_tokens_however_they_are_compressed(#[case] coding: &str, #[case] body: &str) {
    let (answer, sent) = encoded("200 OK", coding, &BASE64_STANDARD.decode(body).unwrap()).await;
    assert!(matches!(&answer, Answer::Granted(tokens) if tokens.access_token.expose() == "aa11"));
    let asked = sent.lines().find_map(|line| line.strip_prefix("accept-encoding: ")).unwrap();
    assert_eq!(asked, "gzip, deflate");
}

#[rstest]
#[case::not_asked_for("br", RAW, "“br”")]
#[case::not_asked_for("zstd", RAW, "“zstd”")]
#[case::cut_off("gzip", &GZIP[..40], "incomplete or unreadable")]
#[case::damaged("gzip", "H4sI/////////////////w==", "cannot decompress")]
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

/// A megabyte of zeros takes a thousand bytes.
#[tokio::test]
async fn decompresses_no_more_than_an_answer_may_hold() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b' '; 64 << 20]).unwrap();
    let (answer, _) = encoded("200 OK", "gzip", &bomb.finish().unwrap()).await;
    let transient = transient(answer);
    assert!(transient.reason.contains("too long"), "{}", transient.reason);
    assert_eq!(transient.delivery, Delivery::InDoubt);
}
