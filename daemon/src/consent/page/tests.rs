use http_body_util::BodyExt;
use proptest::prelude::*;

use super::*;

fn name() -> String {
    "me".into()
}

fn pages() -> Vec<Page> {
    vec![
        Page::Waiting { account: name(), nonce: Secret::from("0123") },
        Page::SignedIn { account: name(), username: Some("alice".into()), note: None },
        Page::SignedIn { account: name(), username: None, note: Some("The API did not answer".into()) },
        Page::Another { account: name(), username: "bob".into(), holder: "alice".into() },
        Page::Denied { account: name() },
        Page::WrongState,
        Page::Underway,
        Page::Complete,
        Page::Expired { account: name() },
        Page::Cancelled { account: name() },
        Page::Failed { account: name(), reason: "It broke; run `imgurctl doctor`".into() },
        Page::NotHere,
        Page::Refused,
        Page::Posted,
    ]
}

async fn html(page: &Page) -> String {
    let body = page.response().into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn every_page_has_a_language_a_title_and_one_heading() {
    for page in pages() {
        let html = html(&page).await;
        assert!(html.contains("<html lang=\"en\">") && html.contains("width=device-width"), "{html}");
        assert_eq!(html.matches("<h1").count(), 1, "{html}");
        let title = html.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        assert_eq!(title, format!("{} – imgurd", page.view().title), "{html}");
        assert!(!html.contains('{') || html.contains(STYLE), "a placeholder was not replaced");
    }
}

#[tokio::test]
async fn pages_load_no_resources() {
    for page in pages() {
        let html = html(&page).await;
        for word in ["http:", "https:", "src=", "url(", "@import", "<link"] {
            assert!(!html.contains(word), "{word} in {html}");
        }
    }
}

#[test]
fn every_page_forbids_storing_framing_and_loading() {
    for page in pages() {
        for response in [page.response(), page.answer()] {
            let headers = response.headers();
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
            let runs_a_script = policy.contains("script-src");
            assert!(!runs_a_script || matches!(page, Page::Waiting { .. }), "{policy}");
        }
    }
}

#[tokio::test]
async fn shows_markup_in_names_as_text() {
    let evil = || "<script>alert(1)</script>{nonce}`".to_owned();
    for page in [
        Page::SignedIn { account: name(), username: Some(evil()), note: Some(evil()) },
        Page::Another { account: name(), username: evil(), holder: evil() },
        Page::Failed { account: name(), reason: evil() },
    ] {
        let html = html(&page).await;
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
        assert!(html.contains("{nonce}"), "a placeholder in a name is not replaced: {html}");
    }
}

#[tokio::test]
async fn the_waiting_page_without_scripts_advises_to_paste() {
    let html = html(&Page::Waiting { account: name(), nonce: Secret::from("0123") }).await;
    let without = html.rsplit("<noscript>").next().unwrap().split("</noscript>").next().unwrap();
    assert!(without.contains("imgurctl login me --paste"), "{without}");
}

proptest! {
    #[test]
    fn escaped_text_contains_no_markup(text in "\\PC{0,80}") {
        prop_assert!(!escape(&text).contains(['<', '>', '"', '\'']));
    }
}
