//! Somebody deleted the keyring item. One command signs in again.

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::testbed::{ACCOUNT, at_terminal, binary};

use super::{ITEM, Session};

/// The client secret that the fake Imgur expects.
const SECRET: &str = "fake-client-secret";

impl Session {
    /// A session whose item was deleted while imgurd did not run.
    fn without_item() -> Self {
        let mut session = Self::start();
        assert!(session.scene.stop().success());
        session.scene.bed.secret_tool(&[&["clear"], &ITEM[..]].concat(), "").unwrap();
        session.scene.start();
        session.expect_unavailable("run `imgurctl login mytoken`");
        session
    }
}

#[test]
fn a_deleted_item_is_reported_and_used_once_it_is_back() {
    let mut session = Session::start();
    let (token, item) = (session.scene.token(), session.item().unwrap());
    assert!(session.scene.stop().success());
    session.scene.bed.secret_tool(&[&["clear"], &ITEM[..]].concat(), "").unwrap();
    session.scene.start();
    session.expect_unavailable("no longer has the grant");
    let waiting = session.scene.bed.ctl_spawn(&["token", "--wait", "1h"]);
    let store = [&["store", "--label=mine"], &ITEM[..]].concat();
    session.scene.bed.secret_tool(&store, &item).unwrap();
    assert_eq!(waiting.finish().success().line(), token);
    let token = session.scene.refresh();
    session.expect_kept(&token);

    // Now the daemon has the grant in memory. Another keyring may have the item, so imgurd creates none until you
    // sign in.
    session.scene.bed.secret_tool(&[&["clear"], &ITEM[..]].concat(), "").unwrap();
    let output = session.scene.ctl(&["refresh", "--wait", "1s"]).exits(7);
    assert!(output.complaint().contains("run `imgurctl login mytoken`"), "{}", output.stderr);
    assert_eq!((session.scene.token(), session.item()), (token, None));
    session.scene.bed.sign_in(&session.scene.fake, ACCOUNT);
    let token = session.scene.token();
    session.expect_kept(&token);
}

#[test]
fn login_asks_for_the_lost_client_secret_before_it_opens_a_browser() {
    let session = Session::without_item();
    let output = session.scene.ctl(&["login", "--no-browser"]).exits(9);
    let option = "run `imgurctl login mytoken --client-secret-stdin`";
    assert!(output.complaint().contains(option) && output.stdout.is_empty(), "{output:?}");
    let output = session.scene.ctl_with(&["account", "set", "--client-secret-stdin"], SECRET).exits(7);
    assert!(
        output.complaint().contains("`imgurctl login mytoken --client-secret-stdin`"),
        "{}",
        output.stderr
    );
    assert_eq!(session.item(), None, "no item is created before there is a grant");
}

#[test]
fn login_with_the_client_secret_signs_in_and_a_wrong_one_does_no_harm() {
    let mut session = Session::without_item();
    for (secret, code) in [("wrong", 9), ("", 9), (SECRET, 0)] {
        let mut login = session.scene.bed.ctl_spawn(&["login", "--no-browser", "--client-secret-stdin"]);
        login.write(&format!("{secret}\n"));
        browser::allow(&login.line().expect("the URL is the first line"), "alice");
        login.finish().exits(code);
        let is_lost = session.scene.account().state == State::StoreUnavailable;
        assert_eq!(is_lost, code != 0, "{secret}");
    }
    let token = session.scene.refresh();
    session.expect_kept(&token);
}

#[test]
fn login_at_a_terminal_asks_for_the_lost_client_secret() {
    let mut session = Session::without_item();
    let mut command = session.scene.bed.command(binary("imgurctl"));
    command.args(["login", "--no-browser"]);
    let (status, seen) = at_terminal(command, |seen| {
        if seen.contains("Client secret of mytoken") {
            return Some(format!("{SECRET}\r"));
        }
        let url = seen.lines().find(|line| line.starts_with("http"))?;
        seen.contains("Ctrl-C").then(|| browser::allow(url, "alice"))?;
        Some(String::new())
    });
    assert!(status.success() && !seen.contains(SECRET), "{seen}");
    let token = session.scene.refresh();
    session.expect_kept(&token);
}
