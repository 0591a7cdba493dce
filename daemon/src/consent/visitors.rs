//! The connections to the callback's address. Every program on this machine can connect there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{AbortHandle, JoinSet};

/// More than a browser opens.
const PLACES: usize = 16;

/// The current visitors, the longest connected first.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    all: VecDeque<Visitor>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Visitor {
    task: AbortHandle,
    asked: Asked,
}

/// Whether a visitor has said all that it has to say, and waits for its page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Visitors {
    /// Whether another one can come in.
    pub(super) fn have_room(&mut self) -> bool {
        self.all.retain(|visitor| !visitor.task.is_finished());
        self.all.len() < PLACES || self.all.iter().any(|visitor| !visitor.asked.get())
    }

    /// Admits a visitor. If all places are taken, the visitor that has been silent for the longest time loses its
    /// place: a browser sends its request immediately, and other programs could stay silent to keep the user out.
    pub(super) fn let_in<T>(&mut self, visit: impl FnOnce(Asked) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let silent = self.all.iter().position(|visitor| !visitor.asked.get());
        if self.all.len() >= PLACES
            && let Some(visitor) = silent.and_then(|silent| self.all.remove(silent))
        {
            visitor.task.abort();
        }
        let asked = Asked::default();
        let task = self.tasks.spawn(visit(asked.clone()));
        self.all.push_back(Visitor { task, asked });
    }

    /// Disconnects visitors that have sent nothing: a browser may keep such a connection in reserve, and would use it
    /// for a later login.
    pub(super) fn dismiss_silent(&mut self) {
        self.all.iter().filter(|visitor| !visitor.asked.get()).for_each(|visitor| visitor.task.abort());
    }

    /// Returns when a visitor has left; `None` if there is none.
    pub(super) async fn left(&mut self) -> Option<()> {
        self.tasks.join_next().await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    /// One who stays, and what tells when they are gone.
    fn stays(visitors: &mut Visitors, asks: bool) -> oneshot::Receiver<()> {
        let (here, gone) = oneshot::channel::<()>();
        visitors.let_in(|asked| async move {
            let _here = here;
            if asks {
                asked.set();
            }
            pending::<()>().await;
        });
        gone
    }

    #[tokio::test]
    async fn who_says_nothing_longest_gives_way_and_who_waits_for_a_page_does_not() {
        let mut visitors = Visitors::default();
        let first = stays(&mut visitors, true);
        let second = stays(&mut visitors, false);
        let others: Vec<_> = (2..PLACES).map(|_| stays(&mut visitors, true)).collect();
        tokio::task::yield_now().await;
        assert!(visitors.have_room());
        let late = stays(&mut visitors, true);
        assert!(second.await.is_err(), "gone");
        visitors.left().await;
        tokio::task::yield_now().await;
        assert!(!visitors.have_room(), "all have asked");
        drop(visitors);
        for gone in others.into_iter().chain([first, late]) {
            assert!(gone.await.is_err());
        }
    }
}
