//! What the requests to an open gateway share.

use std::net::SocketAddr;

use tokio::sync::Semaphore;

use super::codes::Codes;
use super::last_tokens::LastTokens;
use crate::ipc::Api;

/// How many connections imgurd examines at a time. A program that opens pages without end keeps no more threads busy.
const EXAMINATIONS: usize = 2;

/// What requests to an open gateway need.
pub(super) struct Server {
    pub(super) api: Api,
    pub(super) address: SocketAddr,
    pub(super) codes: Codes,
    pub(super) last_tokens: LastTokens,
    pub(super) examinations: Semaphore,
}

impl Server {
    pub(super) fn new(api: Api, address: SocketAddr) -> Self {
        Self {
            api,
            address,
            codes: Codes::default(),
            last_tokens: LastTokens::default(),
            examinations: Semaphore::new(EXAMINATIONS),
        }
    }
}
