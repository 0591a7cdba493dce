//! Whose call is served next: one of each process, then one of each again. However fast a program asks, and over however
//! many connections, it delays another by one call. A sandboxed application counts as one process, however many it starts.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::yield_now;

use crate::access::{Application, Caller};

/// The lines in which calls wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lines: HashMap<Who, Weak<Calls>>,
    /// Held by each line, and so counting them.
    count: Arc<()>,
}

/// Those of one line.
#[derive(Debug)]
struct Calls {
    served: Mutex<()>,
    count: Arc<()>,
}

/// Whose calls wait in the same line.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Who {
    Process(Option<i32>),
    Sandboxed(Application),
}

impl Turns {
    /// Where the calls of this caller wait.
    pub(super) fn line(&mut self, caller: &Caller) -> Line {
        self.line_of(caller.application(), caller.pid)
    }

    fn line_of(&mut self, application: &Application, process: Option<i32>) -> Line {
        let who = match application {
            sandboxed if sandboxed.is_sandboxed() => Who::Sandboxed(sandboxed.clone()),
            _ => Who::Process(process),
        };
        if let Some(line) = self.lines.get(&who).and_then(Weak::upgrade) {
            return Line(line);
        }
        self.lines.retain(|_, line| line.strong_count() > 0);
        let line = Arc::new(Calls { served: Mutex::default(), count: Arc::clone(&self.count) });
        self.lines.insert(who, Arc::downgrade(&line));
        Line(line)
    }
}

/// Where the calls of a process or a sandboxed application wait, whichever connection they come by.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<Calls>);

impl Line {
    /// Returns when it is this call's turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn { served: Some(self.0.served.lock().await), count: &self.0.count }
    }
}

/// The right to be served.
pub(super) struct Turn<'a> {
    served: Option<MutexGuard<'a, ()>>,
    count: &'a Arc<()>,
}

impl Turn<'_> {
    /// Gives the turn up, once all others who are ready have had theirs: the runtime looks for who has become ready
    /// before it goes on with whoever yields. Where one line is all that there is, nobody else waits, and who is just
    /// coming waits for no more calls than the runtime lets a task make in a row.
    pub(super) async fn pass(&mut self) {
        let is_alone = Arc::strong_count(self.count) <= 2;
        if let Some(served) = self.served.take()
            && !is_alone
        {
            yield_now().await;
            drop(served);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_sandboxed_application_has_one_turn_however_many_processes_it_starts() {
        let mut turns = Turns::default();
        let mut shares = |one: &Application, other: &Application| {
            let (one, other) = (turns.line_of(one, Some(1)), turns.line_of(other, Some(2)));
            let turn = one.turn().now_or_never();
            assert!(turn.is_some());
            let is_kept_waiting = other.turn().now_or_never().is_none();
            drop(turn);
            assert!(other.turn().now_or_never().is_some(), "it comes to its turn");
            is_kept_waiting
        };
        let app = |name: &str| Application::Sandbox(name.to_owned());
        assert!(shares(&app("org.example.App"), &app("org.example.App")));
        assert!(shares(&Application::Nameless, &Application::Nameless));
        assert!(!shares(&app("org.example.App"), &app("org.example.Other")));
        assert!(!shares(&app("org.example.App"), &Application::Unknown));
        assert!(
            !shares(&Application::Unknown, &Application::Unknown),
            "the user's own programs have one each"
        );
    }
}
