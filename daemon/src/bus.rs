//! A D-Bus connection that all rooms share. It is made again whenever the bus returns.

mod bounded;

use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use zbus::Address;
use zbus::address::Transport;
use zbus::address::transport::UnixSocket;
use zbus::connection::{Builder, Connection};

use self::bounded::Bounded;
use crate::file_watch::FileWatch;

/// How long a bus, or a service on it, may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pauses between tries while the socket exists but takes no connections: a bus that starts binds it before it listens.
/// After these, only a new socket is tried.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// A way to the bus, while there is one. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Bus {
    link: watch::Receiver<Link>,
}

#[derive(Clone, Debug)]
enum Link {
    Untried,
    Absent(String),
    Present(Connection),
}

impl Link {
    fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Present(connection) if !connection.is_closed() => Some(connection),
            _ => None,
        }
    }
}

impl Bus {
    /// Begins to look for the user's bus, where `DBUS_SESSION_BUS_ADDRESS` says, else at `$XDG_RUNTIME_DIR/bus`.
    #[must_use]
    pub fn session() -> Self {
        Self::open("session", Address::session())
    }

    /// Begins to look for the machine's bus, where `DBUS_SYSTEM_BUS_ADDRESS` says, else where it always is.
    #[must_use]
    pub fn system() -> Self {
        Self::open("system", Address::system())
    }

    fn open(bus: &'static str, address: zbus::Result<Address>) -> Self {
        let (sender, link) = watch::channel(Link::Untried);
        tokio::spawn(maintain(bus, address.map(|address| Location::of(&address)), sender));
        Self { link }
    }

    /// The connection as it is now, once the first try has come to its end; without one, why there is none.
    pub async fn connection(&self) -> Result<Connection, String> {
        let mut link = self.link.clone();
        match link.wait_for(|link| !matches!(link, Link::Untried)).await.as_deref() {
            Ok(Link::Absent(reason)) => Err(reason.clone()),
            Ok(link) => link.connection().cloned().ok_or_else(|| "it has ended".to_owned()),
            Err(_) => Err("the daemon is stopping".to_owned()),
        }
    }

    /// The connection as soon as there is one.
    pub async fn wait(&self) -> Connection {
        let mut link = self.link.clone();
        let present = link.wait_for(|link| link.connection().is_some()).await;
        match present.ok().and_then(|link| link.connection().cloned()) {
            Some(connection) => connection,
            None => pending().await,
        }
    }
}

async fn maintain(bus: &'static str, place: zbus::Result<Location>, link: watch::Sender<Link>) {
    let place = match place {
        Ok(place) => place,
        Err(error) => {
            tracing::warn!(%error, bus, "the environment has no address of the bus");
            link.send_replace(Link::Absent(error.to_string()));
            return;
        }
    };
    let mut connected = place.connect().await.map_err(|error| error.to_string());
    loop {
        let connection = match connected {
            Ok(connection) => connection,
            Err(reason) => {
                tracing::info!(reason, bus, "there is no bus just now");
                link.send_replace(Link::Absent(reason));
                place.wait().await
            }
        };
        link.send_replace(Link::Present(connection.clone()));
        connection.closed().await;
        connected = Err("it has ended".to_owned());
    }
}

struct Location {
    address: Address,
    socket: Option<PathBuf>,
}

impl Location {
    fn of(address: &Address) -> Self {
        let socket = match address.transport() {
            Transport::Unix(unix) => match unix.path() {
                UnixSocket::File(path) => Some(path.clone()),
                _ => None,
            },
            _ => None,
        };
        // Without its GUID, which changes when the bus is restarted.
        Self { address: Address::new(address.transport().clone()), socket }
    }

    async fn connect(&self) -> zbus::Result<Connection> {
        let timed_out = || zbus::Error::Failure("it does not answer".to_owned());
        let connecting = async {
            let builder = match self.stream().await? {
                Some(stream) => Builder::socket(Bounded(stream)),
                None => Builder::address(self.address.clone()),
            };
            builder.method_timeout(PATIENCE).build().await
        };
        timeout(PATIENCE, connecting).await.map_err(|_| timed_out())?
    }

    /// A stream to the socket of the bus, where it has one on this machine.
    async fn stream(&self) -> io::Result<Option<UnixStream>> {
        let Transport::Unix(unix) = self.address.transport() else { return Ok(None) };
        match unix.path() {
            UnixSocket::File(path) => UnixStream::connect(path).await.map(Some),
            UnixSocket::Abstract(name) => {
                let mut path = OsString::from("\0");
                path.push(name);
                UnixStream::connect(path).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn wait(&self) -> Connection {
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
            let Ok(Some(mut watch)) = watch else { return pending().await };
            if watch.changed().await.is_err() {
                return pending().await;
            }
        }
    }
}
