//! Where the session bus is, and waiting for it.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use zbus::Address;
use zbus::address::Transport;
use zbus::address::transport::UnixSocket;
use zbus::connection::{Builder, Connection};

use crate::watch::FileWatch;

/// How long a bus may take to answer what is asked of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// When it is tried again while a bus does not take connections although its socket is there: one that starts binds it
/// first and listens then. After these only another socket is reason to try.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// The person's session bus.
pub(super) struct SessionBus {
    address: Address,
    socket: Option<PathBuf>,
}

impl SessionBus {
    /// Where `DBUS_SESSION_BUS_ADDRESS` says, else at `$XDG_RUNTIME_DIR/bus`.
    pub(super) fn find() -> zbus::Result<Self> {
        let address = Address::session()?;
        let socket = match address.transport() {
            Transport::Unix(unix) => match unix.path() {
                UnixSocket::File(path) => Some(path.clone()),
                _ => None,
            },
            _ => None,
        };
        // Without its guid: a bus that is started again has another one, and is the person's all the same.
        Ok(Self { address: Address::new(address.transport().clone()), socket })
    }

    /// Connects to it.
    pub(super) async fn connect(&self) -> zbus::Result<Connection> {
        let builder = Builder::address(self.address.clone()).method_timeout(PATIENCE);
        let timed_out = || zbus::Error::Failure("it does not answer".to_owned());
        timeout(PATIENCE, builder.build()).await.map_err(|_| timed_out())?
    }

    /// Connects as soon as it is there.
    pub(super) async fn wait(&self) -> Connection {
        loop {
            // Watching before trying, so that no bus appears unnoticed between the two.
            let watch = self.socket.as_deref().map(FileWatch::for_appearance).transpose();
            for pause in [Duration::ZERO].into_iter().chain(RETRIES) {
                if self.socket.as_ref().is_some_and(|socket| !socket.exists()) {
                    break;
                }
                sleep(pause).await;
                if let Ok(connection) = self.connect().await {
                    return connection;
                }
            }
            match watch {
                Ok(Some(watch)) if watch.changed().await.is_ok() => {}
                _ => pending().await,
            }
        }
    }
}
