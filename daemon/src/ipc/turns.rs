//! Whose call is served next: one of each process, then one of each again. However fast a program asks, and over however
//! many connections, it delays another by one call.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::yield_now;

use crate::access::Caller;

/// The lines in which calls wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lines: HashMap<Option<i32>, Weak<Mutex<()>>>,
}

impl Turns {
    /// Where the calls of this caller's process wait.
    pub(super) fn line(&mut self, caller: &Caller) -> Line {
        if let Some(line) = self.lines.get(&caller.pid).and_then(Weak::upgrade) {
            return Line(line);
        }
        self.lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::default();
        self.lines.insert(caller.pid, Arc::downgrade(&line));
        Line(line)
    }
}

/// Where the calls of one process wait, whichever connection they come by.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<Mutex<()>>);

impl Line {
    /// Returns when it is this call's turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn(Some(self.0.lock().await))
    }
}

/// The right to be served.
pub(super) struct Turn<'a>(Option<MutexGuard<'a, ()>>);

impl Turn<'_> {
    /// Gives the turn up, once all others who are ready have had theirs: the runtime looks for who has become ready
    /// before it goes on with whoever yields.
    pub(super) async fn pass(&mut self) {
        if let Some(turn) = self.0.take() {
            yield_now().await;
            drop(turn);
        }
    }
}
