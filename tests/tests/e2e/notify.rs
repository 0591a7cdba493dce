//! Notifications tell the user what needs attention, now or once a notification server is available.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::chromium::Chromium;
use imgurd_tests::fake::{Behaviour, PATIENCE};
use imgurd_tests::testbed::{Answer, Bus, Display, Running, Scene, Testbed, in_time, next};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::fdo::DBusProxy;
use zbus::{Connection, OwnedVariant, interface, object_server::SignalEmitter};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// A call to the notification server.
#[derive(Debug)]
enum Asked {
    Notify(Notified),
    Close(u32),
}

#[derive(Debug)]
pub(crate) struct Notified {
    pub(crate) id: u32,
    pub(crate) replaces: u32,
    pub(crate) summary: String,
    pub(crate) body: String,
    pub(crate) actions: Vec<String>,
    hints: HashMap<String, OwnedVariant>,
}

/// A notification server that shows nothing and records its calls.
struct Recorder {
    asked: mpsc::UnboundedSender<Asked>,
    capabilities: &'static [&'static str],
    last: u32,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Recorder {
    fn get_capabilities(&self) -> Vec<String> {
        self.capabilities.iter().map(|name| (*name).to_owned()).collect()
    }

    #[allow(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &mut self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedVariant>,
        expire_timeout: i32,
    ) -> u32 {
        assert_eq!(app_name, "imgurd");
        let is_lasting = expire_timeout == 0;
        assert!(!is_lasting || app_icon == "dialog-password", "{app_icon}");
        if replaces_id == 0 {
            self.last += 1;
        }
        let id = if replaces_id == 0 { self.last } else { replaces_id };
        let notified = Notified { id, replaces: replaces_id, summary, body, actions, hints };
        self.asked.send(Asked::Notify(notified)).unwrap();
        id
    }

    fn close_notification(&self, id: u32) {
        self.asked.send(Asked::Close(id)).unwrap();
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action_key: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(emitter: &SignalEmitter<'_>, id: u32, reason: u32) -> zbus::Result<()>;
}

/// A running [`Recorder`]. Dropping it is a crash of the server.
pub(crate) struct Server {
    connection: Connection,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl Server {
    pub(crate) async fn start(bed: &Testbed, capabilities: &'static [&'static str]) -> Self {
        Self::start_on(bed.connect().await, capabilities).await
    }

    /// Starts a server on the bus of this connection.
    pub(crate) async fn start_on(connection: Connection, capabilities: &'static [&'static str]) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let recorder = Recorder { asked: sender, capabilities, last: 0 };
        connection.object_server().at(PATH, recorder).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self { connection, asked }
    }

    pub(crate) async fn notified(&mut self) -> Notified {
        match timeout(PATIENCE, self.asked.recv()).await.expect("a notification is shown in time") {
            Some(Asked::Notify(notified)) => notified,
            other => panic!("expected a notification, got {other:?}"),
        }
    }

    pub(crate) async fn closed(&mut self) -> u32 {
        match timeout(PATIENCE, self.asked.recv()).await.expect("a notification is closed in time") {
            Some(Asked::Close(id)) => id,
            other => panic!("expected that a notification is closed, got {other:?}"),
        }
    }

    /// Presses a button, and returns when the daemon has closed the notification.
    pub(crate) async fn press(&mut self, id: u32, key: &str) {
        self.answer(id, key).await;
        assert_eq!(self.closed().await, id, "an answered notification is closed");
    }

    /// The server's connection to the bus.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether there was no further call.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }

    pub(crate) async fn answer(&self, id: u32, key: &str) {
        let emitter = SignalEmitter::new(&self.connection, PATH).unwrap();
        Recorder::action_invoked(&emitter, id, key).await.unwrap();
    }

    /// Closes the notification, as the user does.
    pub(crate) async fn dismiss(&self, id: u32) {
        let emitter = SignalEmitter::new(&self.connection, PATH).unwrap();
        Recorder::notification_closed(&emitter, id, 2).await.unwrap();
    }
}

pub(crate) const BUTTONS: &[&str] = &["actions", "body", "body-markup"];

