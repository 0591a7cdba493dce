//! Who is calling over D-Bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use imgurd_proto::Error;
use tokio::sync::OnceCell;
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};

use super::Caller;

/// How many callers are remembered. The next one empties the memory: asking again costs a round trip.
const REMEMBERED: usize = 512;

/// The callers on one connection to a bus. Each is asked about once: a bus never gives a unique name out twice.
#[derive(Debug, Default)]
pub struct BusCallers {
    known: Mutex<HashMap<OwnedUniqueName, Arc<OnceCell<Caller>>>>,
}

impl BusCallers {
    /// Who sent the message with this header, if it may call at all.
    pub async fn admit(&self, connection: &Connection, header: &Header<'_>) -> Result<Caller, Error> {
        let sender = header.sender().ok_or_else(unknown)?;
        let caller = self.cell(sender);
        let caller = caller.get_or_try_init(|| ask(connection, sender)).await.map_err(|error| {
            tracing::warn!(%error, %sender, "refused a caller whom the bus does not name");
            unknown()
        })?;
        if caller.is_own() {
            return Ok(*caller);
        }
        tracing::warn!(uid = caller.uid, "refused another user");
        Err(Error::AccessDenied {
            reason: "These tokens are another user's; run imgurd as the user who calls".to_owned(),
        })
    }

    fn cell(&self, sender: &UniqueName<'_>) -> Arc<OnceCell<Caller>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.get(sender) {
            return Arc::clone(cell);
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        Arc::clone(known.entry(sender.to_owned().into()).or_default())
    }
}

async fn ask(connection: &Connection, sender: &UniqueName<'_>) -> zbus::Result<Caller> {
    let credentials = DBusProxy::new(connection).await?.get_connection_credentials(sender.into()).await?;
    let uid =
        credentials.unix_user_id().ok_or_else(|| zbus::Error::Failure("it names no user".to_owned()))?;
    Ok(Caller { uid, pid: credentials.process_id().and_then(|pid| pid.try_into().ok()) })
}

fn unknown() -> Error {
    Error::AccessDenied { reason: "The bus does not say who is calling; try again in a moment".to_owned() }
}
