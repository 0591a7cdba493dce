//! KeePassXC, with its own dialogs.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use futures_util::StreamExt as _;
use imgurd_proto::{Account, State};
use imgurd_tests::testbed::{ACCOUNT, Running, Testbed, in_time, wait_for_owner};
use zbus::{Connection, OwnedObjectPath};

use super::gnome_keyring::GnomeKeyring;
use super::{Desktop, NAME, PASSWORD, Provider, SERVICE, is_fresh, keeps_the_grant, secrets};

/// KeePassXC with its default settings, except that it does not ask at each access and deletion.
#[derive(Default)]
pub(super) struct KeePassXc(Option<Running>);

impl Provider for KeePassXc {
    fn name(&self) -> &'static str {
        "keepassxc"
    }

    fn start(&mut self, bed: &Testbed) {
        self.0 = Some(with_settings(bed, DATABASE, SETTINGS));
        in_time(async {
            let bus = bed.connect().await;
            while default_collection(&bus).await.as_str() == "/" || is_closed(&bus).await {}
        });
    }

    fn kill(&mut self) {
        self.0 = None;
    }

    fn lock(&mut self, bed: &Testbed) {
        in_time(async { lock(&bed.connect().await).await });
    }

    fn unlock(&mut self, bed: &Testbed) {
        open(bed, &database(bed, "mine"));
    }

    fn delete(&mut self, bed: &Testbed) {
        bed.secret_tool(&["clear", "service", "imgurd"], "").expect("the keyring has an item");
    }

    fn open_another(&mut self, bed: &Testbed) {
        make_database(bed, "another", &DATABASE.replace("mine", "another"));
        open(bed, &database(bed, "another"));
    }
}

const SETTINGS: &str = "[General]\nConfigVersion=2\nMinimizeAfterUnlock=false\n[FdoSecrets]\nEnabled=true\n\
                             ConfirmAccessItem=false\nConfirmDeleteItem=false\n[GUI]\nCheckForUpdates=false\n";

/// A database that shows one of its groups to other programs.
const DATABASE: &str = "<?xml version=\"1.0\"?><KeePassFile><Meta><DatabaseName>mine</DatabaseName><CustomData><Item>\
    <Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{00010203-0405-0607-0809-0a0b0c0d0e0f}</Value></Item></CustomData></Meta>\
    <Root><Group><UUID>AAECAwQFBgcICQoLDA0ODw==</UUID><Name>Root</Name></Group></Root></KeePassFile>";

fn database(bed: &Testbed, name: &str) -> PathBuf {
    bed.root().join(format!("{name}.kdbx"))
}

fn make_database(bed: &Testbed, name: &str, xml_text: &str) {
    let xml = bed.root().join(format!("{name}.xml"));
    fs::write(&xml, xml_text).unwrap();
    let mut import = bed.command("keepassxc-cli");
    import.args(["import", "-q", "-p"]).arg(&xml).arg(database(bed, name)).stdin(Stdio::piped());
    let mut import = import.spawn().expect("keepassxc is installed");
    import.stdin.take().unwrap().write_all(format!("{PASSWORD}\n{PASSWORD}\n").as_bytes()).unwrap();
    assert!(import.wait().unwrap().success());
}

/// Opens a database in the running KeePassXC, which makes it the visible one.
fn open(bed: &Testbed, database: &std::path::Path) {
    let window = ["org.keepassxc.KeePassXC.MainWindow", "/keepassxc", "org.keepassxc.KeePassXC.MainWindow"];
    let mut call = bed.command("busctl");
    call.args(["--user", "call"]).args(window).args(["openDatabase", "ss"]).arg(database).arg(PASSWORD);
    assert!(call.status().unwrap().success());
    in_time(async {
        let bus = bed.connect().await;
        while is_closed(&bus).await {}
    });
}

