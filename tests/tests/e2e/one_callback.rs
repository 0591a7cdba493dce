//! Two accounts with the same callback sign in at the same time.

use imgurd_tests::browser::{self, Page};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::http;
use imgurd_tests::testbed::{ACCOUNT, Program, Scene, wait_until_free};
use url::{Url, form_urlencoded};

const OTHER: &str = "other";

/// A second account at the same server with the same callback.
fn scene() -> Scene {
    let scene = Scene::memory(Behaviour::default());
    scene.bed.account(&scene.fake, OTHER);
    scene
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

/// What the script of our page does with the query and the fragment.
fn hand_on(scene: &Scene, page: &Page) {
    let (_, nonce) = page.text.split_once("data-nonce=\"").expect("the page of the flow");
    let (nonce, _) = nonce.split_once('"').unwrap();
    let fragment = page.fragment().expect("tokens are in the fragment");
    let url = Url::parse(&page.url).unwrap();
    let mut form: Vec<_> = url.query_pairs().into_owned().collect();
    form.extend(form_urlencoded::parse(fragment.as_bytes()).into_owned());
    form.push(("nonce".to_owned(), nonce.to_owned()));
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let origin = Url::parse(&scene.callback()).unwrap().origin().ascii_serialization();
    let answer = http::post_with(&scene.callback(), &[("Origin", &origin)], &form);
    let said = answer.expect("the callback answers").text;
    assert!(said.contains("Signed in"), "{said}");
}

#[test]
fn each_answer_reaches_the_login_that_it_is_for_in_either_order() {
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
fn a_login_that_is_cancelled_leaves_the_callback_to_the_other() {
    let scene = scene();
    let (one, _) = begin(&scene, ACCOUNT, "code");
    let (two, url) = begin(&scene, OTHER, "code");
    scene.ctl(&["login", ACCOUNT, "--cancel"]).success();
    one.finish().exits(10);
    assert!(browser::allow(&url, "alice").text.contains("Signed in as alice"));
    two.finish().success();
}

#[test]
fn fragments_find_their_login_too() {
    let scene = scene();
    let (one, one_url) = begin(&scene, ACCOUNT, "token");
    let (two, two_url) = begin(&scene, OTHER, "token");
    hand_on(&scene, &browser::allow(&two_url, "bob"));
    two.finish().success();
    hand_on(&scene, &browser::allow(&one_url, "alice"));
    one.finish().success();
    assert_eq!((user_of(&scene, ACCOUNT), user_of(&scene, OTHER)), ("alice".to_owned(), "bob".to_owned()));
}
