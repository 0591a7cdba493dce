//! Whose call is served next: one of each process, then one of each again. However fast a program asks, and over however
//! many connections, it delays another by one call.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::yield_now;

use crate::access::Caller;

/// How many calls a process has served at a time while no other is connected: one that connects waits for no more.
const ALONE: usize = 8;

/// The lines in which calls wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lines: HashMap<Option<i32>, Weak<Calls>>,
    /// How many processes are connected.
    processes: Arc<AtomicUsize>,
}

impl Turns {
    /// Where the calls of this caller's process wait.
    pub(super) fn line(&mut self, caller: &Caller) -> Line {
        if let Some(line) = self.lines.get(&caller.pid).and_then(Weak::upgrade) {
            return Line(line);
        }
        self.lines.retain(|_, line| line.strong_count() > 0);
        self.processes.fetch_add(1, Ordering::Relaxed);
        let line = Arc::new(Calls { served: Mutex::default(), processes: Arc::clone(&self.processes) });
        self.lines.insert(caller.pid, Arc::downgrade(&line));
        Line(line)
    }
}

/// Those of one process.
#[derive(Debug)]
struct Calls {
    /// How many were served since it last gave its turn up.
    served: Mutex<usize>,
    processes: Arc<AtomicUsize>,
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.processes.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where the calls of one process wait, whichever connection they come by.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<Calls>);

impl Line {
    /// Returns when it is this call's turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn { served: Some(self.0.served.lock().await), processes: &self.0.processes }
    }
}

/// The right to be served.
pub(super) struct Turn<'a> {
    served: Option<MutexGuard<'a, usize>>,
    processes: &'a AtomicUsize,
}

impl Turn<'_> {
    /// Gives the turn up, once all others who are ready have had theirs: the runtime looks for who has become ready
    /// before it goes on with whoever yields. A process that is alone has no others, but for one that is just coming.
    pub(super) async fn pass(&mut self) {
        let Some(mut served) = self.served.take() else { return };
        *served += 1;
        if *served >= ALONE || self.processes.load(Ordering::Relaxed) > 1 {
            *served = 0;
            yield_now().await;
        }
    }
}