/// Starts KeePassXC with this database and these settings, unless it already has some.
fn with_settings(bed: &Testbed, xml_text: &str, settings: &str) -> Running {
    bed.set_env("TMPDIR", bed.runtime_dir());
    let directory = bed.config_home().join("keepassxc");
    if !directory.exists() {
        make_database(bed, "mine", xml_text);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("keepassxc.ini"), settings).unwrap();
    }
    let mut command = bed.command("keepassxc");
    command.arg("--pw-stdin").arg(database(bed, "mine")).stdin(Stdio::piped());
    let mut running = Running::start(command);
    running.0.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    wait_for_owner(bed, NAME);
    running
}

async fn default_collection(bus: &Connection) -> OwnedObjectPath {
    let service = secrets(bus, SERVICE, "org.freedesktop.Secret.Service").await;
    service.call("ReadAlias", &"default").await.unwrap()
}

async fn is_closed(bus: &Connection) -> bool {
    let path = default_collection(bus).await;
    let collection = secrets(bus, path.as_str(), "org.freedesktop.Secret.Collection").await;
    // KeePassXC may have replaced the collection meanwhile.
    collection.get_property("Locked").await.unwrap_or(true)
}

/// Locks the database like another program. This takes a prompt that shows nothing.
async fn lock(bus: &Connection) {
    let service = secrets(bus, SERVICE, "org.freedesktop.Secret.Service").await;
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
fn keepassxc_keeps_the_grant() {
    keeps_the_grant(Box::new(KeePassXc::default()), Box::new(GnomeKeyring::default()));
}

#[test]
fn names_the_setting_of_keepassxc_without_a_shown_database() {
    let bed = Testbed::new();
    let (_bus, _display) = (bed.bus(), bed.display());
    let hidden = DATABASE.replace("FDO_SECRETS_EXPOSED_GROUP", "NOTHING");
    let _keyring = with_settings(&bed, &hidden, SETTINGS);
    in_time(async {
        let bus = bed.connect().await;
        let path = "/org/freedesktop/secrets/collection/mine";
        let database = || secrets(&bus, path, "org.freedesktop.Secret.Collection");
        // KeePassXC reports the database as locked until it is open. Each proxy reads the property only once.
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
fn a_keepassxc_that_asks_before_each_access_asks_only_at_unlock() {
    let mut desktop = Desktop::new(Box::new(KeePassXc::default()), Box::new(GnomeKeyring::default()));
    desktop.bed().sign_in(&desktop.scene.fake, ACCOUNT);
    desktop.scene.wait_until(is_fresh);
    // Restores the default settings at its next start. Locking the database makes KeePassXC write its file.
    desktop.provider.lock(&desktop.scene.bed);
    desktop.provider.kill();
    let settings = desktop.scene.bed.config_home().join("keepassxc/keepassxc.ini");
    fs::write(settings, SETTINGS.replace("ConfirmAccessItem=false\n", "")).unwrap();
    desktop.provider.start(&desktop.scene.bed);
    let asks = |account: &Account| {
        let reason = account.reason.as_deref().unwrap_or_default();
        account.state == State::StoreUnavailable
            && reason.contains("\"Confirm when passwords are retrieved by clients\"")
    };
    desktop.scene.restart();
    desktop.scene.wait_until(asks);
    desktop.look();
    let doctor = desktop.scene.ctl(&["doctor"]).stdout;
    assert!(doctor.contains("Confirm when passwords are retrieved by clients"), "{doctor}");
    assert_eq!(desktop.dialogs(), Vec::<String>::new(), "imgurd shows no dialog by itself");
    desktop.scene.bed.screenshot("keepassxc-asks");

    let unlocking = desktop.bed().ctl_spawn(&["unlock"]);
    desktop.wait_for_dialog("asks");
    desktop.bed().press("Escape");
    let output = unlocking.finish().exits(7);
    assert!(output.complaint().contains("you did not allow it"), "{}", output.stderr);
    desktop.scene.wait_until(asks);

    let unlocking = desktop.bed().ctl_spawn(&["unlock"]);
    desktop.wait_for_dialog("allowed");
    desktop.bed().press("Return");
    unlocking.finish().success();
    desktop.scene.wait_until(is_fresh);
    for _ in 0..2 {
        desktop.scene.refresh();
        desktop.scene.wait_until(is_fresh);
    }
    assert_eq!((desktop.items(), desktop.dialogs()), (1, Vec::new()));
}
