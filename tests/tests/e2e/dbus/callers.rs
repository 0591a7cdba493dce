//! Many callers at a time, and how imgurd identifies them.

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use imgurd_proto::dbus::{BUS_NAME, Error, KeeperProxy, PATH};
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{ACCOUNT, Scene, Testbed, in_time, next};
use zbus::fdo::{MonitoringProxy, PeerProxy};
use zbus::{MatchRule, MessageStream};

use super::{keeper, scene};
use crate::{expired, momentary};

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
        assert!(calls.iter().all(|call| !call.is_finished()), "all callers wait");
        gate.release();
        let answers = join_all(calls).await;
        let tokens: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().unwrap().0).collect();
        assert!(scene.fake.is_live(tokens[0].expose()));
        assert!(tokens.iter().all(|token| *token == tokens[0]), "all callers get the same token");
    });
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn a_slow_refresh_on_the_bus_does_not_delay_callers_with_a_valid_token() {
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

/// The most calls that the daemon works on at a time, for one caller on the bus and for all.
const CALLS_EACH: usize = 256;
const CALLS: usize = 1024;

#[test]
fn a_flooding_caller_is_refused_and_does_not_block_others() {
    let bed = Testbed::memory();
    // At the level `trace`, ten thousand calls would log a gigabyte.
    bed.set_env("RUST_LOG", "info");
    let _bus = bed.bus();
    let scene = expired(Scene::new(bed, momentary()).signed_in());
    scene.bed.account(&scene.fake, "second");
    scene.bed.sign_in_as("second", "bob");
    let gate = scene.fake.hold(Endpoint::Token);
    in_time(async {
        let (greedy, modest) = (keeper(&scene.bed).await, keeper(&scene.bed).await);
        let call = || greedy.get_token(ACCOUNT, -1, i32::MAX);
        let mut calls: FuturesUnordered<_> = (0..10_000).map(|_| call()).collect();
        for _ in 0..10_000 - CALLS_EACH {
            let refused = next(&mut calls).await.unwrap_err();
            assert!(matches!(refused, Error::TemporarilyUnavailable(_)), "{refused}");
        }
        modest.get_token("second", -1, 0).await.unwrap();
        gate.release();
        let served: Vec<_> = calls.collect().await;
        assert!(served.len() == CALLS_EACH && served.iter().all(Result::is_ok), "waiting callers are served");
        greedy.get_token(ACCOUNT, -1, 0).await.unwrap();
    });
    assert_eq!(scene.refreshes().len(), 1);
}

#[test]
fn the_bus_has_the_same_limit_on_calls_as_the_socket() {
    let (scene, _bus) = scene(momentary());
    let scene = expired(scene);
    let gate = scene.fake.hold(Endpoint::Token);
    in_time(async {
        let callers = join_all((0..5).map(|_| keeper(&scene.bed))).await;
        let call = |keeper: KeeperProxy<'static>| async move { keeper.get_token("", -1, i32::MAX).await };
        let calls = callers.iter().flat_map(|keeper| std::iter::repeat_n(keeper, CALLS_EACH));
        let mut calls: FuturesUnordered<_> = calls.cloned().map(call).collect();
        for _ in 0..5 * CALLS_EACH - CALLS {
            let refused = next(&mut calls).await.unwrap_err();
            assert!(matches!(refused, Error::TemporarilyUnavailable(_)), "{refused}");
        }
        gate.release();
        let served: Vec<_> = calls.collect().await;
        assert!(served.len() == CALLS && served.iter().all(Result::is_ok), "waiting callers are served");
    });
}

/// Returns when all earlier calls on this connection have arrived: the bus keeps their order.
pub(crate) async fn arrived(keeper: &KeeperProxy<'_>) {
    let connection = keeper.inner().connection();
    PeerProxy::new(connection, BUS_NAME, PATH).await.unwrap().ping().await.unwrap();
}

#[test]
fn the_bus_is_asked_once_for_the_credentials_of_a_connection() {
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
