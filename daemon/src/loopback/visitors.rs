//! The connections to a listener on the loopback interface. Every program on this machine can open some.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::http::accept;

/// The current visitors, the oldest first.
pub(crate) struct Visitors {
    places: usize,
    all: VecDeque<Visitor>,
    tasks: JoinSet<()>,
}

struct Visitor {
    task: AbortHandle,
    asked: Asked,
}

/// Whether a visitor has sent its request, and waits for its page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Visitors {
    /// Starts without visitors, with this many places.
    pub(crate) fn new(places: usize) -> Self {
        Self { places, all: VecDeque::new(), tasks: JoinSet::new() }
    }

    /// Admits the next connection of our own user once there is a place for it, or lets a visitor leave.
    pub(crate) async fn receive<T>(
        &mut self,
        sockets: &[impl Borrow<TcpListener>],
        visit: impl FnOnce(TcpStream, Asked) -> T,
    ) where
        T: Future<Output = ()> + Send + 'static,
    {
        let has_room = self.have_room();
        tokio::select! {
            stream = accept(sockets), if has_room => self.let_in(|asked| visit(stream, asked)),
            Some(()) = self.left() => {}
        }
    }

    /// Whether there is a free place.
    fn have_room(&mut self) -> bool {
        self.all.retain(|visitor| !visitor.task.is_finished());
        self.all.len() < self.places || self.all.iter().any(|visitor| !visitor.asked.get())
    }

    /// Admits a visitor. If all places are taken, the visitor that has been silent for the longest time is dropped: a
    /// real browser sends its request immediately, and other programs could stay silent to keep the user out.
    fn let_in<T>(&mut self, visit: impl FnOnce(Asked) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let silent = self.all.iter().position(|visitor| !visitor.asked.get());
        if self.all.len() >= self.places
            && let Some(visitor) = silent.and_then(|silent| self.all.remove(silent))
        {
            visitor.task.abort();
        }
        let asked = Asked::default();
        let task = self.tasks.spawn(visit(asked.clone()));
        self.all.push_back(Visitor { task, asked });
    }

    /// Disconnects visitors that have sent nothing. What a browser later sends over a spare connection is for the
    /// login that is open then.
    pub(crate) fn dismiss_silent(&mut self) {
        self.all.iter().filter(|visitor| !visitor.asked.get()).for_each(|visitor| visitor.task.abort());
    }

    /// Waits until another visitor has left; `None` if there is none.
    pub(crate) async fn left(&mut self) -> Option<()> {
        self.tasks.join_next().await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;

    use super::*;

    /// A visitor that stays, and a channel that closes when it is dropped.
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
    async fn drops_the_longest_silent_visitor_when_full() {
        let mut visitors = Visitors::new(3);
        let first = stays(&mut visitors, true);
        let second = stays(&mut visitors, false);
        let others: Vec<_> = (2..3).map(|_| stays(&mut visitors, true)).collect();
        tokio::task::yield_now().await;
        assert!(visitors.have_room());
        let late = stays(&mut visitors, true);
        assert!(second.await.is_err(), "the silent visitor was dropped");
        visitors.left().await;
        tokio::task::yield_now().await;
        assert!(!visitors.have_room(), "every visitor has sent its request");
        drop(visitors);
        for gone in others.into_iter().chain([first, late]) {
            assert!(gone.await.is_err());
        }
    }
}
