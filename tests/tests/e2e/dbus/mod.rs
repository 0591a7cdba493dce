//! The interface on D-Bus, with the same promises as the socket.

mod callers;
mod objects;
mod presence;

pub(crate) use callers::arrived;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Output};

use imgurd_proto::Secret;
use imgurd_proto::dbus::{AccountProxy, BUS_NAME, Error, KeeperProxy, PATH, SIGNED_IN, account_path};
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{ACCOUNT, Bus, Scene, Testbed, in_time, next};
use zbus::proxy::CacheProperties;
use zbus::{Connection, Variant};

/// A daemon on a bus, with an account that is signed in.
fn scene(behaviour: Behaviour) -> (Scene, Bus) {
    let bed = Testbed::memory();
    let bus = bed.bus();
    (Scene::new(bed, behaviour).signed_in(), bus)
}

pub(crate) async fn keeper(bed: &Testbed) -> KeeperProxy<'static> {
    KeeperProxy::new(&bed.connect().await).await.unwrap()
}

async fn account(connection: &Connection, name: &str) -> AccountProxy<'static> {
    AccountProxy::builder(connection)
        .path(account_path(name))
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .unwrap()
}

/// Runs a tool in the testbed's environment.
fn run(bed: &Testbed, program: &str, arguments: &[&str]) -> Output {
    let mut command: Command = bed.command(program);
    command.args(arguments).output().unwrap_or_else(|error| panic!("{program} is installed: {error}"))
}

fn text(output: &[u8]) -> &str {
    std::str::from_utf8(output).unwrap().trim_end()
}

/// Calls one of the keeper's methods with `busctl --user … call`.
pub(crate) fn busctl(bed: &Testbed, method: &str, arguments: &[&str]) -> Output {
    let call = ["--user", "--", "call", BUS_NAME, PATH, "org.imgurd.Keeper1", method];
    run(bed, "busctl", &[&call, arguments].concat())
}

#[test]
fn busctl_gdbus_and_dbus_send_get_a_token() {
    let (scene, _bus) = scene(Behaviour::default());
    let token = scene.token();
    let expires_at = scene.account().expires_at.unwrap();

    let answer = busctl(&scene.bed, "GetToken", &["sii", "", "-1", "-1"]);
    assert_eq!(text(&answer.stdout), format!("ssx \"{token}\" \"Bearer\" {expires_at}"));

    let gdbus = ["call", "--session", "-d", BUS_NAME, "-o", PATH, "-m", "org.imgurd.Keeper1.GetToken"];
    let answer = run(&scene.bed, "gdbus", &[&gdbus[..], &["--", ACCOUNT, "-1", "-1"]].concat());
    assert_eq!(text(&answer.stdout), format!("('{token}', 'Bearer', int64 {expires_at})"));

    let destination = format!("--dest={BUS_NAME}");
    let send = ["--session", "--print-reply=literal", &destination, PATH, "org.imgurd.Keeper1.GetToken"];
    let answer = run(&scene.bed, "dbus-send", &[&send[..], &["string:", "int32:-1", "int32:-1"]].concat());
    assert!(text(&answer.stdout).contains(&token), "{answer:?}");
}

#[test]
fn each_error_has_its_name_and_advice() {
    let (scene, _bus) = scene(Behaviour::default());
    in_time(async {
        let keeper = keeper(&scene.bed).await;
        let error = keeper.get_token("nobody", -1, -1).await.unwrap_err();
        assert!(
            matches!(&error, Error::NoSuchAccount(text) if text.contains("imgurctl account add")),
            "{error}"
        );
        let error = keeper.get_token("", -2, -1).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("min_valid_s")), "{error}");
        let error = keeper.cancel_login("nonsense").await.unwrap_err();
        assert!(matches!(&error, Error::LoginFailed(_) | Error::InvalidArgument(_)), "{error}");

        scene.fake.fail_always(Endpoint::Token, Fault::json(503, "{}"));
        let error = keeper.refresh("", 0).await.unwrap_err();
        assert!(matches!(&error, Error::TemporarilyUnavailable(text) if !text.is_empty()), "{error}");
        scene.fake.clear(Endpoint::Token);
        scene.fake.configure(|behaviour| behaviour.client_secret = "another-fake-secret".into());
        let error = keeper.refresh("", -1).await.unwrap_err();
        assert!(
            matches!(&error, Error::Misconfigured(text) if text.contains("imgurctl account set")),
            "{error}"
        );

        keeper.logout("").await.unwrap();
        let error = keeper.get_token("", -1, -1).await.unwrap_err();
        assert!(matches!(&error, Error::ConsentNeeded(text) if text.contains("imgurctl login")), "{error}");
    });
    let answer = busctl(&scene.bed, "GetToken", &["sii", "", "-1", "-1"]);
    assert!(text(&answer.stderr).contains("imgurctl login"), "busctl shows imgurd's advice: {answer:?}");
    let gdbus = ["call", "--session", "-d", BUS_NAME, "-o", PATH, "-m", "org.imgurd.Keeper1.GetToken"];
    let answer = run(&scene.bed, "gdbus", &[&gdbus[..], &["--", "", "-1", "-1"]].concat());
    let shown = text(&answer.stderr);
    assert!(
        shown.contains("org.imgurd.Keeper1.Error.ConsentNeeded") && shown.contains("imgurctl login"),
        "{shown}"
    );
}

