//! The interface on D-Bus: the same promises as on the socket, for callers with a bus of their own.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::process::{Command, Output};

use futures_util::future::join_all;
use imgurd_proto::Secret;
use imgurd_proto::dbus::{AccountProxy, BUS_NAME, Error, KeeperProxy, PATH, SIGNED_IN, account_path};
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::testbed::{ACCOUNT, Bus, Scene, Testbed, in_time, next};
use zbus::fdo::{DBusProxy, MonitoringProxy, ObjectManagerProxy, PeerProxy, PropertiesProxy};
use zbus::proxy::CacheProperties;
use zbus::{Connection, MatchRule, MessageStream, Variant};

use crate::{expired, momentary};

/// A daemon on a bus, signed in.
fn scene(behaviour: Behaviour) -> (Scene, Bus) {
    let bed = Testbed::memory();
    let bus = bed.bus();
    (Scene::new(bed, behaviour).signed_in(), bus)
}

async fn keeper(bed: &Testbed) -> KeeperProxy<'static> {
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

/// `busctl --user … call` of one of the keeper's methods.
fn busctl(bed: &Testbed, method: &str, arguments: &[&str]) -> Output {
    let call = ["--user", "--", "call", BUS_NAME, PATH, "org.imgurd.Keeper1", method];
    run(bed, "busctl", &[&call, arguments].concat())
}

/// Returns when the daemon has its name.
async fn owned(connection: &Connection) {
    let bus = DBusProxy::new(connection).await.unwrap();
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, BUS_NAME)]).await.unwrap();
    while !bus.name_has_owner(BUS_NAME.try_into().unwrap()).await.unwrap() {
        next(&mut owners).await;
    }
}

