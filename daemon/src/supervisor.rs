//! Messages to the service manager (`sd_notify(3)`), if there is one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::pending;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::time::Duration;
use std::{env, io};

use imgurd_proto::State;
use sd_notify::NotifyState;
use tokio::net::UnixDatagram;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::keeper::Keeper;

/// How long imgurd waits for a service manager that does not read. Answers in progress are more important than this
/// message.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn notify_manager(state: &[NotifyState<'_>]) {
    if let Some(place) = env::var_os("NOTIFY_SOCKET") {
        notify_at(&place, state).await;
    }
}

async fn notify_at(place: &OsString, state: &[NotifyState<'_>]) {
    match timeout(PATIENCE, send(place, state)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "cannot notify the service manager"),
        Err(_) => tracing::debug!("the service manager does not read what imgurd tells it"),
    }
}

/// Reports the accounts' states and feeds the watchdog (`WatchdogSec=`), as long as it is polled.
pub(crate) async fn report_state(keeper: Keeper) {
    let Some(place) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = report(&keeper, &place).await {
        tracing::warn!(%error, "cannot tell the service manager the accounts' states");
    }
}

async fn report(keeper: &Keeper, place: &OsString) -> io::Result<()> {
    let mut changes = keeper.changes();
    let mut pulse = pulse();
    let mut told = String::new();
    loop {
        changes.mark_unchanged();
        let status = status(keeper.survey(|_, account, _| Some(account.state)).into_iter());
        if status != told {
            send(place, &[NotifyState::Status(&status)]).await?;
            told = status;
        }
        tokio::select! {
            more = changes.changed() => if more.is_err() { return Ok(()) },
            () = beat(&mut pulse) => send(place, &[NotifyState::Watchdog]).await?,
        }
    }
}

/// Returns a timer with half the required interval, as `sd_watchdog_enabled(3)` advises. The runtime has one thread,
/// so whatever blocks callers also blocks this.
fn pulse() -> Option<Interval> {
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
    let mut pulse = interval((limit / 2).max(Duration::from_millis(1)));
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(pulse)
}

async fn beat(pulse: &mut Option<Interval>) {
    match pulse {
        Some(pulse) => drop(pulse.tick().await),
        None => pending().await,
    }
}

/// Waits until a busy service manager has read earlier messages.
async fn send(place: &OsString, state: &[NotifyState<'_>]) -> io::Result<()> {
    let address = match place.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    let message: Vec<_> = state.iter().map(ToString::to_string).collect();
    UnixDatagram::from_std(socket)?.send(message.join("\n").as_bytes()).await.map(drop)
}

/// One line for `systemctl --user status`, without account names.
fn status(states: impl Iterator<Item = State>) -> String {
    let mut counts = BTreeMap::<State, usize>::new();
    for state in states {
        *counts.entry(state).or_default() += 1;
    }
    let total = match counts.values().sum::<usize>() {
        0 => return "No account yet; add one with `imgurctl account add NAME`".to_owned(),
        1 => "1 account".to_owned(),
        total => format!("{total} accounts"),
    };
    let more = if counts.keys().eq([&State::Fresh]) { "" } else { "; see `imgurctl status`" };
    let counts: Vec<_> = counts.iter().map(|(state, number)| format!("{number} {state}")).collect();
    format!("{total}: {}{more}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_counts_accounts_by_state() {
        use State::{ConsentNeeded, Fresh, Waiting};
        for (states, line) in [
            (&[][..], "No account yet; add one with `imgurctl account add NAME`"),
            (&[Fresh], "1 account: 1 fresh"),
            (&[Fresh, Fresh], "2 accounts: 2 fresh"),
            (&[ConsentNeeded], "1 account: 1 consent_needed; see `imgurctl status`"),
            (&[Waiting, Fresh, Waiting], "3 accounts: 1 fresh, 2 waiting; see `imgurctl status`"),
        ] {
            assert_eq!(status(states.iter().copied()), line);
        }
    }

    #[tokio::test]
    async fn notifies_an_abstract_or_a_path_socket() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("notify");
        let name = format!("imgurd-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        for (place, address) in [
            (OsString::from(&path), SocketAddr::from_pathname(&path).unwrap()),
            (OsString::from(format!("@{name}")), abstract_address),
        ] {
            let manager = std::os::unix::net::UnixDatagram::bind_addr(&address).unwrap();
            send(&place, &[NotifyState::Status("well")]).await.unwrap();
            let mut told = [0; 64];
            let length = manager.recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"STATUS=well");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_manager_that_does_not_read_cannot_block_stopping() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("notify");
        let _manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let place = OsString::from(&path);
        while timeout(PATIENCE, send(&place, &[NotifyState::Watchdog])).await.is_ok() {}
        notify_at(&place, &[NotifyState::Stopping]).await;
    }
}
