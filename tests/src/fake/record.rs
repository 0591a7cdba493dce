//! The log of requests. Tests read it and wait for requests.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::Endpoint;

/// How long a test waits for a request before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// Its `Authorization` header.
    pub authorization: Option<String>,
    /// The fields of its urlencoded body.
    pub form: HashMap<String, String>,
    /// The status of the answer. `None` if there is no answer yet or the connection was dropped.
    pub status: Option<u16>,
    /// When it arrived.
    pub at: Instant,
    /// When the last byte that was sent so far was written.
    pub sent: Option<Instant>,
    pub(super) finished: bool,
}

/// A stage of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has arrived.
    Arrived,
    /// Its answer is being sent.
    Sent,
}

impl Recorded {
    /// Its `grant_type`.
    pub fn grant_type(&self) -> Option<&str> {
        self.form.get("grant_type").map(String::as_str)
    }

    /// Its refresh token.
    pub fn refresh_token(&self) -> Option<&str> {
        self.form.get("refresh_token").map(String::as_str)
    }
}

#[derive(Debug, Default)]
pub(super) struct Log {
    requests: Mutex<Vec<Recorded>>,
    changed: Condvar,
}

impl Log {
    /// Records a request, and returns its number for [`Self::finish`].
    pub(super) fn arrive(&self, request: Recorded) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(request);
        self.changed.notify_all();
        requests.len() - 1
    }

    pub(super) fn finish(&self, number: usize, status: Option<u16>) {
        let mut requests = self.requests.lock().unwrap();
        requests[number].status = status;
        requests[number].finished = true;
        self.changed.notify_all();
    }

    /// Records that the client disconnected before the answer.
    pub(super) fn abandon(&self, number: usize) {
        self.requests.lock().unwrap()[number].finished = true;
        self.changed.notify_all();
    }

    /// Records when a part of the answer was written. The last part counts.
    pub(super) fn sent(&self, number: usize, at: Instant) {
        self.requests.lock().unwrap()[number].sent = Some(at);
        self.changed.notify_all();
    }

    pub(super) fn since(&self, endpoint: Endpoint, begin: Instant) -> Vec<Recorded> {
        let requests = self.requests.lock().unwrap();
        let recent = requests.iter().rev().take_while(|request| request.at >= begin);
        let mut recent: Vec<_> = recent.filter(|request| request.endpoint == endpoint).cloned().collect();
        recent.reverse();
        recent
    }

    /// Waits until one more request has reached this stage, but no longer than `patience`.
    pub(super) fn wait_for_next(&self, stage: Stage, patience: Duration) {
        let count = |requests: &[Recorded]| match stage {
            Stage::Arrived => requests.len(),
            Stage::Sent => requests.iter().filter(|request| request.sent.is_some()).count(),
        };
        let requests = self.requests.lock().unwrap();
        let before = count(&requests);
        drop(self.changed.wait_timeout_while(requests, patience, |all| count(all) == before).unwrap());
    }

    pub(super) fn of(&self, endpoint: Endpoint) -> Vec<Recorded> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.endpoint == endpoint).cloned().collect()
    }

    /// Waits until `enough` is true for the requests at `endpoint`.
    pub(super) fn wait(
        &self,
        endpoint: Endpoint,
        wanted: &str,
        enough: impl Fn(&[&Recorded]) -> bool,
    ) -> Vec<Recorded> {
        let requests = self.requests.lock().unwrap();
        let matching = |all: &[Recorded]| {
            let some: Vec<_> = all.iter().filter(|request| request.endpoint == endpoint).collect();
            enough(&some)
        };
        let (requests, _) =
            self.changed.wait_timeout_while(requests, PATIENCE, |all| !matching(all)).unwrap();
        assert!(
            matching(&requests),
            "waited {PATIENCE:?} for {wanted} at {endpoint:?}; there were {}",
            describe(&requests)
        );
        drop(requests);
        self.of(endpoint)
    }
}

/// The requests for the message of a failed test, without secrets.
fn describe(requests: &[Recorded]) -> String {
    let lines: Vec<_> = requests
        .iter()
        .map(|request| {
            let grant = request.grant_type().unwrap_or_default();
            format!("{:?} {grant} -> {:?}", request.endpoint, request.status)
        })
        .collect();
    if lines.is_empty() { "no requests at all".to_owned() } else { lines.join(", ") }
}
