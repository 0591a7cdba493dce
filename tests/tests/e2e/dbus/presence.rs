//! The daemon owns its name whenever there is a bus.

use std::fs;

use imgurd_proto::dbus::{BUS_NAME, KeeperProxy};
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed, in_time, next};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use super::{account, scene};

/// Returns when the daemon owns its name.
async fn owned(connection: &Connection) {
    let bus = DBusProxy::new(connection).await.unwrap();
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, BUS_NAME)]).await.unwrap();
    while !bus.name_has_owner(BUS_NAME.try_into().unwrap()).await.unwrap() {
        next(&mut owners).await;
    }
}

#[test]
fn the_socket_works_without_the_bus_and_the_name_returns_with_it() {
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
fn connects_to_a_bus_that_starts_later() {
    let bed = Testbed::memory();
    let mut bus = bed.bus();
    bus.stop();
    // Without the bus's socket, imgurd waits until the file appears.
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
fn a_second_daemon_takes_the_name_when_the_first_one_ends() {
    let (mut scene, _bus) = scene(Behaviour::default());
    let first = scene.daemon().id();
    // The second daemon has another state directory, but uses the same bus.
    scene.bed.set_env("XDG_STATE_HOME", scene.bed.root().join("second-state"));
    let socket = scene.bed.root().join("second/socket");
    let second = scene.bed.daemon_with(&["--socket", socket.to_str().unwrap()]);
    let log = second.log();
    assert!(log.contains(&format!("another imgurd (process {first}) answers on D-Bus")), "{log}");
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
fn no_dbus_keeps_the_daemon_off_the_bus() {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let _daemon = bed.daemon_with(&["--no-dbus"]);
    in_time(async {
        let connection = bed.connect().await;
        let bus = DBusProxy::new(&connection).await.unwrap();
        assert!(!bus.name_has_owner(BUS_NAME.try_into().unwrap()).await.unwrap());
    });
}
