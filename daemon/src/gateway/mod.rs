//! The gateway: a small OAuth 2.0 server on the loopback interface, for programs that can only use OAuth. It hands out the
//! account's real access token and its own refresh token. Its calls pass the same gate as those of every other wire.
//!
//! It is off unless `[gateway] listen` is set. While it is off, none of its tasks run, and it has no memory allocated.

mod authorize;
mod clients;
mod codes;
mod last_tokens;
mod metadata;
mod oauth_error;
mod page;
mod parameters;
mod reply;
mod routes;
mod server;
mod token;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::text::cause;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::ipc::Api;
use server::Server;

/// The first pause before imgurd tries again to listen at an address that is in use. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The gateway, which listens or not as the configuration says.
pub struct Gateway {
    api: Api,
    open: Option<Open>,
    /// The pause before the next try, if it should be open and is not.
    pause: Option<Duration>,
}

struct Open {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Gateway {
    /// A gateway that is closed until [`follow`](Self::follow) opens it.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self { api, open: None, pause: None }
    }

    /// Opens or closes it, as the configuration says now.
    pub async fn follow(&mut self) {
        let generation = self.api.editor.generation();
        let wanted = self.api.editor.current().gateway.listen;
        let is_as_wanted = self.open.as_ref().map(|open| open.address) == wanted;
        let trouble = if is_as_wanted { None } else { self.reopen(wanted).await };
        self.api.clients.note_followed(generation, trouble);
    }

    /// Returns when [`follow`](Self::follow) should try again to open it.
    pub async fn retry_due(&self) {
        match self.pause {
            Some(pause) => sleep(pause).await,
            None => pending().await,
        }
    }

    /// Says why it cannot be opened, if it cannot.
    async fn reopen(&mut self, wanted: Option<SocketAddr>) -> Option<String> {
        if let Some(Open { address, task }) = self.open.take() {
            task.abort();
            // Its port is free once it has ended.
            let _ = task.await;
            tracing::info!(%address, "the gateway is closed");
        }
        let failed = self.pause.take();
        let address = wanted?;
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let server = Arc::new(Server::new(self.api.clone(), address));
                let task = tokio::spawn(routes::listen([listener], server));
                self.open = Some(Open { address, task });
                tracing::info!(%address, "the gateway is open");
                None
            }
            Err(error) => {
                if failed.is_none() {
                    tracing::error!(%address, %error, "the gateway cannot listen; imgurd keeps trying");
                }
                self.pause = Some(failed.map_or(FIRST_PAUSE, |pause| LONGEST_PAUSE.min(pause * 2)));
                Some(format!(
                    "imgurd cannot listen on {address} ({error}); end the program that uses the port, or choose \
                     another port with `imgurctl gateway on --listen ADDRESS`",
                    error = cause(&error)
                ))
            }
        }
    }
}
