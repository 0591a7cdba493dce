//! The desktop's keyring: a real GNOME Keyring that is locked, absent, replaced or hangs, with and without a user at the
//! screen.

mod addresses;
mod deleted;
mod replaced;

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Answer, Bus, Keyring, Scene, Testbed};

/// What finds our item of the account.
const ITEM: [&str; 4] = ["service", "imgurd", "username", ACCOUNT];

/// A user's session: a keyring, a daemon and a bus.
struct Session {
    keyring: Keyring,
    scene: Scene,
    bus: Bus,
}

impl Session {
    /// With consent, and the keyring unlocked. No grant survives a lost refresh token there.
    fn start() -> Self {
        Self::at(Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() })
    }

    fn at(behaviour: Behaviour) -> Self {
        let bed = Testbed::new();
        let bus = bed.bus();
        let mut keyring = bed.keyring();
        keyring.start(&bed);
        Self { keyring, scene: Scene::new(bed, behaviour).signed_in(), bus }
    }

    /// The daemon was stopped, the keyring locked, and the daemon started.
    fn locked() -> Self {
        let mut session = Self::start();
        assert!(session.scene.stop().success());
        session.keyring.lock();
        session.scene.start();
        session
    }

    /// What the keyring holds for the account.
    fn item(&self) -> Option<String> {
        self.scene.bed.secret_tool(&[&["lookup"], &ITEM[..]].concat(), "")
    }

    /// The account is said to be behind a store that fails for this reason, and not for want of a grant.
    fn expect_unavailable(&self, reason: &str) {
        let account = self.scene.wait_until(|account| reason_of(account).contains(reason));
        assert_eq!(account.state, State::StoreUnavailable);
        let output = self.scene.ctl(&["token", "--wait", "100ms"]).exits(7);
        assert!(output.complaint().contains(reason), "{}", output.stderr);
    }

    /// imgurd returns the token and has saved it, which a restart shows.
    fn expect_kept(&mut self, token: &str) {
        self.scene.wait_until(is_saved);
        self.scene.crash();
        self.scene.start();
        assert_eq!(self.scene.token(), token);
        assert!(self.scene.fake.is_live(token));
    }
}

fn reason_of(account: &Account) -> &str {
    account.reason.as_deref().unwrap_or_default()
}

fn is_saved(account: &Account) -> bool {
    account.state == State::Fresh && !account.unsaved
}

#[test]
fn what_is_kept_can_be_read_by_other_programs() {
    let session = Session::start();
    let item = session.item().expect("an item");
    let record: serde_json::Value = serde_json::from_str(&item).unwrap();
    assert_eq!(record["version"], 1);
    assert!(item.contains(&session.scene.token()));
    assert_eq!(session.keyring.dialogs(), 0);
}

#[test]
fn a_refreshed_grant_survives_a_crash() {
    let mut session = Session::start();
    for _ in 0..3 {
        let token = session.scene.refresh();
        session.expect_kept(&token);
    }
    let secrets = session.scene.fake.secrets();
    assert!(session.scene.stop().success());
    session.scene.bed.assert_no_secret_in_sight(&secrets, &[]);
}

#[test]
fn a_keyring_locked_at_start_is_said_to_be_and_raises_no_dialog() {
    let mut session = Session::locked();
    session.expect_unavailable("locked; run `imgurctl unlock`");
    let status = session.scene.ctl(&["status"]).success().stdout;
    assert!(status.contains("imgurctl unlock"), "{status}");
    session.scene.ctl(&["login", "--no-browser"]).exits(7);
    session.scene.ctl(&["logout"]).exits(7);
    session.scene.ctl_with(&["import"], "0123456789abcdef").exits(7);
    assert_eq!(session.keyring.dialogs(), 0);

    // Another program unlocks it later: the next call works, and so does a waiting one.
    let waiting = session.scene.bed.ctl_spawn(&["token"]);
    session.keyring.unlock();
    assert!(session.scene.fake.is_live(waiting.finish().success().line()));
    let token = session.scene.refresh();
    assert_eq!(session.keyring.dialogs(), 0);
    session.expect_kept(&token);
}

