//! Other keyrings than GNOME's: each locks in another way, and shows dialogs on other occasions.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use futures_util::StreamExt as _;
use imgurd_proto::{Account, State};
use imgurd_tests::fake::{Behaviour, PATIENCE, Rotation};
use imgurd_tests::testbed::{Bus, Display, Running, Scene, Testbed, in_time, wait_for_owner};
use zbus::{Connection, OwnedObjectPath, Proxy};

const PASSWORD: &str = "correct horse";
const NAME: &str = "org.freedesktop.secrets";

/// A desktop with a keyring, and imgurd signed in there.
struct Desktop {
    // In this order, so that what is ended first does not miss the rest.
    scene: Scene,
    keyring: Running,
    _display: Display,
    _bus: Bus,
}

impl Desktop {
    fn new(bed: Testbed, keyring: fn(&Testbed) -> Running) -> Self {
        let bus = bed.bus();
        let display = bed.display();
        let keyring = keyring(&bed);
        let behaviour = Behaviour { rotation: Rotation::ReuseDetection, ..Behaviour::default() };
        Self { scene: Scene::new(bed, behaviour).signed_in(), keyring, _display: display, _bus: bus }
    }

    /// Restarts imgurd, looks at the account in every way, and waits until it is as `wanted`.
    fn look(&mut self, wanted: impl Fn(&Account) -> bool) {
        self.scene.crash();
        self.scene.start();
        self.scene.wait_until(wanted);
        self.scene.ctl(&["token", "--wait", "1s"]);
        self.scene.ctl(&["refresh", "--wait", "1s"]);
        self.scene.ctl(&["doctor"]);
    }

    /// The titles of all windows but the keyring's own.
    fn dialogs(&self) -> Vec<String> {
        let mut windows = self.scene.bed.windows();
        windows.retain(|title| title.contains("Unlock") || !title.ends_with("KeePassXC"));
        windows
    }
}

fn is_fresh(account: &Account) -> bool {
    account.state == State::Fresh && !account.unsaved
}

fn is_locked(account: &Account) -> bool {
    account.state == State::StoreUnavailable
        && account.reason.as_ref().is_some_and(|reason| reason.contains("is locked"))
}

const CONFIGURATION: &str = "[General]\nConfigVersion=2\nMinimizeAfterUnlock=false\n[FdoSecrets]\nEnabled=true\n\
                             ConfirmAccessItem=false\n[GUI]\nCheckForUpdates=false\n";

/// A database that shows one of its groups to other programs.
const DATABASE: &str = "<?xml version=\"1.0\"?><KeePassFile><Meta><DatabaseName>mine</DatabaseName><CustomData><Item>\
    <Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{00010203-0405-0607-0809-0a0b0c0d0e0f}</Value></Item></CustomData></Meta>\
    <Root><Group><UUID>AAECAwQFBgcICQoLDA0ODw==</UUID><Name>Root</Name></Group></Root></KeePassFile>";

/// KeePassXC with its default settings, but for its question at each access, and its database open.
fn keepassxc(bed: &Testbed) -> Running {
    let running = keepassxc_with(bed, DATABASE, CONFIGURATION);
    in_time(async {
        let bus = bed.connect().await;
        while default_collection(&bus).await.as_str() == "/" || is_closed(&bus).await {}
    });
    running
}

