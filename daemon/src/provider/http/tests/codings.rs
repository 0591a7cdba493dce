//! Compressed answers. Each line is a test case.

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
#[case::wrong_header("gzip", ZLIB)]
#[case::with_a_line_end(
    "gzip",
    "H4sIAAAAAAACA6tWSkxOTi0uji/Jz07NU7JSSkw0NFTSUUqtKMgsSi2OzwSKGZsZGOgogRXEl1QWpAJVJaUmFqUWAdUVpaYBlWXAtSclGRkp1QIAmPOUulYAAAANCg=="
)]
#[case::wrong_header("br", GZIP)]
#[case::unknown_coding("utf-8", GZIP)]
#[case::not_compressed("gzip", "eyJhY2Nlc3NfdG9rZW4iOiJhYTExIn0=")]
#[case::not_compressed("deflate", "eyJhY2Nlc3NfdG9rZW4iOiJhYTExIn0=")]
#[tokio::test]
async fn reads_compressed_tokens(#[case] coding: &str, #[case] body: &str) {
    let (answer, sent) = encoded("200 OK", coding, &BASE64_STANDARD.decode(body).unwrap()).await;
    assert!(matches!(&answer, Answer::Granted(tokens) if tokens.access_token == Some("aa11".into())));
    let asked = sent.lines().find_map(|line| line.strip_prefix("accept-encoding: ")).unwrap();
    assert_eq!(asked, "gzip, deflate");
}

#[rstest]
#[case::not_accepted("br", RAW, "“br”")]
#[case::not_accepted("zstd", RAW, "“zstd”")]
#[case::cut_off("gzip", &GZIP[..40], "incomplete or unreadable")]
#[case::damaged("gzip", "H4sI/////////////////w==", "cannot decompress")]
#[tokio::test]
async fn an_answer_that_cannot_be_decompressed_is_in_doubt(
    #[case] coding: &str,
    #[case] body: &str,
    #[case] says: &str,
) {
    let (answer, _) = encoded("200 OK", coding, &BASE64_STANDARD.decode(body).unwrap()).await;
    let transient = transient(answer);
    assert!(transient.reason.contains(says), "{}", transient.reason);
    assert_eq!(transient.delivery, Delivery::InDoubt);
}

/// A compressed body can expand to a thousand times its size.
#[tokio::test]
async fn limits_the_size_of_a_decompressed_answer() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b' '; 64 << 20]).unwrap();
    let (answer, _) = encoded("200 OK", "gzip", &bomb.finish().unwrap()).await;
    let transient = transient(answer);
    assert!(transient.reason.contains("too long"), "{}", transient.reason);
    assert_eq!(transient.delivery, Delivery::InDoubt);
}
