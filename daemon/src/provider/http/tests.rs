mod codings;

use std::future::pending;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use imgurd_proto::ClientAuth;
use oauth2::RedirectUrl;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::super::{Delivery, Transient};
use super::*;

const TOKENS: &str =
    r#"{"access_token":"aa11","expires_in":3600,"token_type":"bearer","refresh_token":"bb22"}"#;

async fn ask(client: Client, request: TokenRequest) -> Answer {
    HttpProvider::default().token(client, request).await.answer
}

/// Serves one request with `answer`, and returns what was sent.
async fn exchange<F>(client: impl FnOnce(Url) -> Client, request: TokenRequest, answer: F) -> (Answer, String)
where
    F: AsyncFnOnce(&mut TcpStream),
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oauth2/token", listener.local_addr().unwrap()).parse().unwrap();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let sent = receive(&mut stream).await;
        answer(&mut stream).await;
        let _ = stream.shutdown().await;
        sent
    };
    tokio::join!(ask(client(url), request), serving)
}

/// Reads one request, up to the end of its body.
async fn receive(stream: &mut TcpStream) -> String {
    let mut sent = String::new();
    loop {
        if let Some((head, body)) = sent.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return sent;
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the request is complete");
        sent.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

fn client(token_url: Url) -> Client {
    let (id, secret) = ("an id".into(), Some("a secret".into()));
    Client {
        id,
        secret,
        auth: ClientAuth::Body,
        resource: Vec::new(),
        token_url,
        ca_file: None,
        proven: false,
    }
}

fn refresh() -> TokenRequest {
    TokenRequest::Refresh("cc33".into())
}

fn http_answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn answered(status: &str, body: &str) -> Answer {
    let answer = http_answer(status, body);
    exchange(client, refresh(), async |stream| {
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await
    .0
}

/// The head and the form of the request that was sent.
async fn sent(client: impl FnOnce(Url) -> Client, request: TokenRequest) -> (String, Vec<(String, String)>) {
    let answer = http_answer("200 OK", TOKENS);
    let (answer, sent) = exchange(client, request, async |stream| {
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    assert!(matches!(answer, Answer::Granted(_)));
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), url::form_urlencoded::parse(body.as_bytes()).into_owned().collect())
}

fn form<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn transient(answer: Answer) -> Transient {
    match answer {
        Answer::Transient(transient) => transient,
        other => panic!("{other:?} is not transient"),
    }
}

#[tokio::test]
async fn sends_the_client_secret_in_the_body_by_default() {
    let (head, body) = sent(client, refresh()).await;
    let expected = form([
        ("grant_type", "refresh_token"),
        ("refresh_token", "cc33"),
        ("client_id", "an id"),
        ("client_secret", "a secret"),
    ]);
    assert_eq!(body, expected);
    assert!(head.starts_with("POST /oauth2/token HTTP/1.1\r\n"));
    assert!(head.contains(&format!("user-agent: imgurd/{}\r\n", env!("CARGO_PKG_VERSION"))));
    assert!(!head.contains("authorization:"));
}

#[tokio::test]
async fn sends_the_client_secret_by_basic_if_configured() {
    let basic = |url| Client { auth: ClientAuth::Basic, ..client(url) };
    let (head, body) = sent(basic, refresh()).await;
    assert_eq!(body, form([("grant_type", "refresh_token"), ("refresh_token", "cc33")]));
    let expected = BASE64_STANDARD.encode("an+id:a+secret");
    assert!(head.contains(&format!("authorization: Basic {expected}")));
}

#[tokio::test]
async fn sends_no_secret_for_a_public_client() {
    let public = |url| Client { secret: None, ..client(url) };
    let (_, body) = sent(public, refresh()).await;
    assert_eq!(
        body,
        form([("grant_type", "refresh_token"), ("refresh_token", "cc33"), ("client_id", "an id")])
    );
}

#[tokio::test]
async fn sends_the_pkce_verifier_with_a_code() {
    let request = TokenRequest::Code {
        code: "dd44".into(),
        verifier: Some("a-verifier".into()),
        redirect_uri: RedirectUrl::new("http://127.0.0.1:8917/callback".to_owned()).ok(),
        nonce: None,
    };
    let (_, body) = sent(client, request).await;
    let expected = form([
        ("grant_type", "authorization_code"),
        ("code", "dd44"),
        ("code_verifier", "a-verifier"),
        ("redirect_uri", "http://127.0.0.1:8917/callback"),
        ("client_id", "an id"),
        ("client_secret", "a secret"),
    ]);
    assert_eq!(body, expected);
}

#[tokio::test]
async fn sends_no_verifier_or_redirect_uri_without_one() {
    let request = TokenRequest::Code { code: "dd44".into(), verifier: None, redirect_uri: None, nonce: None };
    let (_, body) = sent(client, request).await;
    let names: Vec<_> = body.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "code", "client_id", "client_secret"]);
}

#[tokio::test]
async fn exchanges_imgurs_pin() {
    let (_, body) = sent(client, TokenRequest::Pin("4711&x".into())).await;
    let expected = form([
        ("grant_type", "pin"),
        ("pin", "4711&x"),
        ("client_id", "an id"),
        ("client_secret", "a secret"),
    ]);
    assert_eq!(body, expected);
}

#[tokio::test]
async fn follows_no_redirect() {
    // If imgurd followed it, there would be no answer, and the reason would be another one.
    let answer = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let (answer, _) = exchange(client, refresh(), async |stream| {
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let transient = transient(answer);
    assert!(transient.reason.contains("redirect"));
    assert_eq!(transient.delivery, Delivery::NotOauth);
}

#[tokio::test]
async fn reads_imgurs_refusal_over_http() {
    let body = r#"{"data":{"error":"Invalid refresh token","request":"\/oauth2\/token","method":"POST"},"success":false,"status":400}"#;
    assert!(matches!(answered("400 Bad Request", body).await, Answer::Refused { .. }));
}

#[tokio::test]
async fn reasons_contain_no_secret_that_the_server_returns() {
    let body = r#"{"error":"invalid_client","error_description":"is it \"a secret\" really"}"#;
    let answer = answered("401 Unauthorized", body).await;
    assert!(
        matches!(&answer, Answer::Misconfigured { reason, .. } if reason == "the server says “invalid_client”")
    );
}

#[tokio::test]
async fn stops_reading_an_overlong_answer() {
    let (answer, _) = exchange(client, refresh(), async |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n").await;
        let _ = stream.write_all(&vec![b'x'; 10_000_000]).await; // ends when imgurd disconnects
    })
    .await;
    let transient = transient(answer);
    assert!(transient.reason.contains("too long"));
    assert_eq!(transient.delivery, Delivery::InDoubt);
}

#[tokio::test]
async fn uses_only_the_status_of_a_long_error_page() {
    let transient = transient(answered("503 Service Unavailable", &"x".repeat(BODY_OF_AN_ERROR_PAGE)).await);
    assert!(transient.reason.contains("HTTP 503"));
    assert_eq!(transient.delivery, Delivery::Answered);
}

const BODY_OF_AN_ERROR_PAGE: usize = 100_000;

#[tokio::test]
async fn an_incomplete_answer_is_in_doubt() {
    let (answer, _) = exchange(client, refresh(), async |stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"access_token\":\"aa11\"")
            .await
            .unwrap();
    })
    .await;
    let transient = transient(answer);
    assert!(transient.reason.contains("broke"));
    assert_eq!(transient.delivery, Delivery::InDoubt);
}

#[tokio::test]
async fn a_request_without_an_answer_is_in_doubt() {
    let transient = transient(exchange(client, refresh(), async |_| {}).await.0);
    assert!(transient.reason.contains("broke"));
    assert_eq!(transient.delivery, Delivery::InDoubt);
}

#[tokio::test]
async fn gives_up_a_slow_answer_after_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (ready, go) = tokio::sync::oneshot::channel();
    let trickle = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        receive(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{").await.unwrap();
        ready.send(()).unwrap();
        pending::<()>().await;
    };
    let stop_the_clock = async {
        go.await.unwrap();
        tokio::time::pause(); // with nothing else to do, the clock jumps to the end of the time-out
        pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = ask(client(url), refresh()) => answer,
        () = trickle => unreachable!("the server sends without end"),
        () = stop_the_clock => unreachable!("the clock task does not end"),
    };
    let transient = transient(answer);
    assert_eq!(transient.reason, "no complete answer from 127.0.0.1 within 30 s");
    assert_eq!(transient.delivery, Delivery::InDoubt);
}

#[tokio::test]
async fn a_refused_connection_counts_as_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let transient = transient(ask(client(url), refresh()).await);
    assert_eq!(transient.reason, "no connection to 127.0.0.1: no program listens there");
    assert_eq!(transient.delivery, Delivery::NotSent);
}

