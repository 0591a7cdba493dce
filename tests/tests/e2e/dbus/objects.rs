//! The objects of the service and its accounts, and their change signals.

use std::collections::HashMap;

use imgurd_proto::Secret;
use imgurd_proto::dbus::{BUS_NAME, INTROSPECTION, KeeperProxy, PATH, account_path};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, in_time, next};
use zbus::Variant;
use zbus::fdo::{ObjectManagerProxy, PropertiesProxy};

use super::{account, keeper, run, scene, text};

#[test]
fn introspection_lists_the_documented_members() {
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
fn introspection_explains_every_member() {
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
            assert!(!is_member || lines[position - 1] == "-->", "{line} has no explanation");
        }
    }
}

/// Code generators read the installed file, so it must list what the daemon offers.
#[test]
fn the_installed_introspection_file_matches_the_daemon() {
    let (scene, _bus) = scene(Behaviour::default());
    let described = |path: &str, interface: &str| {
        let arguments = ["--user", "--xml-interface", "introspect", BUS_NAME, path];
        let output = run(&scene.bed, "busctl", &arguments);
        let (begin, end) = (format!("  <interface name=\"{interface}\">\n"), "\n  </interface>\n");
        let (_, after) = text(&output.stdout).split_once(&begin).unwrap();
        let (inside, _) = after.split_once(end).unwrap();
        format!("{begin}{inside}{end}")
    };
    let keeper = described(PATH, "org.imgurd.Keeper1");
    let account = described(account_path(ACCOUNT).as_str(), "org.imgurd.Keeper1.Account");
    let (_, installed) = INTROSPECTION.split_once("<node>\n").unwrap();
    let expected = format!("{keeper}{account}</node>\n");
    assert_eq!(
        installed, expected,
        "the installed file differs; write this into proto/src/org.imgurd.Keeper1.xml"
    );
}

#[test]
fn each_change_is_signalled_once() {
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
fn an_account_has_an_object_while_it_exists() {
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
        assert!(second.state().await.is_err(), "the account's object no longer exists");
        // An account that was added with `imgurctl` is signalled, too.
        scene.bed.account(&scene.fake, "third");
        assert_eq!(next(&mut added).await.args().unwrap().object_path(), &account_path("third").as_ref());
    });
}
