//! Many callers at a time, and who they are.

use futures_util::future::join_all;
use imgurd_proto::dbus::{BUS_NAME, KeeperProxy, PATH};
use imgurd_tests::fake::{Behaviour, Endpoint};
use imgurd_tests::testbed::{ACCOUNT, in_time, next};
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
