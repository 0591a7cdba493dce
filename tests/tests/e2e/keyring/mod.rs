//! The desktop's keyring: a real GNOME Keyring that is locked, missing, replaced or hangs, with and without a user
//! who answers its dialogs.

mod addresses;
mod deleted;
mod replaced;

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Answer, Bus, Keyring, Scene, Testbed};

/// The attributes of the account's item.
const ITEM: [&str; 4] = ["service", "imgurd", "username", ACCOUNT];

/// A user's session: a bus, a keyring and a daemon.
struct Session {
    keyring: Keyring,
    scene: Scene,
    bus: Bus,
}

impl Session {
    /// The account is signed in and the keyring unlocked. The server revokes the grant if a refresh token is reused.
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

    /// A session whose keyring was locked before the daemon started.
    fn locked() -> Self {
        let mut session = Self::start();
        assert!(session.scene.stop().success());
        session.keyring.lock();
        session.scene.start();
        session
    }

    /// The secret of the account's item.
    fn item(&self) -> Option<String> {
        self.scene.bed.secret_tool(&[&["lookup"], &ITEM[..]].concat(), "")
    }

    /// Fails unless imgurd reports that the store is unavailable for this reason.
    fn expect_unavailable(&self, reason: &str) {
        let account = self.scene.wait_until(|account| reason_of(account).contains(reason));
        assert_eq!(account.state, State::StoreUnavailable);
        let output = self.scene.ctl(&["token", "--wait", "100ms"]).exits(7);
        assert!(output.complaint().contains(reason), "{}", output.stderr);
    }

    /// Fails unless imgurd has saved this token: it survives a crash.
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
fn secret_tool_can_read_the_item() {
    let session = Session::start();
    let item = session.item().expect("the keyring has an item");
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
fn a_keyring_that_is_locked_at_start_is_reported_without_a_dialog() {
    let mut session = Session::locked();
    session.expect_unavailable("locked; run `imgurctl unlock`");
    let status = session.scene.ctl(&["status"]).success().stdout;
    assert!(status.contains("imgurctl unlock"), "{status}");
    session.scene.ctl(&["login", "--no-browser"]).exits(7);
    session.scene.ctl(&["logout"]).exits(7);
    session.scene.ctl_with(&["import"], "0123456789abcdef").exits(7);
    assert_eq!(session.keyring.dialogs(), 0);

    // Another program unlocks the keyring. A waiting call and the next call work.
    let waiting = session.scene.bed.ctl_spawn(&["token"]);
    session.keyring.unlock();
    assert!(session.scene.fake.is_live(waiting.finish().success().line()));
    let token = session.scene.refresh();
    assert_eq!(session.keyring.dialogs(), 0);
    session.expect_kept(&token);
}

#[test]
fn imgurd_reads_the_keyring_as_soon_as_it_is_unlocked() {
    let session = Session::locked();
    session.expect_unavailable("locked");
    session.keyring.unlock();
    session.scene.wait_until(is_saved);
}

#[test]
fn unlock_shows_the_dialog_and_the_grant_is_available() {
    let session = Session::locked();
    session.keyring.answer(Answer::Password);
    session.scene.ctl(&["unlock"]).success();
    session.scene.wait_until(is_saved);
    assert_eq!(session.keyring.dialogs(), 1);
    // `unlock` shows no dialog if the keyring is unlocked.
    session.scene.ctl(&["unlock"]).success();
    assert!(session.scene.fake.is_live(&session.scene.refresh()));
    assert_eq!(session.keyring.dialogs(), 1);
}

#[test]
fn a_dismissed_dialog_can_be_shown_again() {
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
fn an_unanswered_dialog_delays_no_caller() {
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
    // A caller that needs the store gets an error, and does not wait for the dialog.
    let output = session.scene.ctl(&["refresh"]).exits(7);
    assert!(output.complaint().contains("locked"), "{}", output.stderr);
    assert_eq!(session.scene.token(), token);

    session.keyring.answer(Answer::Password);
    unlock.finish().success();
    assert!(session.scene.fake.is_live(&session.scene.refresh()));
    assert_eq!(session.keyring.dialogs(), 1);
}

#[test]
fn a_new_grant_is_saved_once_the_keyring_is_unlocked() {
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
fn a_restarted_or_replaced_keyring_is_used_again() {
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
fn a_keyring_that_starts_after_the_daemon_is_used() {
    let mut session = Session::start();
    assert!(session.scene.stop().success());
    session.keyring.kill();
    session.scene.start();
    session.expect_unavailable("No keyring answers");
    session.keyring.start(&session.scene.bed);
    session.scene.wait_until(is_saved);
}

#[test]
fn the_bus_starts_the_keyring_on_demand() {
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
fn a_missing_default_keyring_is_explained() {
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
fn a_missing_session_bus_is_explained() {
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
fn imgurd_reconnects_to_a_restarted_bus() {
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
fn a_hanging_keyring_delays_no_valid_token_and_no_call_beyond_its_wait() {
    let mut session = Session::start();
    let token = session.scene.token();
    session.keyring.hang();
    assert_eq!(session.scene.token(), token);
    let output = session.scene.ctl(&["refresh", "--wait", "3s"]).exits(7);
    assert!(output.complaint().contains("does not answer"), "{}", output.stderr);
    assert_eq!(
        session.scene.refreshes().len(),
        0,
        "no refresh token is sent while the new one cannot be saved"
    );

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
fn an_item_in_a_locked_keyring_does_not_count_as_deleted() {
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
fn an_item_of_a_newer_version_is_not_overwritten() {
    let mut session = Session::start();
    let item = session.item().unwrap().replacen("\"version\":1", "\"version\":2", 1);
    assert!(session.scene.stop().success());
    session.scene.bed.secret_tool(&[&["store", "--label=mine"], &ITEM[..]].concat(), &item).unwrap();
    session.scene.start();
    session.expect_unavailable("newer imgurd");
    session.scene.ctl(&["logout"]).exits(7);
    assert_eq!(session.item().unwrap(), item);
}
