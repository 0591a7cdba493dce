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
use zbus::fdo::{self, DBusProxy};
use zbus::names::{OwnedUniqueName, WellKnownName};

use self::bounded::Bounded;
use crate::file_watch::FileWatch;

/// How long a bus, or a service on it, may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pauses between attempts while the socket exists but refuses connections: a starting bus creates its socket
/// before it listens. After these, imgurd waits for a new socket.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// The connection to the bus, while there is one. Clones share it.
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
    /// Starts to connect to the user's bus.
    #[must_use]
    pub fn session() -> Self {
        Self::open("session", session_bus())
    }

    /// Starts to connect to the system bus.
    #[must_use]
    pub fn system() -> Self {
        Self::open("system", system_bus())
    }

    fn open(bus: &'static str, addresses: Result<Vec<BusAddress>, String>) -> Self {
        let (sender, link) = watch::channel(Link::Untried);
        tokio::spawn(maintain(bus, addresses.map(Location), sender));
        Self { link }
    }

    /// The current connection, or the reason why there is none. Waits for the first attempt.
    pub async fn connection(&self) -> Result<Connection, String> {
        let mut link = self.link.clone();
        match link.wait_for(|link| !matches!(link, Link::Untried)).await.as_deref() {
            Ok(Link::Absent(reason)) => Err(reason.clone()),
            Ok(link) => link.connection().cloned().ok_or_else(|| "the connection has ended".to_owned()),
            Err(_) => Err("imgurd is stopping".to_owned()),
        }
    }

    /// Waits for a connection.
    pub async fn wait(&self) -> Connection {
        let mut link = self.link.clone();
        let present = link.wait_for(|link| link.connection().is_some()).await;
        match present.ok().and_then(|link| link.connection().cloned()) {
            Some(connection) => connection,
            None => pending().await,
        }
    }
}

/// The unique name that owns `name`. If nobody does, the bus starts the service, if it can.
pub(crate) async fn owner_of(connection: &Connection, name: &'static str) -> zbus::Result<OwnedUniqueName> {
    let bus = DBusProxy::new(connection).await?;
    let name = WellKnownName::try_from(name)?;
    match bus.get_name_owner(name.clone().into()).await {
        Err(fdo::Error::NameHasNoOwner(_)) => {}
        owner => return Ok(owner?),
    }
    bus.start_service_by_name(name.clone(), 0).await?;
    Ok(bus.get_name_owner(name.into()).await?)
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

/// The possible addresses of the bus, in the order of attempts. imgurd ignores the GUID in an address, because it
/// changes when the bus restarts.
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

    /// The socket files among the addresses.
    fn sockets(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(|address| match address {
            BusAddress::Path(path) => Some(path.as_path()),
            BusAddress::Abstract(_) | BusAddress::Other(_) => None,
        })
    }

    async fn wait(&self) -> Connection {
        loop {
            // Watch before the attempt, so that no bus can appear unnoticed in between.
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
