//! Our own connection to the session bus: made when first needed, and again once it is lost.

use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use zbus::Connection;
use zbus::connection::Builder;

use super::{changes, sentences};
use crate::store::StoreError;

/// How long anything may take that waits for no person.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// The connection, and where changes seen on it are counted.
#[derive(Debug)]
pub(super) struct Bus {
    last: Mutex<Last>,
    changes: watch::Sender<u64>,
}

/// How the last try to connect went.
#[derive(Debug)]
enum Last {
    Untried,
    Failed,
    Connected(Connection),
}

impl Bus {
    pub(super) fn new(changes: watch::Sender<u64>) -> Self {
        Self { last: Mutex::new(Last::Untried), changes }
    }

    /// The connection. Nobody is told when a bus is back: whoever asks next finds it, and then all hear of it.
    pub(super) async fn connection(&self) -> Result<Connection, StoreError> {
        let mut last = self.last.lock().await;
        match &*last {
            Last::Connected(connection) if !connection.is_closed() => return Ok(connection.clone()),
            Last::Untried => {}
            Last::Failed | Last::Connected(_) => self.changes.send_modify(|count| *count += 1),
        }
        *last = Last::Failed;
        let connected = timeout(ANSWER, self.connect()).await;
        let connection = connected.map_err(|_| sentences::no_bus(&"it does not answer"))??;
        *last = Last::Connected(connection.clone());
        Ok(connection)
    }

    async fn connect(&self) -> Result<Connection, StoreError> {
        let connection = Builder::session().method_timeout(ANSWER).build().await;
        let connection = connection.map_err(|error| sentences::no_bus(&error))?;
        changes::follow(&connection, self.changes.clone()).await.map_err(sentences::from_bus)?;
        Ok(connection)
    }
}
