//! The callbacks of logins that have ended. They stay open for a moment, so that a browser that reloads its page sees it again.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::mutex::lock;

/// How long a callback stays open after its login.
const LINGER: Duration = Duration::from_secs(5);

/// The callbacks that are still open.
#[derive(Clone, Default)]
pub(super) struct Lingering(Arc<Mutex<Vec<Exit>>>);

/// Closes one of them: dropping `ended` closes it, and `gone` reports when its port is free.
struct Exit {
    ended: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

/// A callback that is still open. Dropping this frees its port.
pub(super) struct Lingerer {
    end: oneshot::Receiver<()>,
    _gone: oneshot::Sender<()>,
}

impl Lingering {
    pub(super) fn enter(&self) -> Lingerer {
        let (ended, end) = oneshot::channel();
        let (is_gone, gone) = oneshot::channel();
        let mut all = lock(&self.0);
        all.retain(|exit| !exit.ended.is_closed());
        all.push(Exit { ended, gone });
        Lingerer { end, _gone: is_gone }
    }

    /// Closes all of them, and returns when their ports are free.
    pub(super) async fn end(&self) {
        let exits = mem::take(&mut *lock(&self.0));
        let all_gone: Vec<_> = exits.into_iter().map(|exit| exit.gone).collect();
        for gone in all_gone {
            let _ = gone.await;
        }
    }
}

impl Lingerer {
    /// Returns when its time is over, or another login needs the port.
    pub(super) async fn over(&mut self) {
        tokio::select! {
            _ = &mut self.end => {}
            () = sleep(LINGER) => {}
        }
    }
}
