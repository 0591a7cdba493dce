//! Requests that wait until the test releases them, so that no test has to sleep.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::watch;

use super::Endpoint;

/// Holds requests until it is dropped.
#[derive(Debug)]
#[must_use = "dropping the gate opens it"]
pub struct Gate(watch::Sender<()>);

impl Gate {
    /// Releases the waiting requests, and lets later ones pass.
    pub fn release(self) {
        drop(self.0);
    }
}

/// Where a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Before it is processed.
    Request,
    /// After it is processed, before the answer is sent.
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
            // The channel never carries a value. The error means that the gate was dropped.
            while gate.changed().await.is_ok() {}
        }
    }
}
