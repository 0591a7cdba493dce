//! Another program on the bus forges signals. It broadcasts them and sends them to each connection.

use std::collections::HashMap;

use futures_util::{Stream, StreamExt as _};
use imgurd_proto::dbus::KeeperProxy;
use imgurd_proto::{Account, State};
use imgurd_tests::browser;
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Answer, Bus, Keyring, Scene, Testbed, in_time, next};
use serde_json::json;
use zbus::fdo::{DBusProxy, MonitoringProxy};
use zbus::message::Type;
use zbus::{Connection, MessageStream, ObjectPath, Variant};

use crate::browser_launch::{self, sign_in_clicked, soon};
use crate::notify::{self, BUTTONS, Server};

/// The bus's own path and interface.
const BUS: (&str, &str) = ("/org/freedesktop/DBus", "org.freedesktop.DBus");
const KEYRING: &str = "org.freedesktop.secrets";

/// Another program on the bus, with no rights but a connection.
#[derive(Clone)]
pub(crate) struct Stranger(Connection);

impl Stranger {
    pub(crate) async fn on(bed: &Testbed) -> Self {
        Self(bed.connect().await)
    }

    /// Broadcasts this signal, and sends it to each connection.
    pub(crate) async fn send<B>(&self, path: &str, interface: &str, member: &str, body: &B)
    where
        B: serde::Serialize + zbus::Type,
    {
        self.0.emit_signal(None::<&str>, path, interface, member, body).await.unwrap();
        let bus = DBusProxy::new(&self.0).await.unwrap();
        for name in bus.list_names().await.unwrap().iter().filter(|name| name.starts_with(':')) {
            let sent = self.0.emit_signal(Some(name.as_str()), path, interface, member, body).await;
            sent.unwrap();
        }
    }

    /// Returns when the daemon has handled the signals sent before: it answers calls that this program made after
    /// them. The calls are about no account.
    pub(crate) async fn is_heard(&self) {
        let daemon = KeeperProxy::new(&self.0).await.unwrap();
        for _ in 0..5 {
            let _ = daemon.list_permits().await;
        }
    }

    /// Announces that the owner of `name` has left, and that this program owns it now.
    async fn replace(&self, name: &str) {
        let bus = DBusProxy::new(&self.0).await.unwrap();
        let owner = bus.get_name_owner(name.try_into().unwrap()).await.unwrap();
        let own = self.0.unique_name().unwrap();
        for (name, before, after) in [
            (owner.as_str(), owner.as_str(), ""),
            (name, owner.as_str(), ""),
            (name, "", own.as_str()),
            (name, owner.as_str(), own.as_str()),
        ] {
            self.send(BUS.0, BUS.1, "NameOwnerChanged", &(name, before, after)).await;
        }
    }
}

#[test]
fn a_forged_answer_of_the_portal_changes_nothing() {
    let (scene, _bus) = notify::scene();
    in_time(async {
        let stranger = Stranger::on(&scene.bed).await;
        let (_portal, mut uris) = browser_launch::portal_after(&scene, 0, Some(stranger)).await;
        let mut server = sign_in_clicked(&scene).await;
        browser::allow(&soon(&mut uris).await, "alice");
        // If imgurd believed that the user chose no browser, it would show the page first.
        assert_eq!(server.notified().await.summary, "imgurd: signed in to 127.0.0.1");
    });
}

#[test]
fn a_forged_failure_of_the_browsers_unit_changes_nothing() {
    let (scene, _bus) = notify::scene();
    in_time(async {
        let stranger = Stranger::on(&scene.bed).await;
        let (_systemd, mut units) =
            browser_launch::service_manager_after(&scene, "done", Some(stranger)).await;
        let mut server = sign_in_clicked(&scene).await;
        let (_, _, properties) = soon(&mut units).await;
        browser::allow(&browser_launch::page_of(&properties), "alice");
        assert_eq!(server.notified().await.summary, "imgurd: signed in to 127.0.0.1");
    });
}

#[test]
fn a_forged_exit_of_the_notification_server_ends_no_question() {
    let bed = Testbed::memory();
    bed.configure("store = \"memory\"\n[access]\nunsandboxed = \"ask\"\n");
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let stranger = Stranger::on(&scene.bed).await;
        let mut caller = scene.bed.wire();
        caller.ask("GetToken", &json!({ "wait_ms": 20_000 }));
        let question = server.notified().await;
        stranger.replace("org.freedesktop.Notifications").await;
        stranger.is_heard().await;
        server.press(question.id, "allow-once").await;
        let reply = tokio::task::spawn_blocking(move || caller.answer()).await.unwrap();
        assert!(reply["error"].is_null(), "{}", reply["error"]);
    });
}