#[test]
fn a_token_in_a_file_descriptor_is_readable_and_cannot_be_changed() {
    let (scene, _bus) = scene(Behaviour::default());
    let token = scene.token();
    in_time(async {
        let descriptor = keeper(&scene.bed).await.get_token_fd("", -1, -1).await.unwrap();
        let mut file = File::from(std::os::fd::OwnedFd::from(descriptor));
        let mut read = String::new();
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, token);
        assert!(file.set_len(0).is_err());
    });
}

#[test]
fn a_login_on_the_bus_outlives_its_caller_and_signals_its_end() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default());
    in_time(async {
        let listener = keeper(&scene.bed).await;
        let mut finished = listener.receive_login_finished().await.unwrap();
        // busctl has already ended when the page is opened. It and the other caller share the login.
        let answer = busctl(&scene.bed, "Login", &["sa{sv}", "", "1", "timeout_s", "i", "120"]);
        let shared = listener.login("", HashMap::new()).await.unwrap();
        assert_eq!(text(&answer.stdout), format!("ss \"{}\" \"{}\"", shared.0, shared.1));

        let waiting = keeper(&scene.bed).await;
        let waiting = tokio::spawn(async move { waiting.get_token("", -1, -1).await });
        let url = shared.1.clone();
        tokio::task::spawn_blocking(move || browser::allow(&url, "alice")).await.unwrap();
        let end = next(&mut finished).await;
        let end = end.args().unwrap();
        assert_eq!((*end.login_id(), *end.account(), *end.outcome()), (&*shared.0, ACCOUNT, SIGNED_IN));
        assert!(
            scene.fake.is_live(waiting.await.unwrap().unwrap().0.expose()),
            "a caller that waited is served"
        );

        // The next signal is about the next login, so each signal came once.
        let (login_id, _) =
            listener.login("", HashMap::from([("replace", Variant::from(true))])).await.unwrap();
        listener.cancel_login(&login_id).await.unwrap();
        let end = next(&mut finished).await;
        let end = end.args().unwrap();
        assert_eq!(*end.login_id(), login_id);
        assert!(end.outcome().contains("imgurctl login"), "{}", end.outcome());
    });
}

#[test]
fn every_other_method_of_the_socket_works_on_the_bus() {
    let (scene, _bus) = scene(Behaviour::default());
    in_time(async {
        let keeper = keeper(&scene.bed).await;
        let (token, ..) = keeper.get_token("", -1, -1).await.unwrap();
        let (another, ..) = keeper.reject_token("", &token, -1).await.unwrap();
        assert_ne!(another, token);
        assert_eq!(
            keeper.reject_token("", &token, -1).await.unwrap().0,
            another,
            "a second rejection of the old token causes no refresh"
        );

        let (refresh_token, _) = scene.fake.issue_grant("bob");
        let text = Secret::from(refresh_token);
        let path = keeper.import_grant("", &text, true).await.unwrap();
        assert_eq!(path, account_path(ACCOUNT));
        assert_eq!(scene.account().username.as_deref(), Some("bob"));
        assert_eq!(keeper.restore_grant("").await.unwrap(), path);
        assert_eq!(scene.account().username.as_deref(), Some("alice"));
        // imgurd refreshes a restored grant at once. A sign-in at the same time would bring a token that this refresh
        // invalidates.
        keeper.refresh("", -1).await.unwrap();

        let pin = HashMap::from([("flow", Variant::from("pin"))]);
        let (login_id, url) = keeper.login("", pin).await.unwrap();
        let page = tokio::task::spawn_blocking(move || browser::allow(&url, "alice")).await.unwrap();
        let pin = Secret::from(page.pin().unwrap());
        assert_eq!(keeper.complete_login(&login_id, &pin).await.unwrap(), path);
        keeper.unlock_store().await.unwrap();
        keeper.logout("").await.unwrap();
        assert_eq!(scene.account().state.to_string(), "empty");
    });
}

#[test]
fn no_secret_is_in_a_log_or_file_after_calls_on_the_bus() {
    let (mut scene, _bus) = scene(Behaviour::default());
    in_time(async {
        let keeper = keeper(&scene.bed).await;
        let (token, ..) = keeper.refresh("", -1).await.unwrap();
        keeper.reject_token("", &token, -1).await.unwrap();
        keeper.set_account("", HashMap::new(), &Secret::from("fake-client-secret"), false).await.unwrap();
    });
    assert!(scene.stop().success());
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}
