//! The page of the gateway in a real browser, which sends the answer to Postman's own redirect URI.

use std::collections::HashMap;

use imgurd_tests::chromium::Chromium;
use imgurd_tests::testbed::gateway::{Gateway, json};
use url::Url;

/// The parameters of the redirect after this button. Nothing listens at the callback.
fn answer(gateway: &Gateway, browser: &Chromium, button: &str) -> HashMap<String, String> {
    browser.open(&gateway.question_url("postman"));
    let page = browser.text();
    assert!(
        page.contains("postman") && page.contains("mytoken") && page.contains("oauth.pstmn.io"),
        "{page}"
    );
    browser.press(button);
    let url = Url::parse(&browser.url()).unwrap();
    assert!(url.as_str().starts_with(Gateway::CALLBACK), "{url}");
    url.query_pairs().into_owned().collect()
}

#[test]
fn a_browser_takes_the_users_answer_to_the_redirect_uri() {
    let gateway = Gateway::signed_in();
    let browser = Chromium::start(&gateway.scene.bed);
    let denied = answer(&gateway, &browser, "deny");
    assert_eq!(
        (&*denied["error"], &*denied["state"], &denied["iss"]),
        ("access_denied", "st/1", &gateway.base)
    );
    let allowed = answer(&gateway, &browser, "allow");
    assert_eq!((&*allowed["state"], &allowed["iss"]), ("st/1", &gateway.base));
    let granted = json(&gateway.redeem(&allowed["code"]), 200);
    assert_eq!(granted["access_token"], gateway.scene.token());
}
