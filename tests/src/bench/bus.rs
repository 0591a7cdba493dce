//! A cached token over D-Bus, compared with the bare D-Bus library.

use std::time::Instant;

use imgurd_proto::dbus::KeeperProxy;
use zbus::Connection;
use zbus::fdo::PeerProxy;

use super::Extent;
use super::core::on_one_core;
use super::figure::Figure;
use super::site::Site;
use super::table::{Goal, Row};

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    vec![on_one_core(|| row(extent))]
}

fn row(extent: Extent) -> Row {
    let site = Site::on_the_bus();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut tokens, mut pings) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let connection = site.scene.bed.connect().await;
        let keeper = KeeperProxy::new(&connection).await.unwrap();
        let peer = peer(&connection, &keeper).await;
        for _ in 0..extent.rounds {
            for _ in 0..extent.calls {
                let begin = Instant::now();
                keeper.get_token("", -1, -1).await.expect("a token");
                tokens.push(begin.elapsed());
            }
            for _ in 0..extent.calls {
                let begin = Instant::now();
                peer.ping().await.expect("an answer");
                pings.push(begin.elapsed());
            }
        }
    });
    Row::alone("`GetToken` over D-Bus", Figure::of(&tokens), Goal::Ratio(1.2))
        .against("`Peer.Ping` to the same daemon", Figure::of(&pings))
}

async fn peer<'a>(connection: &Connection, keeper: &KeeperProxy<'a>) -> PeerProxy<'a> {
    let name = keeper.inner().destination().to_owned();
    let path = keeper.inner().path().to_owned();
    PeerProxy::builder(connection).destination(name).path(path).build().await.unwrap()
}