#[test]
fn an_unlocked_keyring_is_read_with_nobody_asking() {
    let session = Session::locked();
    session.expect_unavailable("locked");
    session.keyring.unlock();
    session.scene.wait_until(is_saved);
}

#[test]
fn unlock_raises_the_dialog_and_what_was_locked_works() {
    let session = Session::locked();
    session.keyring.answer(Answer::Password);
    session.scene.ctl(&["unlock"]).success();
    session.scene.wait_until(is_saved);
    assert_eq!(session.keyring.dialogs(), 1);
    // Unlocked, it asks for nothing.
    session.scene.ctl(&["unlock"]).success();
    assert!(session.scene.fake.is_live(&session.scene.refresh()));
    assert_eq!(session.keyring.dialogs(), 1);
}

#[test]
fn a_dismissed_dialog_leaves_it_locked_and_can_be_had_again() {
    let session = Session::locked();
    session.keyring.answer(Answer::Dismiss);
    let output = session.scene.ctl(&["unlock"]).exits(7);
    assert!(output.complaint().contains("dismissed"), "{}", output.stderr);
    session.expect_unavailable("locked");
    session.keyring.answer(Answer::Password);
    session.scene.ctl(&["unlock"]).success();
    session.scene.wait_until(is_saved);
}

#[test]
fn a_dialog_that_nobody_answers_delays_nobody() {
    let mut session = Session::start();
    let (token, other) = (session.scene.token(), "other");
    session.scene.bed.account(&session.scene.fake, other);
    session.keyring.lock();
    session.keyring.answer(Answer::Nothing);
    let unlock = session.scene.bed.ctl_spawn(&["unlock"]);
    session.keyring.wait_for_dialogs(1);

    assert_eq!(session.scene.token(), token);
    session.scene.ctl(&["status"]).success();
    session.scene.ctl(&["token", other]).exits(4);
    // One who needs the store is told so, and not left to wait for the dialog.
    let output = session.scene.ctl(&["refresh"]).exits(7);
    assert!(output.complaint().contains("locked"), "{}", output.stderr);
    assert_eq!(session.scene.token(), token);

    session.keyring.answer(Answer::Password);
    unlock.finish().success();
    assert!(session.scene.fake.is_live(&session.scene.refresh()));
    assert_eq!(session.keyring.dialogs(), 1);
}

#[test]
fn a_grant_that_comes_while_it_is_locked_is_served_and_saved_once_it_is_not() {
    let mut session = Session::start();
    session.keyring.lock();
    session.scene.bed.sign_in(&session.scene.fake, ACCOUNT);
    let token = session.scene.token();
    let account = session.scene.wait_until(|account| account.unsaved);
    assert_eq!(account.state, State::Fresh);
    assert!(reason_of(&account).contains("imgurctl unlock"), "{account:?}");
    session.keyring.unlock();
    session.expect_kept(&token);
    assert_eq!(session.keyring.dialogs(), 0);
}

#[test]
fn a_keyring_that_is_killed_and_replaced_is_used_again() {
    let mut session = Session::start();
    let token = session.scene.token();
    session.keyring.kill();
    assert_eq!(session.scene.token(), token);
    session.scene.ctl(&["refresh"]).exits(7);
    session.keyring.start(&session.scene.bed);
    let token = session.scene.refresh();
    session.expect_kept(&token);

    session.keyring.replace(&session.scene.bed);
    let token = session.scene.refresh();
    session.expect_kept(&token);
}

#[test]
fn a_keyring_that_is_not_there_yet_is_named_and_found_when_it_comes() {
    let mut session = Session::start();
    assert!(session.scene.stop().success());
    session.keyring.kill();
    session.scene.start();
    session.expect_unavailable("No keyring answers");
    session.keyring.start(&session.scene.bed);
    session.scene.wait_until(is_saved);
}

#[test]
fn a_keyring_is_started_where_the_bus_can_start_one() {
    let mut session = Session::start();
    assert!(session.scene.stop().success());
    session.keyring.kill();
    session.bus.activate(
        "org.freedesktop.secrets",
        "/usr/bin/gnome-keyring-daemon --start --foreground --components=secrets",
    );
    session.scene.start();
    session.expect_unavailable("locked");
    assert_eq!(session.keyring.dialogs(), 0);
}

