//! A replacement for logind (dbusmock), on a bus that replaces the system bus. Tests control its announcements.

use std::process::{Child, Stdio};

use futures_util::StreamExt as _;
use zbus::fdo::DBusProxy;
use zbus::{Connection, Variant, proxy};

use super::Testbed;
use super::bus::Bus;

const NAME: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";

#[proxy(interface = "org.freedesktop.login1.Manager", default_path = "/org/freedesktop/login1")]
trait Manager {
    #[allow(clippy::type_complexity, reason = "logind's")]
    fn list_inhibitors(&self) -> zbus::Result<Vec<(String, String, String, String, u32, u32)>>;
}

#[proxy(interface = "org.freedesktop.DBus.Mock", default_path = "/org/freedesktop/login1")]
trait Mock {
    fn emit_signal(
        &self,
        interface: &str,
        name: &str,
        sign: &str,
        arguments: &[Variant<'_>],
    ) -> zbus::Result<()>;
}

/// A running replacement for logind. Dropping it kills it.
#[derive(Debug)]
pub struct Logind {
    // Fields drop in order: the bus ends last.
    process: Child,
    connection: Connection,
    address: String,
    _bus: Bus,
}

impl Testbed {
    /// Starts a logind for daemons that start later.
    pub async fn logind(&self) -> Logind {
        let bus = self.system_bus();
        let address = format!("unix:path={}", self.system_bus_socket().display());
        let connection = zbus::connection::Builder::address(address.as_str()).build().await.unwrap();
        let owners = DBusProxy::new(&connection).await.unwrap();
        let mut appears = owners.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
        let process = self
            .command("/usr/bin/python3")
            .args(["-m", "dbusmock", "--system", "--template", "logind"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        appears.next().await.expect("dbusmock is installed (Debian: python3-dbusmock)");
        Logind { process, connection, address, _bus: bus }
    }
}

impl Logind {
    /// Announces that the machine is about to sleep, or that it is awake.
    pub async fn announce(&self, sleep: bool) {
        let mock = MockProxy::new(&self.connection, NAME).await.unwrap();
        mock.emit_signal(MANAGER, "PrepareForSleep", "b", &[Variant::from(sleep)]).await.unwrap();
    }

    /// Another program's connection to the bus.
    pub async fn stranger(&self) -> Connection {
        let address = self.address.as_str();
        zbus::connection::Builder::address(address).build().await.unwrap()
    }

    /// The inhibitor locks: what, who, and the mode.
    pub async fn inhibitors(&self) -> Vec<String> {
        let manager = ManagerProxy::new(&self.connection, NAME).await.unwrap();
        let inhibitors = manager.list_inhibitors().await.unwrap();
        inhibitors.into_iter().map(|(what, who, _, mode, ..)| format!("{what} {who} {mode}")).collect()
    }

    /// Waits until there are this many inhibitor locks.
    pub async fn wait_for_inhibitors(&self, count: usize) {
        while self.inhibitors().await.len() != count {}
    }

    /// Kills it.
    pub fn crash(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        self.end();
    }
}