/// KeePassXC with this database and these settings, where there are none yet.
fn keepassxc_with(bed: &Testbed, xml_text: &str, settings: &str) -> Running {
    bed.set_env("TMPDIR", bed.runtime_dir());
    let (database, xml) = (bed.root().join("mine.kdbx"), bed.root().join("mine.xml"));
    if !database.exists() {
        fs::write(&xml, xml_text).unwrap();
        fs::create_dir_all(bed.config_home().join("keepassxc")).unwrap();
        fs::write(bed.config_home().join("keepassxc/keepassxc.ini"), settings).unwrap();
        let mut import = bed.command("keepassxc-cli");
        import.args(["import", "-q", "-p"]).arg(&xml).arg(&database).stdin(Stdio::piped());
        let mut import = import.spawn().expect("keepassxc is installed");
        import.stdin.take().unwrap().write_all(format!("{PASSWORD}\n{PASSWORD}\n").as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
    }
    let mut command = bed.command("keepassxc");
    command.arg("--pw-stdin").arg(&database).stdin(Stdio::piped());
    let mut running = Running::start(command);
    running.0.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    wait_for_owner(bed, NAME);
    running
}

async fn secrets<'a>(bus: &Connection, path: &'a str, interface: &'a str) -> Proxy<'a> {
    Proxy::new(bus, NAME, path, interface).await.unwrap()
}

async fn default_collection(bus: &Connection) -> OwnedObjectPath {
    let service = secrets(bus, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service").await;
    service.call("ReadAlias", &"default").await.unwrap()
}

async fn is_closed(bus: &Connection) -> bool {
    let path = default_collection(bus).await;
    secrets(bus, path.as_str(), "org.freedesktop.Secret.Collection")
        .await
        .get_property("Locked")
        .await
        .unwrap()
}

/// Locks the database as another program does, which takes a prompt that shows nothing.
async fn lock(bus: &Connection) {
    let service = secrets(bus, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service").await;
    let collection = default_collection(bus).await;
    let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) =
        service.call("Lock", &(vec![collection],)).await.unwrap();
    if prompt.as_str() != "/" {
        let prompt = secrets(bus, prompt.as_str(), "org.freedesktop.Secret.Prompt").await;
        let mut completed = prompt.receive_signal("Completed").await.unwrap();
        prompt.call::<_, _, ()>("Prompt", &"").await.unwrap();
        completed.next().await;
    }
    while !is_closed(bus).await {}
}

#[test]
fn keepassxc_is_never_made_to_ask_by_looking_and_keeps_the_grant() {
    let mut desktop = Desktop::new(Testbed::new(), keepassxc);
    let token = desktop.scene.token();
    desktop.look(is_fresh);
    assert_eq!(desktop.dialogs(), Vec::<String>::new());

    in_time(async { lock(&desktop.scene.bed.connect().await).await });
    desktop.look(is_locked);
    assert_eq!(desktop.dialogs(), Vec::<String>::new(), "nobody asked for a dialog");

    let unlocking = desktop.scene.bed.ctl_spawn(&["unlock"]);
    let end = Instant::now() + PATIENCE;
    while desktop.dialogs().is_empty() {
        assert!(Instant::now() < end, "`imgurctl unlock` raises the dialog");
    }
    desktop.scene.bed.type_line(PASSWORD);
    unlocking.finish().success();
    desktop.scene.wait_until(is_fresh);
    assert!(desktop.scene.fake.is_live(&desktop.scene.refresh()) && !token.is_empty());
}

#[test]
fn keepassxc_that_ends_and_comes_back_costs_no_grant() {
    let mut desktop = Desktop::new(Testbed::new(), keepassxc);
    let token = desktop.scene.token();
    drop(std::mem::replace(&mut desktop.keyring, Running::start(desktop.scene.bed.command("true"))));
    desktop.scene.ctl(&["refresh", "--wait", "1s"]).exits(7);
    assert_eq!(desktop.scene.token(), token);
    desktop.keyring = keepassxc(&desktop.scene.bed);
    let token = desktop.scene.refresh();
    desktop.scene.wait_until(is_fresh);
    desktop.scene.crash();
    desktop.scene.start();
    assert_eq!(desktop.scene.token(), token);
}

/// KWallet, after a login that opened the wallet (pam_kwallet).
fn kwallet(bed: &Testbed) -> Running {
    let salt = bed.data_home().join("kwalletd/kdewallet.salt");
    if !salt.exists() {
        fs::create_dir_all(salt.parent().unwrap()).unwrap();
        fs::write(&salt, [7; 56]).unwrap();
        fs::create_dir_all(bed.config_home()).unwrap();
        let settings =
            "[Wallet]\nEnabled=true\nFirst Use=false\n[org.freedesktop.secrets]\napiEnabled=true\n";
        fs::write(bed.config_home().join("kwalletrc"), settings).unwrap();
        // The Secret Service does not show a wallet that has just been made.
        let first = Running::start(bed.command("kwalletd5"));
        open_wallet(bed);
        drop(first);
    }
    let running = Running::start(bed.command("kwalletd5"));
    open_wallet(bed);
    wait_for_owner(bed, NAME);
    running
}

fn open_wallet(bed: &Testbed) {
    wait_for_owner(bed, "org.kde.kwalletd5");
    let script = "import hashlib, os, subprocess\n\
        salt = open(os.environ['XDG_DATA_HOME'] + '/kwalletd/kdewallet.salt', 'rb').read()\n\
        key = hashlib.pbkdf2_hmac('sha512', b'correct horse', salt, 50000, 56)\n\
        wallet = ['org.kde.kwalletd5', '/modules/kwalletd5', 'org.kde.KWallet', 'pamOpen', 'sayi', 'kdewallet', '56']\n\
        subprocess.run(['busctl', '--user', 'call', *wallet, *map(str, key), '0'], check=True)\n\
        is_open = ['busctl', '--user', 'call', *wallet[:3], 'isOpen', 's', 'kdewallet']\n\
        while subprocess.run(is_open, capture_output=True, check=True).stdout != b'b true\\n': pass\n";
    let mut command = bed.command("python3");
    assert!(command.args(["-c", script]).stdout(Stdio::null()).status().unwrap().success());
}

/// It writes what it was given some seconds later, or now.
fn close_wallet(bed: &Testbed) {
    let call =
        ["--user", "call", "org.kde.kwalletd5", "/modules/kwalletd5", "org.kde.KWallet", "closeAllWallets"];
    assert!(bed.command("busctl").args(call).status().unwrap().success());
}

#[test]
fn a_wallet_that_the_login_opened_is_open_for_imgurd_and_one_that_is_closed_is_left_so() {
    let mut desktop = Desktop::new(Testbed::new(), kwallet);
    desktop.look(is_fresh);
    // The next session.
    desktop.scene.crash();
    close_wallet(&desktop.scene.bed);
    drop(std::mem::replace(&mut desktop.keyring, Running::start(desktop.scene.bed.command("true"))));
    desktop.keyring = kwallet(&desktop.scene.bed);
    in_time(async { assert!(is_closed(&desktop.scene.bed.connect().await).await, "as KWallet says") });
    desktop.scene.start();
    desktop.scene.wait_until(is_fresh);
    let token = desktop.scene.refresh();

    // One in which the wallet is not opened.
    close_wallet(&desktop.scene.bed);
    drop(std::mem::replace(&mut desktop.keyring, Running::start(desktop.scene.bed.command("true"))));
    desktop.keyring = Running::start(desktop.scene.bed.command("kwalletd5"));
    wait_for_owner(&desktop.scene.bed, NAME);
    desktop.look(is_locked);
    open_wallet(&desktop.scene.bed);
    desktop.scene.wait_until(is_fresh);
    assert_eq!(desktop.scene.token(), token);
    assert_eq!(desktop.dialogs(), Vec::<String>::new());
}

#[test]
fn keepassxc_that_shows_no_database_is_named_with_its_own_setting() {
    let bed = Testbed::new();
    let (_bus, _display) = (bed.bus(), bed.display());
    let hidden = DATABASE.replace("FDO_SECRETS_EXPOSED_GROUP", "NOTHING");
    let _keyring = keepassxc_with(&bed, &hidden, CONFIGURATION);
    in_time(async {
        let bus = bed.connect().await;
        let path = "/org/freedesktop/secrets/collection/mine";
        let database = || secrets(&bus, path, "org.freedesktop.Secret.Collection");
        // It is shown as locked until it is open. A proxy asks once.
        while database().await.get_property::<bool>("Locked").await.is_ok() {}
    });
    let daemon = bed.daemon();
    let output = bed.ctl(&["unlock"]).exits(7);
    assert!(
        output.complaint().contains("KeePassXC shows no database to other programs"),
        "{}",
        output.stderr
    );
    assert!(output.complaint().contains("Database Settings") && !output.stderr.contains("seahorse"));
    assert!(daemon.terminate().success());
}

#[test]
fn keepassxc_that_asks_at_each_access_is_asked_for_nothing_and_its_setting_is_named() {
    let mut desktop = Desktop::new(Testbed::new(), keepassxc);
    // Its settings as they are by default, from its next start on.
    drop(std::mem::replace(&mut desktop.keyring, Running::start(desktop.scene.bed.command("true"))));
    let settings = desktop.scene.bed.config_home().join("keepassxc/keepassxc.ini");
    fs::write(settings, CONFIGURATION.replace("ConfirmAccessItem=false\n", "")).unwrap();
    desktop.keyring = keepassxc(&desktop.scene.bed);
    let asks = |account: &Account| {
        let reason = account.reason.as_deref().unwrap_or_default();
        account.state == State::StoreUnavailable
            && reason.contains("\"Confirm when passwords are retrieved by clients\"")
    };
    desktop.look(asks);
    let doctor = desktop.scene.ctl(&["doctor"]).stdout;
    assert!(doctor.contains("Confirm when passwords are retrieved by clients"), "{doctor}");
    assert_eq!(desktop.dialogs(), Vec::<String>::new(), "nobody asked for a dialog");
    desktop.scene.bed.screenshot("keepassxc-asks");

    let output = desktop.scene.ctl(&["unlock"]).exits(7);
    assert!(output.complaint().contains("Secret Service Integration"), "{}", output.stderr);
    assert_eq!(desktop.dialogs(), Vec::<String>::new(), "none that could not help");
}