/// A daemon on a bus, with an account that has no grant.
pub(crate) fn scene() -> (Scene, Bus) {
    let bed = Testbed::memory();
    let bus = bed.bus();
    let opener = bed.root().join("browser");
    let mark = bed.root().join("opened");
    fs::write(&opener, format!("#!/bin/sh\nprintf '%s' \"$1\" >{0}.new && mv {0}.new {0}\n", mark.display()))
        .unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    bed.set_env("BROWSER", opener);
    (Scene::new(bed, Behaviour::default()), bus)
}

#[test]
fn a_call_without_a_grant_shows_a_notification_that_signs_in() {
    let (scene, _bus) = scene();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        scene.ctl(&["token"]).exits(4);
        let notified = server.notified().await;
        assert_eq!((notified.summary.as_str(), notified.replaces), ("imgurd: sign in to 127.0.0.1", 0));
        assert_eq!(notified.actions, ["default", "Sign in", "sign-in", "Sign in", "later", "Later"]);
        assert_eq!(notified.hints["desktop-entry"], OwnedVariant::from(zbus::Str::from("imgurd")));
        assert_eq!(notified.hints["category"], OwnedVariant::from(zbus::Str::from("network")));
        assert_eq!(notified.hints["urgency"], OwnedVariant::from(1_u8));

        server.press(notified.id, "sign-in").await;
        let url = opened(&scene).await;
        browser::allow(&url, "alice");
        let done = server.notified().await;
        assert_eq!(done.summary, "imgurd: signed in to 127.0.0.1");
        assert_eq!(done.hints["transient"], OwnedVariant::from(true));
    });
    assert!(scene.fake.is_live(&scene.token()));
}

/// The URL that the browser was started with.
async fn opened(scene: &Scene) -> String {
    let mark = scene.bed.root().join("opened");
    scene.wait_until(|account| account.login_pending);
    timeout(PATIENCE, async {
        loop {
            match fs::read_to_string(&mark) {
                Ok(url) => return url,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await
    .expect("the browser is started")
}

#[test]
fn a_sign_in_closes_the_notification_that_asked_for_it() {
    let (scene, _bus) = scene();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        scene.ctl(&["status"]).success();
        scene.ctl(&["token"]).exits(4);
        let first = server.notified().await;
        assert_eq!(first.summary, "imgurd: sign in to 127.0.0.1", "no other notification comes first");
        scene.bed.sign_in(&scene.fake, "mytoken");
        let done = server.notified().await;
        assert_eq!((done.summary.as_str(), done.replaces), ("imgurd: signed in to 127.0.0.1", first.id));
        assert_eq!(server.closed().await, first.id, "the notification closes without a click");
    });
}

#[test]
fn a_notification_without_buttons_names_the_command() {
    let (scene, _bus) = scene();
    in_time(async {
        let mut server = Server::start(&scene.bed, &["body"]).await;
        scene.ctl(&["token"]).exits(4);
        let notified = server.notified().await;
        assert_eq!(notified.actions, [""; 0]);
        assert!(notified.body.starts_with("Run `imgurctl login mytoken`."), "{}", notified.body);
    });
}

#[test]
fn a_notification_is_shown_once_a_server_is_available() {
    let (mut scene, _bus) = scene();
    in_time(async {
        scene.ctl(&["token"]).exits(4);
        assert_eq!(scene.account().state, State::Empty);
        for _ in 0..2 {
            let mut server = Server::start(&scene.bed, BUTTONS).await;
            assert_eq!(server.notified().await.summary, "imgurd: sign in to 127.0.0.1");
            let unique = server.connection.unique_name().unwrap().to_string();
            drop(server);
            let bus = scene.bed.connect().await;
            let names = DBusProxy::new(&bus).await.unwrap();
            let mut owners = names.receive_name_owner_changed().await.unwrap();
            while names.name_has_owner(unique.as_str().try_into().unwrap()).await.unwrap() {
                next(&mut owners).await;
            }
        }
    });
    scene.login_as("alice", &[]).success();
    let tries = scene.daemon().log().matches("cannot show notifications").count();
    assert!(tries < 4, "imgurd tried {tries} times while no server could show the notification");
}

#[test]
fn notifications_close_when_the_daemon_stops_or_they_are_disabled() {
    let (mut scene, _bus) = scene();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        scene.ctl(&["token"]).exits(4);
        let shown = server.notified().await;
        let config = fs::read_to_string(scene.bed.config_file()).unwrap();
        scene.bed.configure(&format!("{config}\n[notifications]\nenabled = false\n"));
        scene.daemon().reload();
        assert_eq!(server.closed().await, shown.id);
        scene.bed.configure(&config);
        scene.daemon().reload();
        scene.ctl(&["token"]).exits(4);
        let shown = server.notified().await;
        assert!(scene.stop().success());
        assert_eq!(server.closed().await, shown.id);
    });
}

