//! Questions to the user: imgurd asks once, and the caller gets the answer within its wait time.

use futures_util::future::join_all;
use imgurd_proto::dbus::KeeperProxy;
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{
    ACCOUNT, APPLICATION, Bus, Output, Program, Sandbox, Scene, Testbed, binary, in_time,
};
use imgurd_tests::wire::Wire;
use serde_json::json;

use super::reason;
use crate::dbus::{arrived, keeper};
use crate::notify::Server;

const WHOLE: &[&str] = &["actions", "body", "body-markup"];
const NO_BUTTONS: &[&str] = &["body"];

/// A daemon that asks about every program.
fn asking() -> (Scene, Bus) {
    let bed = Testbed::memory();
    bed.configure("store = \"memory\"\n[access]\nunsandboxed = \"ask\"\n");
    let bus = bed.bus();
    (Scene::new(bed, Behaviour::default()).signed_in(), bus)
}

/// A call of an unsandboxed program with this `wait_ms`.
fn call(scene: &Scene, wait_ms: i64) -> Wire {
    let mut caller = scene.bed.wire();
    caller.ask("GetToken", &json!({ "wait_ms": wait_ms }));
    caller
}

#[test]
fn allow_once_answers_all_waiting_calls_with_one_question() {
    let (scene, _bus) = asking();
    in_time(async {
        let mut server = Server::start(&scene.bed, WHOLE).await;
        let keeper = keeper(&scene.bed).await;
        // imgurd has examined this connection now, so each call on it joins the one question as soon as it arrives.
        keeper.list_accounts("").await.unwrap();
        let ask = |keeper: KeeperProxy<'static>| async move { keeper.get_token("", -1, -1).await };
        let calls: Vec<_> = (0..20).map(|_| tokio::spawn(ask(keeper.clone()))).collect();
        let question = server.notified().await;
        arrived(&keeper).await;
        let whole = format!("asks for the access token of the 127.0.0.1 account {ACCOUNT}");
        assert!(question.body.contains(&whole), "{}", question.body);
        server.press(question.id, "allow-once").await;
        for answer in join_all(calls).await {
            answer.unwrap().unwrap();
        }
        // imgurd did not remember "allow once", so it asks again. No answer means deny.
        let mut late = call(&scene, 1500);
        let question = server.notified().await;
        assert_eq!(server.closed().await, question.id, "the question is withdrawn when the call's wait ends");
        let late = tokio::task::spawn_blocking(move || late.answer()).await.unwrap();
        assert!(reason(&late).contains("you did not answer"), "{late}");
        // imgurd does not repeat an unanswered question at once.
        let mut early = call(&scene, 20_000);
        let early = tokio::task::spawn_blocking(move || early.answer()).await.unwrap();
        let why = reason(&early);
        assert!(why.contains("imgurd pauses") && why.contains("imgurctl permit allow"), "{why}");
        let permits = scene.ctl(&["permit", "list", "--json"]).success().json();
        assert_eq!(permits["permits"], json!([]));
    });
}

#[test]
fn a_question_is_withdrawn_when_its_caller_disconnects() {
    let (scene, _bus) = asking();
    in_time(async {
        let mut server = Server::start(&scene.bed, WHOLE).await;
        let gone = call(&scene, 20_000);
        let question = server.notified().await;
        drop(gone);
        assert_eq!(server.closed().await, question.id);
    });
}

#[test]
fn denies_and_explains_permits_if_no_question_can_be_shown() {
    let (mut scene, _bus) = asking();
    let refused = |scene: &Scene, wait_ms: i64, why: &str| {
        let answer = call(scene, wait_ms).answer();
        let reason = reason(&answer);
        assert!(reason.contains(why) && reason.contains("`imgurctl permit allow "), "{reason}");
    };
    refused(&scene, 20_000, "there is no notification server");
    refused(&scene, 0, "does not wait");
    let before = std::fs::read_to_string(scene.bed.config_file()).unwrap();
    scene.bed.configure(&format!("{before}\n[notifications]\nenabled = false\n"));
    scene.daemon().reload();
    refused(&scene, 20_000, "notifications off");
    scene.bed.configure(&before);
    scene.daemon().reload();
    in_time(async {
        let mut server = Server::start(&scene.bed, NO_BUTTONS).await;
        for why in ["no buttons", "imgurd pauses"] {
            let mut caller = call(&scene, 20_000);
            let answer = tokio::task::spawn_blocking(move || caller.answer()).await.unwrap();
            assert!(reason(&answer).contains(why), "{answer}");
        }
        let told = server.notified().await.body;
        assert!(told.starts_with("Allow it with `imgurctl permit allow unknown`."), "{told}");
        assert!(server.is_idle(), "the notification is shown once");
    });
    let _ = scene.take_daemon().terminate();
    let _daemon = scene.bed.daemon_with(&["--no-dbus"]);
    refused(&scene, 20_000, "without D-Bus");
}

#[test]
fn allow_always_and_deny_are_remembered_for_a_sandboxed_app() {
    let Some(sandbox) = Sandbox::new() else { return };
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let token = || {
        let mut command = sandbox.command(&scene.bed, binary("imgurctl").to_str().unwrap());
        command.arg("token");
        scene.bed.start(command)
    };
    in_time(async {
        let mut server = Server::start(&scene.bed, WHOLE).await;
        for (button, code) in [("allow-always", 0), ("deny", 5)] {
            let waiting = token();
            let question = server.notified().await;
            assert_eq!(question.summary, "imgurd: allow 127.0.0.1 access?");
            let who = format!("{APPLICATION} asks for the access token of the 127.0.0.1 account {ACCOUNT}");
            assert!(question.body.contains(&who), "{}", question.body);
            assert_eq!(question.actions.len(), 6);
            server.press(question.id, button).await;
            assert_eq!(finished(waiting).await.code, Some(code));
            // This call needs no question; otherwise it would wait for an answer that never comes.
            assert_eq!(finished(token()).await.code, Some(code));
            scene.ctl(&["permit", "revoke", APPLICATION]).success();
        }
    });
}

async fn finished(program: Program) -> Output {
    tokio::task::spawn_blocking(move || program.finish()).await.unwrap()
}
