//! Identifies callers on D-Bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use imgurd_proto::{Error, Wire};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};

use super::caller::uptime;
use super::peer::Peer;
use super::{Caller, Journal, Quota, QuotaExceeded, Slot};
use crate::mutex::lock;

/// How many callers imgurd remembers. Beyond that, it forgets callers without a call in progress, and has to
/// ask the bus about them again.
const REMEMBERED: usize = 512;

/// How many calls may be in progress: as many as the socket has connections.
const CALLS: usize = 1024;

/// How many calls of one connection may be in progress.
const CALLS_EACH: usize = 256;

/// The callers on one connection to a bus. imgurd asks about each one once, because a bus never reuses a
/// unique name.
#[derive(Debug)]
pub struct BusCallers {
    known: Mutex<HashMap<OwnedUniqueName, Arc<Known>>>,
    calls: Quota,
    journal: Journal,
}

#[derive(Debug)]
struct Known {
    caller: OnceCell<Arc<Caller>>,
    calls: Arc<Semaphore>,
}

/// A call that is in progress until this is dropped.
#[derive(Debug)]
#[must_use = "the call is over when this is dropped"]
pub struct Admitted {
    caller: Arc<Caller>,
    _slot: Slot,
    _permit: OwnedSemaphorePermit,
}

impl Admitted {
    /// The caller.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl BusCallers {
    /// Starts without callers. Refused callers are noted in `journal`.
    #[must_use]
    pub fn new(journal: Journal) -> Self {
        Self { known: Mutex::default(), calls: Quota::new(CALLS), journal }
    }

    /// Admits the call with this header, if its sender may call at all and has not too many calls in
    /// progress.
    pub async fn admit(&self, connection: &Connection, header: &Header<'_>) -> Result<Admitted, Error> {
        let sender = header.sender().ok_or_else(unknown)?;
        let known = self.known(sender);
        let permit =
            known.calls.clone().try_acquire_owned().map_err(|_| full(QuotaExceeded { size: CALLS_EACH }))?;
        let caller = known.caller.get_or_try_init(|| ask(connection, sender)).await?;
        caller.admit().inspect_err(|error| self.journal.denied(caller, None, None, error))?;
        let slot = self.calls.acquire(&caller.application).map_err(full)?;
        slot.busy();
        Ok(Admitted { caller: caller.clone(), _slot: slot, _permit: permit })
    }

    fn known(&self, sender: &UniqueName<'_>) -> Arc<Known> {
        let mut all = lock(&self.known);
        if let Some(known) = all.get(sender) {
            return Arc::clone(known);
        }
        if all.len() >= REMEMBERED {
            all.retain(|_, known| Arc::strong_count(known) > 1);
        }
        let calls = Arc::new(Semaphore::new(CALLS_EACH));
        let known = Arc::new(Known { caller: OnceCell::new(), calls });
        all.insert(sender.to_owned().into(), Arc::clone(&known));
        known
    }
}

fn full(QuotaExceeded { size }: QuotaExceeded) -> Error {
    let reason = format!(
        "imgurd serves at most {size} calls at a time from this kind of caller; wait for some to finish, then try \
         again"
    );
    Error::unavailable(reason)
}

/// The sender of the message with this header.
///
/// # Errors
/// If the bus does not identify the sender.
pub async fn bus_caller(connection: &Connection, header: &Header<'_>) -> Result<Arc<Caller>, Error> {
    ask(connection, header.sender().ok_or_else(unknown)?).await
}

async fn ask(connection: &Connection, sender: &UniqueName<'_>) -> Result<Arc<Caller>, Error> {
    credentials(connection, sender).await.map_err(|error| {
        tracing::warn!(%error, %sender, "refused a caller that the bus did not identify");
        unknown()
    })
}

/// The bus takes these from its socket's `SO_PEERCRED`. It gives a descriptor of the process since dbus 1.15.8.
async fn credentials(connection: &Connection, sender: &UniqueName<'_>) -> zbus::Result<Arc<Caller>> {
    let since = uptime();
    let credentials = DBusProxy::new(connection).await?.get_connection_credentials(sender.into()).await?;
    let uid =
        credentials.unix_user_id().ok_or_else(|| zbus::Error::Failure("the bus names no user".to_owned()))?;
    let pid = credentials.process_id().and_then(|pid| pid.try_into().ok());
    let peer = Peer::named_by_the_bus(credentials.into_process_fd().map(Into::into));
    Ok(Arc::new(Caller::identify(uid, pid, Wire::Bus, since, &peer).0))
}

fn unknown() -> Error {
    Error::AccessDenied { reason: "The bus did not identify the caller; try again in a moment".to_owned() }
}
