//! Two accounts that sign in at the same time, with the same callback, or with two callbacks at the same port.

use std::net::TcpListener;

use imgurd_tests::browser::{self, Page};
use imgurd_tests::fake::{Behaviour, Fake};
use imgurd_tests::http;
use imgurd_tests::testbed::{ACCOUNT, Program, Scene, wait_until_free};
use url::{Url, form_urlencoded};

const OTHER: &str = "other";

/// Two accounts at the same server, with the same callback.
fn scene() -> Scene {
    let scene = Scene::memory(Behaviour::default());
    scene.bed.account(&scene.fake, OTHER);
    scene
}

/// The second account is at another server. Its callback is at the same port, with this host and path.
fn scene_with(host: &str, path: &str) -> (Scene, Fake) {
    let scene = Scene::memory(Behaviour::default());
    let port = Url::parse(&scene.callback()).unwrap().port().unwrap();
    let callback = Some(format!("http://{host}:{port}{path}"));
    let server = Fake::start(Behaviour { callback, ..Behaviour::default() });
    scene.bed.account(&server, OTHER);
    (scene, server)
}

/// Other callbacks that can share the port of `127.0.0.1:PORT/callback`.
fn other_callbacks() -> Vec<(&'static str, &'static str)> {
    let mut others = vec![("localhost", "/callback"), ("127.0.0.2", "/callback"), ("127.0.0.1", "/other")];
    if TcpListener::bind("[::1]:0").is_ok() {
        others.push(("[::1]", "/callback"));
    }
    others
}

fn begin(scene: &Scene, account: &str, flow: &str) -> (Program, String) {
    scene.login(&[account, "--flow", flow])
}

fn user_of(scene: &Scene, account: &str) -> String {
    scene.ctl(&["account", "show", account, "--json"]).success().json()["username"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Posts the query and the fragment, as the script of the page does.
fn post_as_the_script_does(page: &Page) {
    let (_, nonce) = page.text.split_once("data-nonce=\"").expect("the page has a nonce");
    let (nonce, _) = nonce.split_once('"').unwrap();
    let fragment = page.fragment().expect("the URL has a fragment with tokens");
    let url = Url::parse(&page.url).unwrap();
    let mut form: Vec<_> = url.query_pairs().into_owned().collect();
    form.extend(form_urlencoded::parse(fragment.as_bytes()).into_owned());
    form.push(("nonce".to_owned(), nonce.to_owned()));
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let origin = url.origin().ascii_serialization();
    let address = format!("{origin}{}", url.path());
    let answer = http::post_with(&address, &[("Origin", &origin)], &form);
    let said = answer.expect("the callback answers").text;
    assert!(said.contains("Signed in"), "{said}");
}

#[test]
fn each_answer_reaches_its_login_in_any_order() {
    for (first, second) in [("alice", "bob"), ("bob", "alice")] {
        let scene = scene();
        let port = Url::parse(&scene.callback()).unwrap().port().unwrap();
        let (one, one_url) = begin(&scene, ACCOUNT, "code");
        let (two, two_url) = begin(&scene, OTHER, "code");
        let said = browser::allow(&two_url, second).text;
        assert!(said.contains(&format!("Signed in as {second}")), "{said}");
        two.finish().success();
        let said = browser::allow(&one_url, first).text;
        assert!(said.contains(&format!("Signed in as {first}")), "{said}");
        one.finish().success();
        assert_eq!((user_of(&scene, ACCOUNT), user_of(&scene, OTHER)), (first.to_owned(), second.to_owned()));
        wait_until_free(port);
    }
}

#[test]
fn callbacks_with_other_hosts_or_paths_share_a_port() {
    for (host, path) in other_callbacks() {
        for others_first in [false, true] {
            println!("{host}{path}, first: {others_first}");
            let (scene, _server) = scene_with(host, path);
            let port = Url::parse(&scene.callback()).unwrap().port().unwrap();
            let accounts = if others_first { [OTHER, ACCOUNT] } else { [ACCOUNT, OTHER] };
            let [(one, one_url), (two, two_url)] = accounts.map(|account| begin(&scene, account, "code"));
            let said = browser::allow(&two_url, "bob").text;
            assert!(said.contains("Signed in as bob"), "{said}");
            two.finish().success();
            let said = browser::allow(&one_url, "alice").text;
            assert!(said.contains("Signed in as alice"), "{said}");
            one.finish().success();
            wait_until_free(port);
        }
    }
}

#[test]
fn fragments_reach_their_login_at_each_callback_of_a_port() {
    for (host, path) in other_callbacks() {
        println!("{host}{path}");
        let (scene, _server) = scene_with(host, path);
        let (one, one_url) = begin(&scene, ACCOUNT, "token");
        let (two, two_url) = begin(&scene, OTHER, "token");
        post_as_the_script_does(&browser::allow(&two_url, "bob"));
        two.finish().success();
        post_as_the_script_does(&browser::allow(&one_url, "alice"));
        one.finish().success();
    }
}

#[test]
fn a_callback_answers_only_under_its_own_host_name() {
    let (scene, _server) = scene_with("localhost", "/callback");
    let (_one, one_url) = begin(&scene, ACCOUNT, "code");
    let (_two, _) = begin(&scene, OTHER, "code");
    let state = Url::parse(&one_url).unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let port = Url::parse(&scene.callback()).unwrap().port().unwrap();
    for host in [format!("localhost:{port}"), format!("evil.example:{port}")] {
        let answer =
            http::get_with(&format!("{}?code=stolen&state={state}", scene.callback()), &[("Host", &host)]);
        let said = answer.expect("the callback answers").text;
        assert!(!said.contains("Signed in"), "{host}: {said}");
    }
    assert!(scene.account().login_pending, "the sign-in still waits for its answer");
}

#[test]
fn a_cancelled_login_keeps_the_shared_callback_open() {
    let scene = scene();
    let (one, _) = begin(&scene, ACCOUNT, "code");
    let (two, url) = begin(&scene, OTHER, "code");
    scene.ctl(&["login", ACCOUNT, "--cancel"]).success();
    one.finish().exits(10);
    assert!(browser::allow(&url, "alice").text.contains("Signed in as alice"));
    two.finish().success();
}

#[test]
fn fragments_reach_their_login_at_a_shared_callback() {
    let scene = scene();
    let (one, one_url) = begin(&scene, ACCOUNT, "token");
    let (two, two_url) = begin(&scene, OTHER, "token");
    post_as_the_script_does(&browser::allow(&two_url, "bob"));
    two.finish().success();
    post_as_the_script_does(&browser::allow(&one_url, "alice"));
    one.finish().success();
    assert_eq!((user_of(&scene, ACCOUNT), user_of(&scene, OTHER)), ("alice".to_owned(), "bob".to_owned()));
}
