//! The callbacks of logins that have ended. They stay open for a moment, so that a browser that reloads its page sees it again.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::lock;

/// For how long a callback stays open after its login.
const LINGER: Duration = Duration::from_secs(5);

/// The callbacks that linger.
#[derive(Clone, Default)]
pub(super) struct Lingering(Arc<Mutex<Vec<(oneshot::Sender<()>, oneshot::Receiver<()>)>>>);

/// One of them. Its port is free once this is dropped.
pub(super) struct Lingerer {
    end: oneshot::Receiver<()>,
    _gone: oneshot::Sender<()>,
}

impl Lingering {
    pub(super) fn enter(&self) -> Lingerer {
        let (ended, end) = oneshot::channel();
        let (_gone, gone) = oneshot::channel();
        let mut all = lock(&self.0);
        all.retain(|(ended, _)| !ended.is_closed());
        all.push((ended, gone));
        Lingerer { end, _gone }
    }

    /// Ends all of them, and returns when their ports are free for another login.
    pub(super) async fn end(&self) {
        let (ended, gone): (Vec<_>, Vec<_>) = mem::take(&mut *lock(&self.0)).into_iter().unzip();
        drop(ended);
        for gone in gone {
            let _ = gone.await;
        }
    }
}

impl Lingerer {
    /// Returns when the time is over or another login needs the port.
    pub(super) async fn over(&mut self) {
        tokio::select! {
            _ = &mut self.end => {}
            () = sleep(LINGER) => {}
        }
    }
}
