//! Decides which call to serve next: one call of each process in turn. However fast a program calls, and over however many
//! connections, it delays another program's call by at most a few of its own calls. A sandboxed app counts as one process,
//! however many processes it starts.
//!
//! The runtime has one thread and runs tasks in the order in which they become ready. Without turns, the program with the most
//! connections would be served most.

use std::collections::HashMap;
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Weak};
use std::task::Poll;

use tokio::sync::{Mutex, MutexGuard};

use crate::access::{Application, Caller};

/// The queues of all processes and sandboxed applications that have a connection.
#[derive(Debug, Default)]
pub(crate) struct Queues(HashMap<Owner, Weak<Calls>>);

/// The owner of a queue of calls.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Owner {
    Process(Option<i32>),
    Sandboxed(Application),
}

impl Queues {
    pub(crate) fn queue(&mut self, caller: &Caller) -> Queue {
        self.queue_of(&caller.application, caller.pid)
    }

    fn queue_of(&mut self, application: &Application, process: Option<i32>) -> Queue {
        let owner = match application {
            sandboxed if sandboxed.is_sandboxed() => Owner::Sandboxed(sandboxed.clone()),
            _ => Owner::Process(process),
        };
        if let Some(queue) = self.0.get(&owner).and_then(Weak::upgrade) {
            return Queue(queue);
        }
        self.0.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::default();
        self.0.insert(owner, Arc::downgrade(&queue));
        Queue(queue)
    }
}

#[derive(Debug, Default)]
struct Calls {
    served: Mutex<()>,
    /// Each waiting call holds a clone.
    waiting: Arc<()>,
}

/// The queue of a process or a sandboxed application, for all its connections.
#[derive(Clone, Debug)]
pub(crate) struct Queue(Arc<Calls>);

impl Queue {
    pub(super) async fn wait(&self) -> Turn<'_> {
        let _waiting = Arc::clone(&self.0.waiting);
        Turn { served: Some(self.0.served.lock().await), waiting: &self.0.waiting }
    }
}

/// The right to be served now.
pub(super) struct Turn<'a> {
    served: Option<MutexGuard<'a, ()>>,
    waiting: &'a Arc<()>,
}

impl Turn<'_> {
    /// Ends the turn. The next call in the queue runs after all tasks that are ready now. If none is waiting, the
    /// turn is kept until those have run, so that a call that comes meanwhile has to wait as well.
    pub(super) async fn end(&mut self) {
        if let Some(served) = self.served.take() {
            if Arc::strong_count(self.waiting) == 1 {
                run_ready_tasks().await;
            }
            drop(served);
        }
    }
}

/// Lets each ready task run once. [`tokio::task::yield_now`] would ask the kernel each time which other tasks have
/// become ready; the runtime asks after a few tasks (`event_interval` in `main`).
pub(super) async fn run_ready_tasks() {
    let mut has_yielded = false;
    poll_fn(|context| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_processes_of_a_sandboxed_app_share_one_turn() {
        let mut queues = Queues::default();
        let mut shares = |one: &Application, other: &Application| {
            let (one, other) = (queues.queue_of(one, Some(1)), queues.queue_of(other, Some(2)));
            let turn = one.wait().now_or_never();
            assert!(turn.is_some());
            let is_kept_waiting = other.wait().now_or_never().is_none();
            drop(turn);
            assert!(
                other.wait().now_or_never().is_some(),
                "the second caller gets its turn once the first has ended"
            );
            is_kept_waiting
        };
        let app = |name: &str| Application::Sandbox(name.to_owned());
        assert!(shares(&app("org.example.App"), &app("org.example.App")));
        assert!(shares(&Application::Nameless, &Application::Nameless));
        assert!(!shares(&app("org.example.App"), &app("org.example.Other")));
        assert!(!shares(&app("org.example.App"), &Application::Unknown));
        assert!(
            !shares(&Application::Unknown, &Application::Unknown),
            "each of the user's own programs has its own queue"
        );
    }
}
