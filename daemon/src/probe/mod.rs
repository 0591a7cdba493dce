//! Checks what the daemon depends on: its disk, its bus, its store, the notification server, the browser and its accounts'
//! servers. The checks change nothing, cause no dialog, and send or show no secret.
//!
//! The findings have the same type as the client's, so a new check needs no new client.

mod disk;
mod endpoint;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use imgurd_proto::dbus::BUS_NAME;
use imgurd_proto::{Finding, Findings, Health};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use crate::access::{GatewayClients, Permits};
use crate::bus::Bus;
use crate::config::{SettingsEditor, StoreKind};
use crate::consent::browser;
use crate::notify;
use crate::store::TokenStore;

/// What the daemon checks.
#[derive(Clone)]
pub struct Probe {
    /// `None` if the daemon does not use the bus.
    pub(crate) bus: Option<Bus>,
    pub(crate) kind: StoreKind,
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) editor: Arc<SettingsEditor>,
    pub(crate) clients: GatewayClients,
    pub(crate) permits: Permits,
    /// The directory for state.
    pub(crate) state: PathBuf,
}

impl Probe {
    /// All findings, and the paths of imgurd's files.
    pub async fn report(&self) -> Findings {
        let shown = |path: &Path| Some(path.display().to_string());
        Findings {
            findings: self.findings().await,
            config_file: shown(self.editor.file().path()),
            state_directory: shown(&self.state),
        }
    }

    /// All findings, in the order in which things are needed.
    async fn findings(&self) -> Vec<Finding> {
        let config = self.editor.current();
        let endpoints = endpoint::of(&config, self.editor.file().directory());
        let (disk, bus, store, notifications, browser, endpoints) = tokio::join!(
            disk::look(&self.state),
            self.bus(),
            self.store(),
            self.notifications(config.notifications.enabled),
            self.browser(),
            join_all(endpoints.iter().map(endpoint::Endpoint::look)),
        );
        let file = self.editor.presence().err();
        let file = file.map(|error| Finding::error("configuration", Health::Fail, error));
        let permits = self.permits().await;
        let rest = endpoints.into_iter().chain(file).chain(permits).chain(self.gateway());
        [disk, bus, store, notifications, browser].into_iter().chain(rest).collect()
    }

    /// `None` if imgurd can read its permits.
    async fn permits(&self) -> Option<Finding> {
        Some(Finding::error("permits", Health::Fail, self.permits.all().await.err()?))
    }

    /// `None` while the gateway is off.
    fn gateway(&self) -> Option<Finding> {
        const CHECK: &str = "gateway";
        let address = self.editor.current().gateway.listen?;
        Some(match self.clients.trouble() {
            Some(reason) => Finding::error(CHECK, Health::Warn, reason),
            None => Finding::ok(CHECK, format!("The gateway listens on {address}")),
        })
    }

    async fn bus(&self) -> Finding {
        let Some(bus) = &self.bus else {
            return Finding::warn("bus", "imgurd does not use D-Bus, because of --no-dbus", "use its socket");
        };
        match bus.connection().await {
            Ok(connection) => name(&connection).await,
            Err(reason) => no_bus(&reason),
        }
    }

    async fn store(&self) -> Finding {
        const CHECK: &str = "store";
        let open = match self.kind {
            StoreKind::SecretService => "The keyring answers and is unlocked",
            StoreKind::File => "imgurd can open the encrypted file with its key",
            StoreKind::Memory => {
                let hint = "choose another store in config.toml, unless that is what you want";
                return Finding::warn(CHECK, "Grants are only in memory and lost when imgurd ends", hint);
            }
        };
        self.store
            .look()
            .await
            .map_or_else(|error| Finding::error(CHECK, Health::Fail, error), |()| Finding::ok(CHECK, open))
    }

    async fn notifications(&self, enabled: bool) -> Finding {
        const CHECK: &str = "notifications";
        let Some(bus) = self.bus.as_ref().filter(|_| enabled) else {
            return Finding::ok(
                CHECK,
                "Notifications are off, but `imgurctl status` shows the same problems",
            );
        };
        match notify::capabilities(bus).await {
            Ok(has) if has.iter().any(|has| has == "actions") => {
                Finding::ok(CHECK, "The notification server answers and shows buttons")
            }
            Ok(_) => {
                let detail =
                    "The notification server shows no buttons, so imgurd cannot ask you about sandboxed apps";
                Finding::warn(CHECK, detail, "use another one, or decide beforehand with `imgurctl permit`")
            }
            Err(reason) => {
                let detail = format!("No notification server answers ({reason})");
                Finding::warn(CHECK, detail, "start one, such as dunst, or check `imgurctl status` yourself")
            }
        }
    }

    async fn browser(&self) -> Finding {
        const CHECK: &str = "browser";
        let way = match &self.bus {
            Some(bus) => browser::way(bus).await,
            // The daemon itself needs no browser: `imgurctl login` opens it.
            None => {
                return Finding::ok(
                    CHECK,
                    "imgurd opens no browser without D-Bus, and `imgurctl login` opens it instead",
                );
            }
        };
        match way {
            Ok(way) => Finding::ok(CHECK, format!("Notification buttons open your browser with {way}")),
            Err(reason) => {
                let detail = format!("imgurd cannot open a browser ({reason})");
                Finding::warn(CHECK, detail, "sign in with `imgurctl login`, which shows other ways")
            }
        }
    }
}

async fn name(connection: &Connection) -> Finding {
    const CHECK: &str = "bus";
    let owner = async { DBusProxy::new(connection).await?.get_name_owner(BUS_NAME.try_into()?).await };
    let owner: zbus::Result<_> = owner.await.map_err(Into::into);
    match (owner, connection.unique_name()) {
        (Ok(owner), Some(own)) if owner.as_str() == own.as_str() => {
            Finding::ok(CHECK, format!("The session bus answers, and imgurd owns {BUS_NAME} there"))
        }
        (Ok(_), _) => {
            let detail = format!("Another program owns {BUS_NAME} on the session bus");
            let hint = format!("end the other imgurd (`busctl --user status {BUS_NAME}` shows it)");
            Finding::warn(CHECK, detail, &hint)
        }
        (Err(error), _) if connection.is_closed() => no_bus(&error.to_string()),
        (Err(error), _) => {
            let detail = format!("No program owns {BUS_NAME} on the session bus ({error})");
            Finding::warn(CHECK, detail, "restart imgurd with `systemctl --user restart imgurd`")
        }
    }
}

fn no_bus(reason: &str) -> Finding {
    let hint = "start imgurd in your session and check DBUS_SESSION_BUS_ADDRESS, or use the socket";
    Finding::warn("bus", format!("There is no session bus ({reason})"), hint)
}
