//! The signals that stop imgurd, or make it read its configuration again.

use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Reload,
    Stop,
}

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            Some(()) = self.terminate.recv() => Request::Stop,
            Some(()) = self.interrupt.recv() => Request::Stop,
            Some(()) = self.hangup.recv() => Request::Reload,
            else => pending().await,
        }
    }
}
