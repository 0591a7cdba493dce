//! Processes that have just called. A program that makes a connection for each call is not looked up each time: what may
//! have become of it since is seen by its cgroup, which is read anew.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::application::{Identity, Look, number};

/// For how long a process is not looked up anew. It may become another program meanwhile (execve(2)), whose name the
/// journal then has late.
const WHILE: Duration = Duration::from_secs(1);

/// How many are remembered, each with two descriptors.
const REMEMBERED: usize = 8;

/// Who called last.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Mutex<VecDeque<Seen>>>);

#[derive(Debug)]
struct Seen {
    pid: i32,
    at: Instant,
    look: Look,
}

impl Recent {
    /// Who `pid` is, which was there already when the machine was up for `since` (`CLOCK_BOOTTIME`).
    pub(super) fn identity(&self, pid: Option<i32>, since: Duration) -> Arc<Identity> {
        let Some(number) = number(pid) else { return Arc::new(Identity::nameless()) };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.iter().find(|seen| Some(seen.pid) == pid && seen.at.elapsed() < WHILE);
        if let Some(identity) = known.and_then(|seen| seen.look.again(since)) {
            return identity;
        }
        let Some(look) = Look::at(number) else { return Arc::new(Identity::gone()) };
        let identity = look.identity(since);
        seen.retain(|seen| Some(seen.pid) != pid && seen.at.elapsed() < WHILE);
        if let Some(pid) = pid {
            seen.truncate(REMEMBERED - 1);
            seen.push_front(Seen { pid, at: Instant::now(), look });
        }
        identity
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Application, uptime};
    use super::*;

    #[test]
    fn who_calls_again_is_not_looked_up_again() {
        let (recent, pid) = (Recent::default(), std::process::id().try_into().ok());
        // On a machine that is busy beyond measure a second may pass between the two.
        let again = (0..100).find_map(|_| {
            let (begin, first) = (Instant::now(), recent.identity(pid, uptime()));
            let second = recent.identity(pid, uptime());
            (begin.elapsed() < WHILE).then_some((first, second))
        });
        let (first, second) = again.expect("two calls within a second");
        assert_ne!(first.application, Application::Gone);
        assert!(Arc::ptr_eq(&first, &second));
        // A call from before this process began is somebody else's, though it is known.
        assert_eq!(recent.identity(pid, Duration::ZERO).application, Application::Gone);
    }

    #[test]
    fn who_has_ended_is_not_taken_for_who_called_before() {
        let recent = Recent::default();
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id().try_into().ok();
        assert_ne!(recent.identity(pid, uptime()).application, Application::Gone);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(recent.identity(pid, uptime()).application, Application::Gone);
    }

    #[test]
    fn no_more_are_remembered_than_have_room() {
        let recent = Recent::default();
        let mut children: Vec<_> = (0..REMEMBERED + 2)
            .map(|_| std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap())
            .collect();
        for child in &children {
            recent.identity(child.id().try_into().ok(), uptime());
        }
        assert!(recent.0.lock().unwrap().len() <= REMEMBERED);
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
