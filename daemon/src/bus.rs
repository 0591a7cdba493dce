//! A D-Bus connection that all rooms share. imgurd reconnects whenever the bus returns.

mod bounded;

use std::ffi::OsString;
use std::future::pending;
use std::path::Path;
use std::time::Duration;

use futures_util::future::select_all;
use imgurd_proto::{BusAddress, session_bus, system_bus};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
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
    /// Begins to look for the user's bus.
    #[must_use]
    pub fn session() -> Self {
        Self::open("session", session_bus())
    }

    /// Begins to look for the machine's bus.
    #[must_use]
    pub fn system() -> Self {
        Self::open("system", system_bus())
    }

    fn open(bus: &'static str, addresses: Result<Vec<BusAddress>, String>) -> Self {
        let (sender, link) = watch::channel(Link::Untried);
        tokio::spawn(maintain(bus, addresses.map(Location), sender));
        Self { link }
    }

    /// The current connection, after the first attempt has ended; if there is none, the reason.
    pub async fn connection(&self) -> Result<Connection, String> {
        let mut link = self.link.clone();
        match link.wait_for(|link| !matches!(link, Link::Untried)).await.as_deref() {
            Ok(Link::Absent(reason)) => Err(reason.clone()),
            Ok(link) => link.connection().cloned().ok_or_else(|| "the connection has ended".to_owned()),
            Err(_) => Err("imgurd is stopping".to_owned()),
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

async fn maintain(bus: &'static str, place: Result<Location, String>, link: watch::Sender<Link>) {
    let place = match place {
        Ok(place) => place,
        Err(error) => {
            tracing::warn!(error, bus, "cannot find the address of the bus");
            link.send_replace(Link::Absent(error));
            return;
        }
    };
    let mut connected = place.connect().await.map_err(|error| error.to_string());
    loop {
        let connection = match connected {
            Ok(connection) => connection,
            Err(reason) => {
                tracing::info!(reason, bus, "cannot connect to the bus; waiting for it");
                link.send_replace(Link::Absent(reason));
                place.wait().await
            }
        };
        link.send_replace(Link::Present(connection.clone()));
        connection.closed().await;
        connected = Err("the connection has ended".to_owned());
    }
}

/// Where the bus may be, in the order in which to try. A GUID in an address counts for nothing: it changes when the bus is
/// restarted.
struct Location(Vec<BusAddress>);

impl Location {
    async fn connect(&self) -> zbus::Result<Connection> {
        let mut last = None;
        for address in &self.0 {
            let connecting = timeout(PATIENCE, connect(address)).await;
            match connecting
                .unwrap_or_else(|_| Err(zbus::Error::Failure("the bus does not answer".to_owned())))
            {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| zbus::Error::Failure("there is no address of the bus".to_owned())))
    }

    /// The sockets that appear in the file system.
    fn sockets(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|address| match address {
            BusAddress::Path(path) => Some(path.as_path()),
            BusAddress::Abstract(_) | BusAddress::Other(_) => None,
        })
    }

    async fn wait(&self) -> Connection {
        loop {
            // Watching before trying, so that no bus appears unnoticed between the two.
            let mut watches: Vec<_> = self.sockets().flat_map(FileWatch::for_appearance).collect();
            for pause in [Duration::ZERO].into_iter().chain(RETRIES) {
                if self.sockets().count() == self.0.len() && !self.sockets().any(Path::exists) {
                    break;
                }
                sleep(pause).await;
                if let Ok(connection) = self.connect().await {
                    return connection;
                }
            }
            let appearing: Vec<_> = watches.iter_mut().map(|watch| Box::pin(watch.changed())).collect();
            if appearing.is_empty() || select_all(appearing).await.0.is_err() {
                return pending().await;
            }
        }
    }
}

async fn connect(address: &BusAddress) -> zbus::Result<Connection> {
    let builder = match address {
        BusAddress::Path(path) => Builder::socket(Bounded(UnixStream::connect(path).await?)),
        BusAddress::Abstract(name) => {
            let mut path = OsString::from("\0");
            path.push(name);
            Builder::socket(Bounded(UnixStream::connect(path).await?))
        }
        BusAddress::Other(address) => Builder::address(address.as_str()),
    };
    builder.method_timeout(PATIENCE).build().await
}
