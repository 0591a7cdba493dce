//! Forged clicks: another program on the bus sends signals that look like the user's answer.

use std::fs;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{APPLICATION, Bus, Flatpak, Scene, Testbed, in_time, next};
use imgurd_tests::wire::Wire;
use serde_json::{Value, json};
use zbus::{MatchRule, MessageStream};

use super::signals::Stranger;
use crate::notify::{self, BUTTONS, Server};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Calls `GetToken` over the shared socket and meanwhile sends the click "Always" for many notification IDs. Prints
/// the answer.
const FORGER: &str = r#"
import json, os, select, socket, dbus
from dbus.lowlevel import SignalMessage

bus = dbus.SessionBus()
keeper = socket.socket(socket.AF_UNIX)
keeper.connect(os.environ["XDG_RUNTIME_DIR"] + "/imgurd/socket")
call = {"method": "org.imgurd.Keeper1.GetToken", "parameters": {"wait_ms": 20000}}
keeper.sendall(json.dumps(call).encode() + b"\0")
while not select.select([keeper], [], [], 0.05)[0]:
    for id in range(1, 50):
        click = SignalMessage("/org/freedesktop/Notifications", "org.freedesktop.Notifications", "ActionInvoked")
        click.append(id, "allow-always", signature="us")
        bus.send_message(click)
    bus.flush()
print(keeper.recv(65536).decode().rstrip("\0"))
"#;

/// Signals that a connection on the session bus receives.
async fn signals(bed: &Testbed, member: &'static str) -> MessageStream {
    let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).member(member).build().unwrap();
    MessageStream::for_match_rule(rule, &bed.connect().await, None).await.unwrap()
}

/// The remembered permits.
fn permits(scene: &Scene) -> Value {
    scene.ctl(&["permit", "list", "--json"]).success().json()["permits"].clone()
}

#[test]
fn a_flatpak_app_cannot_answer_its_own_question() {
    let Some(flatpak) = Flatpak::new(&["--filesystem=xdg-run/imgurd"]) else { return };
    let flatpak = flatpak.in_scope();
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let answer = in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let mut clicks = signals(&scene.bed, "ActionInvoked").await;
        let forger = scene.bed.start(flatpak.command(&scene.bed, "python3", &["-c", FORGER]));
        let question = server.notified().await;
        assert!(question.body.contains(APPLICATION), "{}", question.body);
        // The bus delivers in order. So imgurd has received each signal that this connection has received, before the
        // real click.
        let mut forger = tokio::task::spawn_blocking(move || forger.finish());
        let mut rounds = 0;
        while rounds < 2 {
            let click = tokio::select! {
                click = next(&mut clicks) => click.unwrap(),
                answer = &mut forger => panic!("answered before the user clicks: {}", answer.unwrap().stdout),
            };
            let (id, key): (u32, String) = click.body().deserialize().unwrap();
            assert_eq!(key, "allow-always");
            rounds += u32::from(id == 49);
        }
        server.press(question.id, "deny").await;
        forger.await.unwrap()
    });
    assert!(answer.clone().success().stdout.contains("AccessDenied"), "{}", answer.stdout);
    let remembered = permits(&scene);
    assert_eq!(remembered.as_array().unwrap().len(), 1, "{remembered}");
    assert_eq!(remembered[0]["allow"], false, "{remembered}");
}

impl Stranger {
    /// Sends copies of the user's answer to the notification `id`.
    async fn forge(&self, id: u32, key: &str) {
        // The first copies may come before imgurd listens, which it does after it has shown the notification.
        for _ in 0..5 {
            self.send(PATH, NAME, "ActionInvoked", &(id, key)).await;
        }
        self.send(PATH, NAME, "NotificationClosed", &(id, 2_u32)).await;
        self.is_heard().await;
    }
}

/// The real server sends answers with a wrong path, interface or ID.
async fn send_from_wrong_places(server: &Server, id: u32, key: &str) {
    let connection = server.connection();
    for (path, interface) in [("/", NAME), (PATH, "org.example.Notifications"), ("/org/freedesktop", NAME)] {
        connection.emit_signal(None::<&str>, path, interface, "ActionInvoked", &(id, key)).await.unwrap();
        connection
            .emit_signal(None::<&str>, path, interface, "NotificationClosed", &(id, 2_u32))
            .await
            .unwrap();
    }
    connection.emit_signal(None::<&str>, PATH, NAME, "ActionInvoked", &(id + 1, key)).await.unwrap();
}

