//! Suspend, as logind announces it. imgurd holds a delay inhibitor while the machine is awake, and releases it when no request is
//! in progress (<https://systemd.io/INHIBITOR_LOCKS>). imgurd does not request an inhibitor for each refresh, because logind may
//! announce suspend before it grants the inhibitor.

use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until};
use zbus::{Connection, OwnedFd, proxy};

use crate::bus::Bus;
use crate::keeper::Keeper;

/// How long an announcement of suspend is valid while the machine stays awake. logind waits 5 s by default
/// (`InhibitDelayMaxSec=`).
const LONGEST_ANNOUNCEMENT: Duration = Duration::from_mins(1);

#[proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Login1 {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;

    #[zbus(signal)]
    fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
}

/// Tells the keeper when the machine falls asleep and wakes. Runs as long as it is polled.
pub async fn watch_suspend(bus: Bus, keeper: Keeper) {
    loop {
        let connection = bus.wait().await;
        if let Err(error) = listen(&connection, &keeper).await {
            tracing::debug!(%error, "imgurd cannot see when this machine sleeps");
        }
        keeper.awake().await;
        connection.closed().await;
    }
}

async fn listen(connection: &Connection, keeper: &Keeper) -> zbus::Result<()> {
    let logind = Login1Proxy::new(connection).await?;
    let mut announcements = logind.receive_prepare_for_sleep().await?;
    let mut owners = logind.inner().receive_owner_changed().await?;
    let mut lock = inhibit(&logind).await;
    loop {
        tokio::select! {
            () = connection.closed() => return Ok(()),
            Some(owner) = owners.next() => {
                // A new logind does not know the old one's inhibitors, and has announced nothing.
                keeper.awake().await;
                lock = if owner.is_some() { inhibit(&logind).await } else { None };
            }
            announcement = announcements.next() => {
                let Some(announcement) = announcement else { return Ok(()) };
                if announcement.args()?.start {
                    fall_asleep(keeper, lock.take(), &mut announcements).await;
                }
                keeper.awake().await;
                lock = inhibit(&logind).await;
            }
        }
    }
}

/// Releases the inhibitor when no request is in progress, and returns when the machine is awake again.
async fn fall_asleep(keeper: &Keeper, mut lock: Option<OwnedFd>, announcements: &mut PrepareForSleepStream) {
    tracing::info!("the machine is about to sleep");
    let disbelief = Instant::now() + LONGEST_ANNOUNCEMENT;
    let mut quiet = pin!(keeper.sleep().fuse());
    loop {
        tokio::select! {
            () = &mut quiet => drop(lock.take()),
            _ = announcements.next() => break,
            () = sleep_until(disbelief) => break,
        }
    }
    tracing::info!("the machine is awake");
}

async fn inhibit(logind: &Login1Proxy<'_>) -> Option<OwnedFd> {
    let lock = logind.inhibit("sleep", "imgurd", "imgurd is refreshing a token", "delay").await;
    lock.inspect_err(|error| tracing::debug!(%error, "cannot delay sleep while imgurd refreshes a token"))
        .ok()
}