#[test]
fn a_click_starts_the_device_flow_and_shows_its_code() {
    let (scene, _bus) = scene();
    let page = format!("{}/device", scene.fake.origin());
    let endpoint = format!("{}/oauth2/device", scene.fake.origin());
    scene.ctl(&["account", "set", "--device-auth-url", &endpoint, "--flow", "device"]).success();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        scene.ctl(&["token"]).exits(4);
        let asked = server.notified().await;
        server.press(asked.id, "sign-in").await;
        let body = server.notified().await.body;
        assert!(body.ends_with(&format!(" on this page, on any device:\n{page}")), "{body}");
        let code = body.strip_prefix("Enter the code ").unwrap().split(' ').next().unwrap();
        assert_eq!(opened(&scene).await, format!("{page}?user_code={code}"));
        scene.fake.decide_device(code, Some("alice"));
        let done = server.notified().await;
        assert!(done.body.contains("signed in as alice"), "{}", done.body);
    });
    assert!(scene.fake.is_live(&scene.token()));
}

#[test]
fn a_postponed_notification_does_not_return_with_the_next_call() {
    let (mut scene, _bus) = scene();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        scene.ctl(&["token"]).exits(4);
        let notified = server.notified().await;
        server.press(notified.id, "later").await;
        scene.ctl(&["token"]).exits(4);
        assert!(!scene.account().login_pending);
        assert!(scene.stop().success());
        // The bus keeps the order, so all calls that the daemon made before it left have arrived.
        let bus = DBusProxy::new(&server.connection).await.unwrap();
        bus.get_id().await.unwrap();
        assert!(server.asked.try_recv().is_err(), "no further notification was shown");
    });
}

#[test]
fn a_notification_reports_a_locked_keyring_and_offers_to_unlock_it() {
    let bed = Testbed::new();
    let _bus = bed.bus();
    let mut keyring = bed.keyring();
    keyring.start(&bed);
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    assert!(scene.stop().success());
    keyring.lock();
    scene.start();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        scene.ctl(&["token", "--wait", "100ms"]).exits(7);
        let notified = server.notified().await;
        assert_eq!(notified.summary, "imgurd: keyring locked");
        assert_eq!(notified.actions[2..4], ["unlock", "Unlock"]);
        assert_eq!(keyring.dialogs(), 0, "no dialog is shown before the click");
        keyring.answer(Answer::Password);
        server.press(notified.id, "unlock").await;
    });
    scene.wait_until(|account| account.state == State::Fresh);
    assert_eq!(keyring.dialogs(), 1);
}

/// dunst on a virtual display.
fn dunst(bed: &Testbed) -> (Running, Display) {
    let display = bed.display();
    (Running::start(dunst_command(bed)), display)
}

fn dunst_command(bed: &Testbed) -> Command {
    let mut command = bed.command("dunst");
    command.args(["-conf", "/dev/null"]);
    command
}

/// Waits until dunst shows a notification, and clicks on it.
fn click_on_dunst(bed: &Testbed) {
    let end = std::time::Instant::now() + PATIENCE;
    let dunstctl = |argument: &[&str]| bed.command("dunstctl").args(argument).output().unwrap().stdout;
    while !dunstctl(&["count", "displayed"]).starts_with(b"1") {
        assert!(std::time::Instant::now() < end, "dunst shows no notification");
    }
    dunstctl(&["action", "0"]);
}

#[test]
fn a_click_in_dunst_signs_in_even_after_dunst_crashed() {
    let (scene, _bus) = scene();
    let (server, _display) = dunst(&scene.bed);
    scene.ctl(&["token"]).exits(4);
    drop(server);
    let _server = Running::start(dunst_command(&scene.bed));
    click_on_dunst(&scene.bed);
    let url = in_time(opened(&scene));
    let browser = Chromium::start(&scene.bed);
    browser.open(&url);
    browser.press("allow");
    browser.wait_for_heading("Signed in as alice");
    scene.wait_until(|account| account.state == State::Fresh);
    assert!(scene.fake.is_live(&scene.token()));
}