/// A daemon that asks about every program.
fn asking() -> (Scene, Bus) {
    let bed = Testbed::memory();
    bed.configure("store = \"memory\"\n[access]\nunsandboxed = \"ask\"\n");
    let bus = bed.bus();
    (Scene::new(bed, Behaviour::default()).signed_in(), bus)
}

fn call(scene: &Scene) -> Wire {
    let mut caller = scene.bed.wire();
    caller.ask("GetToken", &json!({ "wait_ms": 20_000 }));
    caller
}

async fn answer(mut caller: Wire) -> Value {
    tokio::task::spawn_blocking(move || caller.answer()).await.unwrap()
}

#[test]
fn a_question_ignores_allows_from_other_senders_paths_and_interfaces() {
    let (scene, _bus) = asking();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let stranger = Stranger::on(&scene.bed).await;
        let caller = call(&scene);
        let question = server.notified().await;
        stranger.forge(question.id, "allow-always").await;
        send_from_wrong_places(&server, question.id, "allow-always").await;
        server.press(question.id, "deny").await;
        let denied = answer(caller).await;
        assert!(denied.to_string().contains("AccessDenied"), "{denied}");
    });
}

#[test]
fn a_forged_deny_does_not_answer_a_question() {
    let (scene, _bus) = asking();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let stranger = Stranger::on(&scene.bed).await;
        let caller = call(&scene);
        let question = server.notified().await;
        stranger.forge(question.id, "deny").await;
        send_from_wrong_places(&server, question.id, "deny").await;
        server.press(question.id, "allow-once").await;
        let reply = answer(caller).await;
        assert!(reply["error"].is_null(), "{}", reply["error"]);
    });
}

#[test]
fn a_new_notification_server_cannot_answer_an_old_question() {
    let (scene, _bus) = asking();
    in_time(async {
        let mut first = Server::start(&scene.bed, BUTTONS).await;
        let caller = call(&scene);
        let question = first.notified().await;
        drop(first);
        let second = Server::start(&scene.bed, BUTTONS).await;
        second.answer(question.id, "allow-once").await;
        let denied = answer(caller).await;
        assert!(denied.to_string().contains("has ended"), "{denied}");
    });
}

#[test]
fn a_forged_sign_in_opens_no_browser() {
    let (scene, _bus) = notify::scene();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let stranger = Stranger::on(&scene.bed).await;
        scene.ctl(&["token"]).exits(4);
        let notified = server.notified().await;
        for key in ["sign-in", "default"] {
            stranger.forge(notified.id, key).await;
            send_from_wrong_places(&server, notified.id, key).await;
        }
        server.press(notified.id, "later").await;
        assert!(!scene.account().login_pending);
        assert!(fs::metadata(scene.bed.root().join("opened")).is_err());
    });
}

#[test]
fn a_forged_later_or_close_does_not_disable_the_sign_in_button() {
    let (scene, _bus) = notify::scene();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let stranger = Stranger::on(&scene.bed).await;
        scene.ctl(&["token"]).exits(4);
        let notified = server.notified().await;
        stranger.forge(notified.id, "later").await;
        send_from_wrong_places(&server, notified.id, "later").await;
        server.press(notified.id, "sign-in").await;
    });
    scene.wait_until(|account| account.login_pending);
}

#[test]
fn a_program_cannot_ask_again_right_after_a_dismissed_question() {
    let (scene, _bus) = asking();
    in_time(async {
        let mut server = Server::start(&scene.bed, BUTTONS).await;
        let caller = call(&scene);
        let question = server.notified().await;
        server.dismiss(question.id).await;
        assert!(answer(caller).await.to_string().contains("you did not answer"));
        assert_eq!(server.closed().await, question.id);
        for _ in 0..100 {
            let refused = answer(call(&scene)).await.to_string();
            assert!(refused.contains("AccessDenied"), "{refused}");
            assert!(refused.contains("imgurctl permit allow"), "{refused}");
        }
        assert!(server.is_idle(), "no second question is shown");
    });
}
