//! The API accepts valid tokens only.

use imgurd_tests::fake::{Behaviour, Fake};
use imgurd_tests::http::{self, Answer};

use crate::ID;

fn get(fake: &Fake, path: &str, authorization: Option<&str>) -> Answer {
    http::get(&format!("{}{path}", fake.api_url()), authorization).unwrap()
}

fn refused(status: u16, text: &str, path: &str) -> String {
    format!(
        r#"{{"data":{{"error":"{text}","request":"\/3\/{path}","method":"GET"}},"success":false,"status":{status}}}"#
    )
}

#[test]
fn asks_a_request_without_a_token_to_authenticate() {
    let fake = Fake::start(Behaviour::default());
    let answer = get(&fake, "account/me", None);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.text, refused(401, "Authentication required", "account\\/me"));
}

#[test]
fn refuses_an_invalid_token_with_403_or_the_chosen_status() {
    let fake = Fake::start(Behaviour::default());
    for status in [403, 401, 429] {
        fake.configure(|behaviour| behaviour.rejection = status);
        let answer = get(&fake, "account/me", Some("Bearer stale"));
        let text = refused(status, "The access token provided is invalid.", "account\\/me");
        assert_eq!((answer.status, answer.text), (status, text));
    }
}

#[test]
fn refuses_a_malformed_header_with_403() {
    let fake = Fake::start(Behaviour::default());
    let answer = get(&fake, "account/me", Some("Token abc"));
    assert_eq!(answer.text, refused(403, "Malformed auth header.", "account\\/me"));
}

#[test]
fn a_valid_token_gets_the_account_and_the_limits() {
    let fake = Fake::start(Behaviour::default());
    let (_, access) = fake.issue_grant("NAME");
    let answer = get(&fake, "account/me", Some(&format!("Bearer {access}")));
    let id = answer.text.split(&[':', ','][..]).nth(2).unwrap();
    assert_eq!(
        answer.text,
        format!(
            r#"{{"data":{{"id":{id},"url":"NAME","bio":null,"avatar":null,"reputation":0,"reputation_name":"Neutral","created":1481839668,"pro_expiration":false,"user_follow":{{"status":false}}}},"success":true,"status":200}}"#
        )
    );
    assert_eq!(answer.header("x-ratelimit-clientlimit"), Some("12500"));
}

#[test]
fn images_have_imgurs_documented_format() {
    let fake = Fake::start(Behaviour::default());
    let (_, access) = fake.issue_grant("alice");
    let answer = get(&fake, "account/me/images", Some(&format!("Bearer {access}")));
    assert_eq!(
        answer.text,
        r#"{"data":[{"id":"xQhKdf1","title":"kitties","description":null,"datetime":1395676562,"type":"image\/jpeg","animated":false,"width":500,"height":333,"size":75582,"views":1,"bandwidth":75582,"favorite":false,"nsfw":null,"section":null,"deletehash":"fakedeletehash0","link":"http:\/\/i.imgur.com\/xQhKdf1.jpg"}],"success":true,"status":200}"#
    );
}

#[test]
fn pages_have_fifty_images_and_at_most_a_hundred() {
    let fake = Fake::start(Behaviour { images: 130, ..Behaviour::default() });
    let (_, access) = fake.issue_grant("alice");
    let count = |query: &str| {
        let path = format!("account/me/images{query}");
        let answer = get(&fake, &path, Some(&format!("Bearer {access}")));
        answer.text.matches(r#""deletehash""#).count()
    };
    assert_eq!(count(""), 50);
    assert_eq!(count("?page=2"), 30);
    assert_eq!(count("?page=3"), 0);
    assert_eq!(count("?perPage=1000"), 100);
}

#[test]
fn a_client_id_gives_access_to_credits_only() {
    let fake = Fake::start(Behaviour::default());
    let header = format!("Client-ID {ID}");
    let answer = get(&fake, "credits", Some(&header));
    assert_eq!(
        answer.text,
        r#"{"data":{"UserLimit":500,"UserRemaining":500,"UserReset":1615614380,"ClientLimit":12500,"ClientRemaining":12500},"success":true,"status":200}"#
    );
    let answer = get(&fake, "credits", Some("Client-ID another"));
    assert_eq!(answer.text, refused(403, "Invalid client_id", "credits"));
    let answer = get(&fake, "account/me/images", Some(&header));
    assert_eq!(answer.status, 401);
}
