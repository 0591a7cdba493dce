//! The handle with which tests control the fake.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Fault, Rotation};
use imgurd_tests::{browser, http};

use crate::{ID, SECRET, refresh, token};

#[test]
fn faults_apply_in_order_until_cleared() {
    let fake = Fake::start(Behaviour::default());
    let (token, _) = fake.issue_grant("alice");
    fake.fail_always(Endpoint::Token, Fault::Html(502));
    fake.fail_times(Endpoint::Token, 2, Fault::OverCapacity(500));
    fake.fail_next(Endpoint::Token, Fault::Empty);
    let statuses: Vec<_> = (0..5).map(|_| refresh(&fake, &token).status).collect();
    assert_eq!(statuses, [500, 500, 200, 502, 502]);
    fake.clear(Endpoint::Token);
    assert!(refresh(&fake, &token).text.contains("access_token"));
}

#[test]
fn a_fault_affects_only_its_endpoint() {
    let fake = Fake::start(Behaviour::default());
    let (_, access) = fake.issue_grant("alice");
    fake.fail_always(Endpoint::Token, Fault::OverCapacity(500));
    let url = format!("{}account/me", fake.api_url());
    let answer = http::get(&url, Some(&format!("Bearer {access}"))).unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn a_held_request_is_visible_but_not_processed() {
    let fake = Fake::start(Behaviour::default());
    let (token, access) = fake.issue_grant("alice");
    let gate = fake.hold(Endpoint::Token);
    thread::scope(|scope| {
        let asking = scope.spawn(|| refresh(&fake, &token).status);
        let requests = fake.wait_for_requests(Endpoint::Token, 1);
        assert_eq!(requests[0].status, None);
        assert_eq!(requests[0].grant_type(), Some("refresh_token"));
        assert_eq!(requests[0].refresh_token(), Some(token.as_str()));
        assert!(fake.is_live(&access), "the held request is not processed");
        gate.release();
        assert_eq!(asking.join().unwrap(), 200);
    });
    assert_eq!(fake.wait_for_answers(Endpoint::Token, 1)[0].status, Some(200));
    assert_eq!(refresh(&fake, &token).status, 200, "a released gate holds no further request");
}

#[test]
fn a_request_with_a_held_answer_is_processed() {
    let fake = Fake::start(Behaviour::default());
    let (token, access) = fake.issue_grant("alice");
    let gate = fake.hold_answer(Endpoint::Token);
    thread::scope(|scope| {
        let asking = scope.spawn(|| refresh(&fake, &token).status);
        fake.wait_for_requests(Endpoint::Token, 1);
        gate.release();
        assert_eq!(asking.join().unwrap(), 200);
    });
    assert!(!fake.is_live(&access));
}

#[test]
fn a_dropped_connection_counts_as_finished_without_status() {
    let fake = Fake::start(Behaviour::default());
    fake.fail_next(Endpoint::Token, Fault::DropBeforeAnswer);
    assert!(http::post(&fake.token_url(), None, &[]).is_err());
    assert_eq!(fake.wait_for_answers(Endpoint::Token, 1)[0].status, None);
}

#[test]
fn a_request_is_processed_although_its_client_leaves() {
    let fake = Fake::start(Behaviour { rotation: Rotation::Plain, ..Behaviour::default() });
    let (token, _) = fake.issue_grant("alice");
    fake.fail_next(Endpoint::Token, Fault::DelayAfterProcessing(Duration::from_hours(1)));
    let mut client = TcpStream::connect(fake.origin().trim_start_matches("http://")).unwrap();
    let form =
        format!("client_id={ID}&client_secret={SECRET}&grant_type=refresh_token&refresh_token={token}");
    let head =
        "POST /oauth2/token HTTP/1.1\r\nHost: fake\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    write!(client, "{head}Content-Length: {}\r\n\r\n{form}", form.len()).unwrap();
    fake.wait_for_requests(Endpoint::Token, 1);
    drop(client);
    fake.settle();
    let request = &fake.requests(Endpoint::Token)[0];
    assert_eq!((request.status, request.sent), (None, None));
    assert!(fake.standing(&token).unwrap().used.is_some());
}

#[test]
fn an_answer_is_recorded_before_its_client_gets_it() {
    let fake = Fake::start(Behaviour::default());
    let (token, _) = fake.issue_grant("alice");
    let begin = Instant::now();
    refresh(&fake, &token);
    let request = fake.requests_since(Endpoint::Token, begin).pop().unwrap();
    assert!((request.at..=Instant::now()).contains(&request.sent.unwrap()));
    assert!(fake.requests_since(Endpoint::Token, Instant::now()).is_empty());
}

#[test]
fn lists_all_issued_and_presented_secrets() {
    let callback = Some("https://callback.example/".to_owned());
    let fake = Fake::start(Behaviour { callback, ..Behaviour::default() });
    let (refresh_token, access_token) = fake.issue_grant("alice");
    let authorize = |flow| format!("{}?client_id={ID}&response_type={flow}", fake.auth_url());
    let page = browser::allow(&authorize("code"), "alice");
    let (_, code) = page.url.split_once("code=").unwrap();
    let page = browser::allow(&authorize("pin"), "alice");
    let pin = page.pin().unwrap();
    token(&fake, &[("grant_type", "authorization_code"), ("code", code), ("code_verifier", "a-verifier")]);
    let secrets = fake.secrets();
    for secret in [SECRET, &refresh_token, &access_token, code, pin, "a-verifier"] {
        assert!(secrets.iter().any(|known| known == secret), "{secret}");
    }
}

#[test]
fn tokens_of_two_fakes_differ() {
    let (one, two) = (Fake::start(Behaviour::default()), Fake::start(Behaviour::default()));
    assert_ne!(one.issue_grant("alice"), two.issue_grant("alice"));
}

#[test]
fn frees_its_address_when_dropped() {
    let fake = Fake::start(Behaviour::default());
    let address = fake.origin().trim_start_matches("http://").parse().unwrap();
    drop(fake);
    assert!(Fake::start_at(address, Behaviour::default()).is_ok());
}

#[test]
fn advancing_time_affects_only_the_fake() {
    let fake = Fake::start(Behaviour::default());
    let (_, access) = fake.issue_grant("alice");
    fake.advance(Duration::from_mins(59));
    assert!(fake.is_live(&access));
    fake.advance(Duration::from_mins(1));
    assert!(!fake.is_live(&access));
}