#[tokio::test]
async fn a_failed_tls_handshake_counts_as_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap(); // not TLS
        pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = ask(client(url), refresh()) => answer,
        () = serving => unreachable!("the server does not end"),
    };
    let transient = transient(answer);
    assert_eq!(transient.reason, "no secure connection to 127.0.0.1");
    assert_eq!(transient.delivery, Delivery::NotSent);
}

#[rstest]
#[case("http://api.imgur.com/oauth2/token")]
#[case("http://127.0.0.1.example.org/")]
#[case("http://192.168.0.1/")]
#[case("ftp://127.0.0.1/")]
#[tokio::test]
async fn sends_nothing_over_an_unprotected_connection(#[case] url: &str) {
    let answer = ask(client(url.parse().unwrap()), refresh()).await;
    assert!(matches!(answer, Answer::Misconfigured { setting: "token_url", .. }));
}

#[rstest]
#[case("https://api.imgur.com/oauth2/token", true)]
#[case("http://127.0.0.1:8080/", true)]
#[case("http://[::1]:8080/", true)]
#[case("http://localhost:8080/", true)]
#[case("http://[::ffff:8.8.8.8]/", false)]
fn accepts_plain_http_for_loopback_servers_only(#[case] url: &str, #[case] protected: bool) {
    assert_eq!(is_protected(&url.parse().unwrap()), protected);
}

