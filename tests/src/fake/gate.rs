//! Requests that wait until the test releases them, so that no test sleeps.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use super::Endpoint;

/// Holds requests back as long as it lives.
#[derive(Debug)]
#[must_use = "dropping the gate opens it"]
pub struct Gate(watch::Sender<()>);

impl Gate {
    /// Lets those that wait go on, and those that come after them.
    pub fn release(self) {
        drop(self.0);
    }
}

/// Where a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Before anything is done.
    Request,
    /// After everything is done, before the answer goes out.
    Answer,
}

#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<(Endpoint, Place), watch::Receiver<()>>>);

impl Gates {
    pub(super) fn close(&self, endpoint: Endpoint, place: Place) -> Gate {
        let (sender, receiver) = watch::channel(());
        self.0.lock().unwrap().insert((endpoint, place), receiver);
        Gate(sender)
    }

    pub(super) async fn pass(&self, endpoint: Endpoint, place: Place) {
        let gate = self.0.lock().unwrap().get(&(endpoint, place)).cloned();
        if let Some(mut gate) = gate {
            // Nothing is ever sent: the error says that the gate is gone.
            while gate.changed().await.is_ok() {}
        }
    }
}
