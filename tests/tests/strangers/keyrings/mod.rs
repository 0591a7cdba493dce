//! The same steps with keyrings of different projects, which differ in what they call locked and in what makes them
//! show a dialog.

mod gnome_keyring;
mod keepassxc;
mod kwallet;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, PATIENCE, Rotation};
use imgurd_tests::testbed::{ACCOUNT, Bus, Display, Scene, Testbed, in_time};
use zbus::{Connection, OwnedObjectPath, Proxy};

const PASSWORD: &str = "correct horse";
const HOUR: Duration = Duration::from_hours(1);
const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "/org/freedesktop/secrets";

/// A keyring, and what its user does with it.
trait Provider {
    fn name(&self) -> &'static str;
    /// Starts the keyring and opens it. The first start makes it.
    fn start(&mut self, bed: &Testbed);
    fn kill(&mut self);
    fn lock(&mut self, bed: &Testbed);
    /// Unlocks the keyring without imgurd and without a dialog.
    fn unlock(&mut self, bed: &Testbed);
    /// Deletes imgurd's item.
    fn delete(&mut self, bed: &Testbed);
    /// Opens another database, wallet or collection, which becomes the default one.
    fn open_another(&mut self, bed: &Testbed);
}

/// A desktop with a keyring, and imgurd.
struct Desktop {
    // The fields are dropped in this order, so that nothing loses what it depends on.
    scene: Scene,
    provider: Box<dyn Provider>,
    /// Replaces the provider in one step.
    other: Box<dyn Provider>,
    _display: Display,
    _bus: Bus,
}

impl Desktop {
    fn new(mut provider: Box<dyn Provider>, other: Box<dyn Provider>) -> Self {
        let bed = Testbed::new();
        let display = bed.display();
        let bus = bed.bus();
        bus.activate("org.gnome.keyring.SystemPrompter", "/usr/libexec/gcr-prompter");
        provider.start(&bed);
        let behaviour = Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() };
        Self { scene: Scene::new(bed, behaviour), provider, other, _display: display, _bus: bus }
    }

    fn bed(&self) -> &Testbed {
        &self.scene.bed
    }

    /// The titles of all windows but KeePassXC's own.
    fn dialogs(&self) -> Vec<String> {
        let mut windows = self.bed().windows();
        windows.retain(|title| title.contains("Unlock") || !title.ends_with("KeePassXC"));
        windows
    }

    fn expect_no_dialog(&self, step: &str) {
        self.bed().screenshot(&format!("{}-{step}", self.provider.name()));
        assert_eq!(
            self.dialogs(),
            Vec::<String>::new(),
            "{step}: no dialog is shown without `imgurctl unlock`"
        );
    }

    /// Returns when a running `imgurctl unlock` has made the keyring show its dialog, which has the keyboard focus.
    fn wait_for_dialog(&self, step: &str) {
        let end = Instant::now() + PATIENCE;
        while self.dialogs().is_empty() {
            assert!(Instant::now() < end, "{step}: `imgurctl unlock` shows no dialog");
        }
        self.bed().screenshot(&format!("{}-{step}-dialog", self.provider.name()));
    }

    /// Uses the account in every way that must not show a dialog.
    fn look(&self) {
        self.scene.ctl(&["status"]).success();
        self.scene.ctl(&["token", "--wait", "1s"]);
        self.scene.ctl(&["refresh", "--wait", "1s"]);
        self.scene.ctl(&["doctor"]);
    }

    /// Checks that the grant is valid and saved: it survives a restart.
    fn expect_kept(&mut self) {
        let token = self.scene.refresh();
        self.scene.wait_until(is_fresh);
        self.expect_never_signed_out();
        self.scene.crash();
        self.scene.start();
        self.scene.wait_until(is_fresh);
        assert_eq!(self.scene.token(), token);
        assert!(self.scene.fake.is_live(&token));
        assert_eq!(self.items(), 1, "the keyring has one item");
    }

    fn expect_never_signed_out(&mut self) {
        let log = self.scene.daemon().log();
        for state in ["state=empty", "state=consent_needed"] {
            assert!(!log.contains(state), "{log}");
        }
    }

    /// The number of imgurd's items that the keyring shows.
    fn items(&self) -> usize {
        in_time(async {
            let bus = self.bed().connect().await;
            let service = secrets(&bus, SERVICE, "org.freedesktop.Secret.Service").await;
            let ours = HashMap::from([("service", "imgurd")]);
            let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
                service.call("SearchItems", &(ours,)).await.unwrap();
            open.len() + locked.len()
        })
    }
}

fn is_fresh(account: &Account) -> bool {
    account.state == State::Fresh && !account.unsaved
}

fn is_locked(account: &Account) -> bool {
    account.state == State::StoreUnavailable
        && account.reason.as_ref().is_some_and(|reason| reason.contains("locked"))
}

async fn secrets<'a>(bus: &Connection, path: &'a str, interface: &'a str) -> Proxy<'a> {
    Proxy::new(bus, NAME, path, interface).await.unwrap()
}

