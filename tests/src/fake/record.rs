//! The log of requests, which tests read and wait for.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::Endpoint;

/// How long a test waits for a request before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where it arrived.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// Its `Authorization` header.
    pub authorization: Option<String>,
    /// The fields of its urlencoded body.
    pub form: HashMap<String, String>,
    /// The status answered; none as long as there is no answer, or where the connection was dropped instead.
    pub status: Option<u16>,
    /// When it arrived, in real time.
    pub at: Instant,
    /// When the last byte of the answer so far was handed to the network, in real time.
    pub sent: Option<Instant>,
    pub(super) finished: bool,
}

/// How far a request can get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is here.
    Arrived,
    /// Its answer is on its way to the client.
    Sent,
}

impl Recorded {
    /// The `grant_type` presented.
    pub fn grant_type(&self) -> Option<&str> {
        self.form.get("grant_type").map(String::as_str)
    }

    /// The refresh token presented.
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
    /// Takes down a request; the number is for [`Self::finish`].
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

    /// The client left before there was an answer.
    pub(super) fn abandon(&self, number: usize) {
        self.requests.lock().unwrap()[number].finished = true;
        self.changed.notify_all();
    }

    /// Takes down when a part of the answer was written; the last one counts.
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

    /// Blocks until one more request has got so far; not for longer than `patience`.
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

    /// Blocks until `enough` is true of the requests of `endpoint`.
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

/// The requests as a failed test shows them: nothing secret.
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