/// The beginning of an answer with chunks.
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[rstest]
#[case::interim_answers("", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")]
#[case::headers("HTTP/1.1 200 OK\r\n", "x-filler: aaaa\r\n")]
#[case::one_header("HTTP/1.1 200 OK\r\nx-filler: ", "aaaaaaaa")]
#[case::chunks(CHUNKED, "8\r\n        \r\n")]
#[case::extensions_of_chunks(CHUNKED, "1;x=aaaaaaaaaaaaaaaaaaaa\r\n \r\n")]
#[case::one_extension(&format!("{CHUNKED}1;x="), "aaaaaaaa")]
#[case::trailers(&format!("{CHUNKED}0\r\n"), "x-filler: aaaa\r\n")]
#[case::one_trailer(&format!("{CHUNKED}0\r\nx-filler: "), "aaaaaaaa")]
#[tokio::test]
async fn disconnects_from_a_server_that_sends_without_end(#[case] begin: &str, #[case] again: &str) {
    let part = again.repeat(64 * 1024 / again.len());
    let mut sent = 0;
    let (answer, _) = exchange(client, refresh(), async |stream| {
        stream.write_all(begin.as_bytes()).await.unwrap();
        while stream.write_all(part.as_bytes()).await.is_ok() {
            sent += part.len();
        }
    })
    .await;
    let transient = transient(answer);
    assert_eq!(transient.reason, "the answer of 127.0.0.1 is too long");
    assert_eq!(transient.delivery, Delivery::InDoubt);
    // Bytes in the buffers of the kernel count as sent.
    assert!(sent < 16 << 20, "{sent} bytes");
}

#[tokio::test]
async fn reads_tokens_in_a_large_answer() {
    let filler = "x".repeat(1_000_000);
    let body = TOKENS.replace('{', &format!(r#"{{"filler":"{filler}","#));
    assert!(matches!(answered("200 OK", &body).await, Answer::Granted(_)));
}
