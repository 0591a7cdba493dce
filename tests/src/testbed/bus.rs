//! D-Bus daemons for one test.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use futures_util::{Stream, StreamExt as _};
use zbus::Connection;

use super::Testbed;
use super::process::first_readable;
use crate::fake::PATIENCE;

/// The variable with the address of the session bus.
const SESSION: &str = "DBUS_SESSION_BUS_ADDRESS";
/// The variable with the address of the system bus.
pub(super) const SYSTEM: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// A `dbus-daemon` that starts only the services of [`activate`](Self::activate) on demand. Dropping it kills it.
#[derive(Debug)]
pub struct Bus {
    command: Command,
    running: Option<(Child, BufReader<ChildStdout>)>,
    services: PathBuf,
}

impl Testbed {
    /// Starts a session bus. Processes that start later find it in their environment.
    pub fn bus(&self) -> Bus {
        // The default address for clients (`sd_bus_open_user(3)`).
        self.start_bus(SESSION, &self.runtime_dir().join("bus"))
    }

    /// Starts a system bus. Processes that start later use it instead of the machine's.
    pub fn system_bus(&self) -> Bus {
        self.start_bus(SYSTEM, &self.system_bus_socket())
    }

    /// The socket of the test's system bus.
    pub(super) fn system_bus_socket(&self) -> PathBuf {
        self.root().join("system-bus")
    }

    fn start_bus(&self, variable: &str, socket: &Path) -> Bus {
        let services = self.root().join(format!("{variable}-services"));
        fs::create_dir_all(&services).unwrap();
        let file = self.root().join(format!("{variable}.conf"));
        fs::write(&file, configuration(&socket.display().to_string(), &services.display().to_string()))
            .unwrap();
        self.set_env(variable, format!("unix:path={}", socket.display()));
        let mut command = self.command("dbus-daemon");
        command.arg("--config-file").arg(file).args(["--nofork", "--nopidfile", "--print-address"]);
        let mut bus = Bus { command, running: None, services };
        bus.start();
        bus
    }

    /// The address of the session bus, if one was started.
    pub(super) fn bus_address(&self) -> Option<String> {
        self.environment.lock().unwrap().get(OsStr::new(SESSION))?.clone().into_string().ok()
    }

    /// A new connection to the session bus.
    pub async fn connect(&self) -> Connection {
        let address = self.bus_address().expect("a session bus was started");
        zbus::connection::Builder::address(address.as_str()).build().await.unwrap()
    }
}

/// Runs `task`, and fails if it does not end in time.
pub fn in_time<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, task).await.expect("the task ends in time") })
}

/// The next item of the stream. Fails if the stream has ended.
pub async fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> T {
    stream.next().await.expect("the stream has another item")
}

impl Bus {
    /// Starts the bus at its address.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "the bus is already running");
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed (Debian: dbus)");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        assert!(first_readable(&[lines.get_ref().as_fd()]).is_some(), "dbus-daemon did not start in time");
        let mut address = String::new();
        lines.read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:"), "dbus-daemon printed no address");
        self.running = Some((child, lines));
    }

    /// Stops the bus, which ends all connections to it.
    pub fn stop(&mut self) {
        let (mut child, _) = self.running.take().expect("the bus runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts `command` when a program calls `name`.
    pub fn activate(&self, name: &str, command: &str) {
        let file = self.services.join(format!("{name}.service"));
        fs::write(file, format!("[D-BUS Service]\nName={name}\nExec={command}\n")).unwrap();
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.stop();
        }
    }
}

fn configuration(socket: &str, services: &str) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <keep_umask/>
  <listen>unix:path={socket}</listen>
  <listen>unix:abstract={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_connections_per_user">2048</limit>
  <limit name="max_completed_connections">2048</limit>
  <limit name="max_pending_service_starts">100</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"#
    )
}