#[test]
fn a_forged_sleep_signal_does_not_stop_refreshes() {
    const LOGIND: &str = "org.freedesktop.login1";
    in_time(async {
        let bed = Testbed::memory();
        let logind = bed.logind().await;
        let scene = Scene::new(bed, Behaviour::default()).signed_in();
        logind.wait_for_inhibitors(1).await;
        let stranger = Stranger(logind.stranger().await);
        let manager = "org.freedesktop.login1.Manager";
        stranger.send("/org/freedesktop/login1", manager, "PrepareForSleep", &true).await;
        stranger.replace(LOGIND).await;
        // Callers still get tokens, and imgurd keeps its inhibitor lock: the machine does not suspend.
        scene.refresh();
        assert_eq!(logind.inhibitors().await.len(), 1);
        logind.announce(true).await;
        logind.wait_for_inhibitors(0).await;
    });
}

/// A daemon whose keyring was locked before it started.
fn locked() -> (Scene, Keyring, Bus) {
    let bed = Testbed::new();
    let bus = bed.bus();
    let mut keyring = bed.keyring();
    keyring.start(&bed);
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    scene.wait_until(|account| account.state == State::Fresh && !account.unsaved);
    assert!(scene.stop().success());
    keyring.lock();
    scene.start();
    scene.wait_until(is_locked);
    (scene, keyring, bus)
}

fn is_locked(account: &Account) -> bool {
    account.reason.as_deref().is_some_and(|reason| reason.contains("locked"))
}

#[test]
fn a_forged_answer_to_the_keyrings_prompt_closes_no_dialog() {
    let (scene, mut keyring, _bus) = locked();
    keyring.answer(Answer::Nothing);
    let unlocking = scene.bed.ctl_spawn(&["unlock"]);
    keyring.wait_for_dialogs(1);
    in_time(async {
        let stranger = Stranger::on(&scene.bed).await;
        for number in 0..20 {
            let path = format!("/org/freedesktop/secrets/prompt/p{number}");
            let body = (true, Variant::from(""));
            stranger.send(&path, "org.freedesktop.Secret.Prompt", "Completed", &body).await;
        }
        stranger.replace(KEYRING).await;
        stranger.is_heard().await;
    });
    keyring.answer(Answer::Password);
    unlocking.finish().success();
    scene.wait_until(|account| account.state == State::Fresh);
}

#[test]
fn forged_keyring_signals_cause_no_calls_to_the_keyring() {
    let (scene, keyring, _bus) = locked();
    in_time(async {
        let stranger = Stranger::on(&scene.bed).await;
        let mut calls = calls_to(&scene, KEYRING).await;
        // Wait until the daemon has made its calls at start.
        while asks(&stranger, &mut calls).await {}
        let mut rounds = 0;
        // imgurd also checks the keyring now and then by itself, but not after each signal.
        while {
            forge_news(&stranger).await;
            asks(&stranger, &mut calls).await
        } {
            rounds += 1;
            assert!(rounds < 3, "forged signals make imgurd call the keyring");
        }
    });
    // imgurd listens to the keyring's own signals.
    keyring.unlock();
    scene.wait_until(|account| account.state == State::Fresh);
}

/// Sends signals that the keyring was unlocked, has changed and has a new owner.
async fn forge_news(stranger: &Stranger) {
    let (service, login) = ("/org/freedesktop/secrets", "/org/freedesktop/secrets/collection/login");
    let locked = HashMap::from([("Locked", Variant::from(false))]);
    let changed = ("org.freedesktop.Secret.Collection", locked, Vec::<&str>::new());
    stranger.send(login, "org.freedesktop.DBus.Properties", "PropertiesChanged", &changed).await;
    let login = ObjectPath::try_from(login).unwrap();
    stranger.send(service, "org.freedesktop.Secret.Service", "CollectionChanged", &login).await;
    stranger.replace(KEYRING).await;
}

/// Whether a program other than this test has called the keyring since the last check.
async fn asks(stranger: &Stranger, calls: &mut (impl Stream<Item = String> + Unpin)) -> bool {
    stranger.is_heard().await;
    let peer = Some("org.freedesktop.DBus.Peer");
    let _ = stranger.0.call_method(Some(KEYRING), "/", peer, "Ping", &()).await;
    let own = stranger.0.unique_name().unwrap().to_string();
    let mut others = 0;
    while next(calls).await != own {
        others += 1;
    }
    others > 0
}

/// The senders of all calls to the owner of `name` from now on (`BecomeMonitor`).
async fn calls_to(scene: &Scene, name: &str) -> impl Stream<Item = String> + Unpin + use<> {
    let connection = scene.bed.connect().await;
    let bus = DBusProxy::new(&connection).await.unwrap();
    let owner = bus.get_name_owner(name.try_into().unwrap()).await.unwrap().to_string();
    let name = name.to_owned();
    let messages = MessageStream::from(&connection);
    MonitoringProxy::new(&connection).await.unwrap().become_monitor(&[], 0).await.unwrap();
    Box::pin(messages.filter_map(move |message| {
        let message = message.unwrap();
        let header = message.header();
        let to = header.destination().map(ToString::to_string);
        let is_it =
            header.message_type() == Type::MethodCall && to.is_some_and(|to| to == name || to == owner);
        std::future::ready(is_it.then(|| header.sender().unwrap().to_string()))
    }))
}