#[test]
fn a_keyring_that_was_never_set_up_is_explained_to_a_newcomer() {
    let bed = Testbed::new();
    let _bus = bed.bus();
    let mut keyring = bed.keyring();
    keyring.start_locked(&bed);
    let daemon = bed.daemon();
    let add = ["account", "add", ACCOUNT, "--client-id", "0123456789abcde", "--client-secret-stdin"];
    let output = bed.ctl_with(&add, "fedcba9876543210").exits(7);
    for part in ["no default keyring yet", "sign in to the desktop", "--store file"] {
        assert!(output.complaint().contains(part), "{part}: {}", output.stderr);
    }
    for arguments in [&["login", "--no-browser"][..], &["unlock"]] {
        let output = bed.ctl(arguments).exits(7);
        assert!(output.complaint().contains("no default keyring yet"), "{}", output.stderr);
    }
    assert_eq!(keyring.dialogs(), 0);
    assert!(daemon.terminate().success());
}

#[test]
fn without_a_session_bus_the_way_out_is_named() {
    let bed = Testbed::new();
    let daemon = bed.daemon();
    let add = ["account", "add", ACCOUNT, "--client-id", "0123456789abcde", "--client-secret-stdin"];
    let output = bed.ctl_with(&add, "fedcba9876543210").exits(7);
    for part in ["no session bus", "--store file"] {
        assert!(output.complaint().contains(part), "{part}: {}", output.stderr);
    }
    assert!(daemon.terminate().success());
}

#[test]
fn a_bus_that_is_lost_is_found_again() {
    let mut session = Session::start();
    let token = session.scene.token();
    session.bus.stop();
    session.keyring.kill();
    assert_eq!(session.scene.token(), token);
    session.scene.ctl(&["refresh"]).exits(7);
    session.bus.start();
    session.keyring = session.scene.bed.keyring();
    session.keyring.start(&session.scene.bed);
    let token = session.scene.refresh();
    session.expect_kept(&token);
}

#[test]
fn a_keyring_that_hangs_delays_no_token_and_is_waited_for_no_longer_than_asked() {
    let mut session = Session::start();
    let token = session.scene.token();
    session.keyring.hang();
    assert_eq!(session.scene.token(), token);
    let output = session.scene.ctl(&["refresh", "--wait", "3s"]).exits(7);
    assert!(output.complaint().contains("does not answer"), "{}", output.stderr);
    assert_eq!(session.scene.refreshes().len(), 0, "nothing is spent that cannot be saved");

    session.scene.crash();
    session.scene.start();
    session.scene.ctl(&["token", "--wait", "100ms"]).exits(7);
    session.expect_unavailable("does not answer");
    session.keyring.resume();
    assert_eq!(session.scene.token(), token);
    let token = session.scene.refresh();
    session.expect_kept(&token);
}

#[test]
fn an_item_that_another_keyring_hides_is_not_taken_for_gone() {
    let mut session = Session::start();
    let token = session.scene.token();
    assert!(session.scene.stop().success());
    session.keyring.make_another_default();
    session.keyring.lock();
    session.scene.start();
    session.expect_unavailable("locked");
    session.scene.ctl(&["login", "--no-browser"]).exits(7);
    session.keyring.answer(Answer::Password);
    session.scene.ctl(&["unlock"]).success();
    session.scene.wait_until(is_saved);
    assert_eq!(session.scene.token(), token);
    let token = session.scene.refresh();
    session.expect_kept(&token);
}

#[test]
fn an_item_of_a_newer_version_is_left_alone() {
    let mut session = Session::start();
    let item = session.item().unwrap().replacen("\"version\":1", "\"version\":2", 1);
    assert!(session.scene.stop().success());
    session.scene.bed.secret_tool(&[&["store", "--label=mine"], &ITEM[..]].concat(), &item).unwrap();
    session.scene.start();
    session.expect_unavailable("newer imgurd");
    session.scene.ctl(&["logout"]).exits(7);
    assert_eq!(session.item().unwrap(), item);
}
