//! Programs of five kinds use one account at the same time.

use std::thread;

use imgurd_proto::{GetToken, RejectToken};
use imgurd_tests::fake::Endpoint;
use imgurd_tests::http;
use imgurd_tests::own_client::OwnClient;
use imgurd_tests::testbed::gateway::{Gateway, json};
use imgurd_tests::testbed::{Program, Testbed};
use serde_json::json;

/// The number of programs of each kind.
const EACH: usize = 10;

/// The status of a request to the API with this token.
fn status(url: &str, token: &str) -> u16 {
    http::get(url, Some(&format!("Bearer {token}"))).unwrap().status
}

/// A program that only speaks OAuth: it refreshes when its token is rejected.
fn by_gateway(gateway: &Gateway, url: &str, (token, handle): &(String, String)) -> u16 {
    assert_ne!(status(url, token), 200);
    let granted = json(&gateway.refresh(handle), 200);
    status(url, granted["access_token"].as_str().unwrap())
}

/// A program in Rust that still has the old token.
fn by_rust(gateway: &Gateway, url: &str, token: &str) -> u16 {
    assert_ne!(status(url, token), 200);
    let call = RejectToken { account: None, access_token: token.into(), wait_ms: None };
    let token = gateway.scene.bed.client().call(&call).unwrap().token;
    status(url, token.access_token.expose())
}

#[test]
fn fifty_programs_replace_a_dead_token_with_one_refresh() {
    let gateway = Gateway::signed_in();
    let url = format!("{}account/me/images", gateway.scene.fake.api_url());
    let handles: Vec<_> = (0..EACH).map(|_| gateway.tokens()).collect();
    let bed = &gateway.scene.bed;
    let start = |kind: fn(&Testbed) -> OwnClient| (0..EACH).map(move |_| kind(bed));
    let mut own: Vec<_> = start(OwnClient::python).chain(start(OwnClient::javascript)).collect();
    // Waits until all of them run and have the token.
    for client in &mut own {
        client.request(&json!({ "get": {} }));
    }
    let token = gateway.scene.bed.client().call(&GetToken::default()).unwrap().token;
    let token = token.access_token.expose();
    assert!(own.iter_mut().all(|client| client.answer()["access_token"] == token));

    gateway.scene.fake.kill_access_token();
    let (python, javascript) = own.split_at_mut(EACH);
    for (python, javascript) in python.iter_mut().zip(javascript) {
        python.request(&json!({ "request": url, "by": "requests" }));
        javascript.request(&json!({ "request": url }));
    }
    let curl = ["curl", "--", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", &url];
    let ctl: Vec<Program> = (0..EACH).map(|_| gateway.scene.bed.ctl_spawn(&curl)).collect();
    thread::scope(|scope| {
        let (gateway, url) = (&gateway, &url);
        let by_gateway = handles.iter().map(|handle| scope.spawn(move || by_gateway(gateway, url, handle)));
        let by_rust = (0..EACH).map(|_| scope.spawn(move || by_rust(gateway, url, token)));
        let all: Vec<_> = by_gateway.chain(by_rust).collect();
        assert!(all.into_iter().all(|program| program.join().unwrap() == 200));
    });
    for client in &mut own {
        let answer = client.answer();
        assert_eq!(answer["status"], 200, "{answer}");
    }
    let outputs: Vec<_> = ctl.into_iter().map(|program| program.finish().success()).collect();
    assert!(outputs.iter().all(|output| output.stdout == "200"), "{outputs:?}");
    assert_eq!(gateway.scene.refreshes().len(), 1);
    let requests = gateway.scene.fake.requests(Endpoint::Images);
    assert_eq!(requests.iter().filter(|request| request.status == Some(200)).count(), 5 * EACH);
}