/// The name of a step, and the function that carries it out.
type Step = (&'static str, fn(&mut Desktop));

/// The steps in their order.
const STEPS: [Step; 11] = [
    ("01-empty", is_empty_at_first),
    ("02-signed-in", is_signed_in),
    ("03-restarted", Desktop::expect_kept),
    ("04-locked-at-start", is_locked_at_start),
    ("05-unlocked-by-its-dialog", is_unlocked_by_its_dialog),
    ("06-locked-with-a-refresh-due", is_locked_with_a_refresh_due),
    ("07-dialog-dismissed", is_dismissed),
    ("08-killed", is_killed),
    ("09-replaced", is_replaced),
    ("10-two-databases", has_another_database),
    ("11-deleted", is_deleted),
];

fn keeps_the_grant(provider: Box<dyn Provider>, other: Box<dyn Provider>) {
    let mut desktop = Desktop::new(provider, other);
    for (step, act) in STEPS {
        act(&mut desktop);
        desktop.expect_no_dialog(step);
    }
}

fn is_empty_at_first(desktop: &mut Desktop) {
    desktop.scene.wait_until(|account| account.state == State::Empty);
    assert_eq!(desktop.scene.ctl(&["token"]).exits(4).stdout, "");
}

/// After this step, nothing may say that nobody is signed in.
fn is_signed_in(desktop: &mut Desktop) {
    desktop.bed().sign_in(&desktop.scene.fake, ACCOUNT);
    desktop.scene.wait_until(is_fresh);
    desktop.scene.restart();
}

fn is_locked_at_start(desktop: &mut Desktop) {
    assert!(desktop.scene.stop().success());
    desktop.provider.lock(&desktop.scene.bed);
    desktop.scene.start();
    desktop.scene.wait_until(is_locked);
    desktop.look();
    desktop.expect_never_signed_out();
}

fn is_unlocked_by_its_dialog(desktop: &mut Desktop) {
    let unlocking = desktop.bed().ctl_spawn(&["unlock"]);
    desktop.wait_for_dialog("05");
    desktop.bed().type_line(PASSWORD);
    unlocking.finish().success();
    desktop.scene.wait_until(is_fresh);
    desktop.expect_kept();
}

fn is_locked_with_a_refresh_due(desktop: &mut Desktop) {
    desktop.scene.ctl(&["auto-refresh", "off"]).success();
    desktop.scene.fake.configure(|behaviour| behaviour.lifetime = Duration::from_secs(2));
    desktop.scene.ctl(&["refresh"]).success();
    desktop.scene.fake.configure(|behaviour| behaviour.lifetime = HOUR);
    desktop.scene.wait_until(|account| account.state == State::Stale && !account.unsaved);
    let requests = desktop.scene.refreshes().len();
    desktop.provider.lock(&desktop.scene.bed);
    desktop.scene.ctl(&["auto-refresh", "on"]).success();
    desktop.scene.wait_until(is_locked);
    desktop.look();
    assert_eq!(
        desktop.scene.refreshes().len(),
        requests,
        "no refresh token is sent while the new one cannot be saved"
    );
    desktop.expect_no_dialog("06-while-locked");

    desktop.provider.unlock(&desktop.scene.bed);
    desktop.scene.wait_until(is_fresh);
    assert_eq!(desktop.scene.refreshes().len(), requests + 1);
    desktop.expect_kept();
}

fn is_dismissed(desktop: &mut Desktop) {
    desktop.provider.lock(&desktop.scene.bed);
    let unlocking = desktop.bed().ctl_spawn(&["unlock"]);
    desktop.wait_for_dialog("07");
    desktop.bed().press("Escape");
    let output = unlocking.finish().exits(7);
    assert!(output.complaint().contains("still locked"), "{}", output.stderr);
    desktop.look();
    desktop.expect_no_dialog("07-dismissed");
    desktop.provider.unlock(&desktop.scene.bed);
    desktop.expect_kept();
}

/// A keyring that is killed at once loses the latest changes: KeePassXC writes its file 150 ms after a change,
/// KWallet some seconds after.
fn is_killed(desktop: &mut Desktop) {
    let token = desktop.scene.refresh();
    desktop.scene.wait_until(is_fresh);
    desktop.provider.kill();
    desktop.look();
    assert_eq!(desktop.scene.token(), token);
    desktop.provider.start(&desktop.scene.bed);
    desktop.expect_kept();
}

fn is_replaced(desktop: &mut Desktop) {
    let token = desktop.scene.token();
    desktop.provider.kill();
    desktop.other.start(&desktop.scene.bed);
    let output = desktop.scene.ctl(&["refresh"]).exits(7);
    assert!(output.complaint().contains("has no item for"), "{}", output.stderr);
    assert_eq!(
        (desktop.scene.token(), desktop.items()),
        (token, 0),
        "the token is unchanged, and no item is created"
    );
    desktop.expect_no_dialog("09-in-its-place");
    desktop.other.kill();
    desktop.provider.start(&desktop.scene.bed);
    desktop.expect_kept();
}

fn has_another_database(desktop: &mut Desktop) {
    desktop.provider.open_another(&desktop.scene.bed);
    desktop.expect_kept();
}

/// One `imgurctl login` restores a deleted item.
fn is_deleted(desktop: &mut Desktop) {
    let token = desktop.scene.token();
    desktop.provider.delete(&desktop.scene.bed);
    let output = desktop.scene.ctl(&["refresh"]).exits(7);
    assert!(output.complaint().contains("run `imgurctl login mytoken`"), "{}", output.stderr);
    assert_eq!((desktop.scene.token(), desktop.items()), (token, 0));
    desktop.bed().sign_in(&desktop.scene.fake, ACCOUNT);
    desktop.expect_kept();
}