#[test]
fn every_tool_gets_the_token_in_one_line() {
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
fn describes_itself_as_the_contract_has_it() {
    let (scene, _bus) = scene(Behaviour::default());
    let lines = |path: &str, interface: &str| {
        let output = run(&scene.bed, "busctl", &["--user", "introspect", BUS_NAME, path, interface]);
        let words = |line: &str| line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
        text(&output.stdout).lines().skip(1).map(words).collect::<Vec<_>>()
    };
    let methods = lines(PATH, "org.imgurd.Keeper1");
    for (name, kind, given, answered) in [
        (".GetToken", "method", "sii", "ssx"),
        (".GetTokenFd", "method", "sii", "h"),
        (".RejectToken", "method", "ssi", "ssx"),
        (".Refresh", "method", "si", "ssx"),
        (".Login", "method", "sa{sv}", "ss"),
        (".LoginFinished", "signal", "sss", "-"),
    ] {
        let found =
            methods.iter().find(|line| line[0] == name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found[1..4], [kind, given, answered], "{name}");
    }
    let members = lines(account_path(ACCOUNT).as_str(), "org.imgurd.Keeper1.Account");
    for (name, signature) in [
        (".Name", "s"),
        (".Username", "s"),
        (".State", "s"),
        (".Reason", "s"),
        (".ExpiresAt", "x"),
        (".NextRefreshAt", "x"),
        (".AutoRefresh", "b"),
        (".LoginPending", "b"),
        (".Unsaved", "b"),
    ] {
        let found =
            members.iter().find(|line| line[0] == name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found[1..3], ["property", signature], "{name}");
        assert_eq!(found.contains(&"writable".to_owned()), name == ".AutoRefresh", "{name}");
    }
    assert!(members.iter().any(|line| line[..2] == [".TokenChanged", "signal"]));
}

#[test]
fn its_introspection_explains_every_method_signal_and_property() {
    let (scene, _bus) = scene(Behaviour::default());
    let output = run(&scene.bed, "busctl", &["--user", "--xml-interface", "introspect", BUS_NAME, PATH]);
    let lines: Vec<_> = text(&output.stdout).lines().map(str::trim).collect();
    let begins = |interface: &str| {
        let tag = format!("<interface name=\"{interface}\">");
        lines.iter().position(|line| *line == tag).unwrap()
    };
    for interface in ["org.imgurd.Keeper1", "org.imgurd.Keeper1.Account"] {
        let begin = begins(interface);
        let members =
            lines.iter().enumerate().skip(begin + 1).take_while(|(_, line)| **line != "</interface>");
        for (position, line) in members {
            let is_member = ["<method", "<signal", "<property"].iter().any(|tag| line.starts_with(tag));
            assert!(!is_member || lines[position - 1] == "-->", "{line} is not explained");
        }
    }
}

#[test]
fn each_error_has_its_name_and_says_what_to_do() {
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
    assert!(text(&answer.stderr).contains("imgurctl login"), "busctl shows the sentence: {answer:?}");
    let gdbus = ["call", "--session", "-d", BUS_NAME, "-o", PATH, "-m", "org.imgurd.Keeper1.GetToken"];
    let answer = run(&scene.bed, "gdbus", &[&gdbus[..], &["--", "", "-1", "-1"]].concat());
    let shown = text(&answer.stderr);
    assert!(
        shown.contains("org.imgurd.Keeper1.Error.ConsentNeeded") && shown.contains("imgurctl login"),
        "{shown}"
    );
}

#[test]
fn three_hundred_callers_on_the_bus_cause_one_request() {
    let (scene, _bus) = scene(momentary());
    let scene = expired(scene);
    let gate = scene.fake.hold(Endpoint::Token);
    in_time(async {
        let callers = join_all((0..300).map(|_| keeper(&scene.bed))).await;
        let call = |keeper: KeeperProxy<'static>| async move { keeper.get_token("", -1, -1).await };
        let calls: Vec<_> = callers.iter().cloned().map(|keeper| tokio::spawn(call(keeper))).collect();
        join_all(callers.iter().map(arrived)).await;
        assert!(calls.iter().all(|call| !call.is_finished()), "all wait");
        gate.release();
        let answers = join_all(calls).await;
        let tokens: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().unwrap().0).collect();
        assert!(scene.fake.is_live(tokens[0].expose()));
        assert!(tokens.iter().all(|token| *token == tokens[0]), "all are served");
    });
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_refresh_that_is_held_delays_no_caller_whose_token_is_valid() {
    let (scene, _bus) = scene(Behaviour::default());
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    let gate = scene.fake.hold(Endpoint::Token);
    in_time(async {
        let (first, second) = (keeper(&scene.bed).await, keeper(&scene.bed).await);
        let patient = first.clone();
        let refreshing = tokio::spawn(async move { patient.refresh(ACCOUNT, -1).await });
        arrived(&first).await;
        for account in [ACCOUNT, "second"] {
            second.get_token(account, -1, 0).await.unwrap();
        }
        assert!(!refreshing.is_finished());
        gate.release();
        refreshing.await.unwrap().unwrap();
    });
}

/// Returns when what was called on this connection before has arrived: messages keep their order.
async fn arrived(keeper: &KeeperProxy<'_>) {
    let connection = keeper.inner().connection();
    PeerProxy::new(connection, BUS_NAME, PATH).await.unwrap().ping().await.unwrap();
}

#[test]
fn who_calls_is_asked_once_per_connection() {
    let (scene, _bus) = scene(Behaviour::default());
    in_time(async {
        let monitor = scene.bed.connect().await;
        let rule = MatchRule::builder().member("GetConnectionCredentials").build().unwrap();
        MonitoringProxy::new(&monitor).await.unwrap().become_monitor(&[rule], 0).await.unwrap();
        let mut seen = MessageStream::from(monitor);

        let (first, second) = (keeper(&scene.bed).await, keeper(&scene.bed).await);
        let calls = join_all((0..20).map(|_| first.get_token("", -1, -1))).await;
        assert!(calls.iter().all(Result::is_ok));
        second.get_token("", -1, -1).await.unwrap();
        let mut asked = Vec::new();
        while asked.last() != second.inner().connection().unique_name().map(ToString::to_string).as_ref() {
            let message = next(&mut seen).await.unwrap();
            if let Ok(name) = message.body().deserialize::<String>() {
                asked.push(name);
            }
        }
        assert_eq!(asked.len(), 2, "{asked:?}");
    });
}

#[test]
fn a_token_handed_over_as_a_descriptor_can_be_read_and_not_changed() {
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
fn whoever_listens_hears_of_each_change_once() {
    let (scene, _bus) = scene(Behaviour::default());
    in_time(async {
        let connection = scene.bed.connect().await;
        let mytoken = account(&connection, ACCOUNT).await;
        let properties = PropertiesProxy::new(&connection, BUS_NAME, account_path(ACCOUNT)).await.unwrap();
        let mut changes = properties.receive_properties_changed().await.unwrap();
        let mut tokens = mytoken.receive_token_changed().await.unwrap();
        assert_eq!(mytoken.state().await.unwrap(), "fresh");
        assert_eq!(mytoken.username().await.unwrap(), scene.fake.behaviour().username);

        mytoken.set_auto_refresh(false).await.unwrap();
        assert!(!mytoken.auto_refresh().await.unwrap());
        keeper(&scene.bed).await.refresh("", -1).await.unwrap();
        next(&mut tokens).await;
        mytoken.set_auto_refresh(true).await.unwrap();

        let mut told = Vec::new();
        while told.iter().filter(|value| *value == "AutoRefresh").count() < 2 {
            let change = next(&mut changes).await;
            let args = change.args().unwrap();
            assert_eq!(args.interface_name(), "org.imgurd.Keeper1.Account");
            told.extend(args.changed_properties().keys().map(|name| (*name).to_owned()));
        }
        assert!(told.iter().any(|name| name == "ExpiresAt" || name == "State"), "{told:?}");
        assert!(
            told.iter().position(|name| name == "AutoRefresh") < told.iter().position(|name| name == "State")
        );
    });
    assert_eq!(scene.ctl(&["account", "show", "--json"]).success().json()["auto_refresh"], true);
}

#[test]
fn accounts_come_and_go_as_objects() {
    let (scene, _bus) = scene(Behaviour::default());
    in_time(async {
        let connection = scene.bed.connect().await;
        let keeper = KeeperProxy::new(&connection).await.unwrap();
        let objects = ObjectManagerProxy::new(&connection, BUS_NAME, PATH).await.unwrap();
        let mut added = objects.receive_interfaces_added().await.unwrap();
        let mut removed = objects.receive_interfaces_removed().await.unwrap();

        let settings =
            HashMap::from([("client_id", Variant::from("fake-client-id")), ("flow", "pin".into())]);
        let path =
            keeper.add_account("2nd.one", settings, &Secret::from("fake-secret"), false).await.unwrap();
        assert_eq!(path.as_str(), "/org/imgurd/Keeper1/account/_32nd_2eone");
        let second = account(&connection, "2nd.one").await;
        assert_eq!(second.name().await.unwrap(), "2nd.one");
        assert_eq!(second.state().await.unwrap(), "empty");
        assert_eq!(next(&mut added).await.args().unwrap().object_path(), &path.as_ref());
        let managed = objects.get_managed_objects().await.unwrap();
        assert!(managed[&account_path(ACCOUNT)].contains_key("org.imgurd.Keeper1.Account"));

        let changed = HashMap::from([("scope", Variant::from("read"))]);
        keeper.set_account("2nd.one", changed, &Secret::default(), true).await.unwrap();
        let listed = keeper.list_accounts("2nd.one").await.unwrap();
        assert!(bool::try_from(&listed[0]["is_default"]).unwrap());
        assert_eq!(keeper.list_accounts("").await.unwrap().len(), 2);

        keeper.remove_account("2nd.one").await.unwrap();
        assert_eq!(next(&mut removed).await.args().unwrap().object_path(), &path.as_ref());
        assert!(second.state().await.is_err(), "the object is gone");
        // By hand in the file, or by `imgurctl`: the bus hears of it all the same.
        scene.bed.account(&scene.fake, "third");
        assert_eq!(next(&mut added).await.args().unwrap().object_path(), &account_path("third").as_ref());
    });
}

#[test]
fn a_login_begun_on_the_bus_goes_on_without_its_caller_and_tells_its_end() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let scene = Scene::new(bed, Behaviour::default());
    in_time(async {
        let listener = keeper(&scene.bed).await;
        let mut finished = listener.receive_login_finished().await.unwrap();
        // busctl has left when the page is opened. It and another caller share the login.
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
        assert!(scene.fake.is_live(waiting.await.unwrap().unwrap().0.expose()), "who waited is served");

        // The next end told is of the next login: nobody was told twice.
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
fn all_else_that_the_socket_does_can_be_done_on_the_bus() {
    let (scene, _bus) = scene(Behaviour::default());
    in_time(async {
        let keeper = keeper(&scene.bed).await;
        let (token, ..) = keeper.get_token("", -1, -1).await.unwrap();
        let (another, ..) = keeper.reject_token("", &token, -1).await.unwrap();
        assert_ne!(another, token);
        assert_eq!(
            keeper.reject_token("", &token, -1).await.unwrap().0,
            another,
            "not the current one any more"
        );

        let (refresh_token, _) = scene.fake.issue_grant("bob");
        let text = Secret::from(refresh_token);
        let path = keeper.import_grant("", &text, true).await.unwrap();
        assert_eq!(path, account_path(ACCOUNT));
        assert_eq!(scene.account().username.as_deref(), Some("bob"));
        assert_eq!(keeper.restore_grant("").await.unwrap(), path);
        assert_eq!(scene.account().username.as_deref(), Some("alice"));

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
fn the_socket_never_notices_that_the_bus_dies_and_the_name_comes_back_with_it() {
    let (scene, mut bus) = scene(Behaviour::default());
    for _ in 0..2 {
        let token = scene.token();
        bus.stop();
        assert_eq!(scene.token(), token);
        bus.start();
        in_time(async {
            let connection = scene.bed.connect().await;
            owned(&connection).await;
            let mut tokens = account(&connection, ACCOUNT).await.receive_token_changed().await.unwrap();
            let keeper = KeeperProxy::new(&connection).await.unwrap();
            assert_eq!(keeper.get_token("", -1, -1).await.unwrap().0.expose(), token);
            keeper.refresh("", -1).await.unwrap();
            next(&mut tokens).await;
        });
        assert_ne!(scene.token(), token);
    }
}

#[test]
fn comes_to_a_bus_that_starts_after_it() {
    let bed = Testbed::memory();
    let mut bus = bed.bus();
    bus.stop();
    // With nothing there to knock at, what it notices is that the socket appears.
    fs::remove_file(bed.runtime_dir().join("bus")).unwrap();
    let scene = Scene::new(bed, Behaviour::default()).signed_in();
    let token = scene.token();
    bus.start();
    in_time(async {
        let connection = scene.bed.connect().await;
        owned(&connection).await;
        let keeper = KeeperProxy::new(&connection).await.unwrap();
        assert_eq!(keeper.get_token("", -1, -1).await.unwrap().0.expose(), token);
    });
}

#[test]
fn a_second_daemon_is_told_who_runs_and_follows_when_that_one_ends() {
    let (mut scene, _bus) = scene(Behaviour::default());
    let first = scene.daemon().id();
    // Another home with other grants, on the same bus.
    scene.bed.set_env("XDG_STATE_HOME", scene.bed.root().join("second-state"));
    let socket = scene.bed.root().join("second-socket");
    let second = scene.bed.daemon_with(&["--socket", socket.to_str().unwrap()]);
    let log = second.log();
    assert!(log.contains(&format!("another imgurd answers on D-Bus, process {first}")), "{log}");
    in_time(async {
        let connection = scene.bed.connect().await;
        let bus = DBusProxy::new(&connection).await.unwrap();
        let mut owners = bus.receive_name_owner_changed_with_args(&[(0, BUS_NAME)]).await.unwrap();
        let owner = async || bus.get_connection_unix_process_id(BUS_NAME.try_into().unwrap()).await.unwrap();
        assert_eq!(owner().await, first);
        assert!(scene.stop().success());
        next(&mut owners).await;
        assert_eq!(owner().await, second.id());
    });
}

#[test]
fn stays_off_the_bus_where_it_is_told_to() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let _daemon = bed.daemon_with(&["--no-dbus"]);
    in_time(async {
        let connection = bed.connect().await;
        let bus = DBusProxy::new(&connection).await.unwrap();
        assert!(!bus.name_has_owner(BUS_NAME.try_into().unwrap()).await.unwrap());
    });
}

#[test]
fn no_secret_is_in_a_log_or_a_file_after_a_day_on_the_bus() {
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
