//! Redirects do not take the token of `imgurctl curl` to another server.

use imgurd_tests::fake::{Behaviour, Endpoint, Fake, Fault};
use imgurd_tests::testbed::Scene;

#[test]
fn a_url_of_another_origin_is_refused_before_curl_starts() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let other = Fake::start(Behaviour::default());
    // If imgurctl started curl, it would fail with another error.
    scene.bed.set_env("PATH", "/nowhere");
    let port = scene.fake.address().port();
    for url in [
        format!("{}account/me", other.api_url()),
        format!("https://127.0.0.1:{port}/3/account/me"),
        format!("http://localhost:{port}/3/account/me"),
        format!("http://127.0.0.1:{port}@{}/", other.address()),
        format!("http://{{127.0.0.1:{port},{}}}/3/account/me", other.address()),
    ] {
        for arguments in
            [&["curl", "--", &url][..], &["curl", "--", "--url", &url], &["curl", "--anonymous", "--", &url]]
        {
            let output = scene.ctl(arguments).exits(2);
            assert!(output.complaint().contains(&scene.fake.origin()), "{}", output.stderr);
        }
    }
    for options in [&["--next"][..], &["-K", "file"], &["--connect-to", "::127.0.0.1:1"], &["-v"], &["-k"]] {
        scene.ctl(&[&["curl", "--", "account/me"], options].concat()).exits(2).complaint();
    }
}

#[test]
fn a_redirect_keeps_the_token_only_within_the_api() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let other = Fake::start(Behaviour::default());
    let elsewhere = format!("{}account/me", other.api_url());
    scene.fake.fail_next(Endpoint::Images, Fault::Redirect(elsewhere));
    scene.ctl(&["curl", "--", "-sL", "account/me/images"]).success();
    let visits = other.requests(Endpoint::Account);
    assert_eq!(visits.len(), 1, "the redirect was followed");
    assert_eq!(visits[0].authorization, None);
    assert_eq!(scene.refreshes().len(), 0, "a 401 from another server causes no refresh");

    scene.fake.fail_next(Endpoint::Images, Fault::Redirect("/3/account/me".into()));
    assert!(scene.ctl(&["curl", "--", "-sL", "account/me/images"]).success().stdout.contains("alice"));
    scene.fake.fail_next(Endpoint::Images, Fault::Redirect("/3/account/me".into()));
    assert_eq!(scene.ctl(&["curl", "--", "-s", "account/me/images"]).success().stdout, "");
}

#[test]
fn brackets_and_braces_in_a_path_are_sent_unchanged() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    scene.ctl(&["curl", "--", "-s", "account/me/images?q={a,b}[1-2]"]).success();
    let requests = scene.fake.requests(Endpoint::Images);
    assert_eq!(requests.len(), 1);
    assert!(requests[0].target.contains("{a,b}[1-2]"), "{}", requests[0].target);
}
