//! What the requests to an open gateway share.

use std::net::SocketAddr;

use super::codes::Codes;
use super::last_tokens::LastTokens;
use crate::ipc::Api;

/// What requests to an open gateway need.
pub(super) struct Server {
    pub(super) api: Api,
    pub(super) address: SocketAddr,
    pub(super) codes: Codes,
    pub(super) last_tokens: LastTokens,
}

impl Server {
    pub(super) fn new(api: Api, address: SocketAddr) -> Self {
        Self { api, address, codes: Codes::default(), last_tokens: LastTokens::default() }
    }
}
