//! Shows notifications and receives the user's answers.
//!
//! `notify-rust` describes a notification. imgurd shows it over its own connection, because `notify-rust` accepts an answer from
//! any program on the bus, even from a sandboxed app. imgurd accepts an answer only from the unique name that showed the
//! notification, and only from its path and interface.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use notify_rust::{Hint, Notification};
use tokio::time::timeout;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, Variant};

use crate::bus::Bus;

/// The server's well-known name and its interface.
pub(super) const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const BUS: &str = "org.freedesktop.DBus";

/// How long a server may take to show or close a notification.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Server {
    connection: Connection,
    /// Its connection to the bus. Another server has another one, and does not know this one's IDs.
    unique_name: OwnedUniqueName,
    capabilities: Vec<String>,
    /// The name that it reports for itself.
    name: String,
}

/// What the server does with a notification's actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actions {
    /// The server does not support them.
    Unsupported,
    /// The server accepts them, but may show no buttons: mako and dunst need a key binding or a command for them.
    Hidden,
    /// The server shows them as buttons. The default action is a click on the notification itself.
    Buttons,
    /// The server shows them as buttons, also the default action.
    OnlyButtons,
}

/// Servers that show a button for each action, by the names that they report.
const WITH_BUTTONS: [&str; 7] = [
    "gnome-shell",
    "Plasma",
    "cinnamon",
    "Notification Daemon",
    "MATE Notification Daemon",
    "budgie-notifications",
    "SwayNotificationCenter",
];

/// The user's reaction to a notification.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    /// The user invoked the action with this key.
    Action(String),
    /// The user or the server closed it.
    Closed,
    /// The server has left the bus.
    ServerGone,
}

impl Server {
    /// The current owner of the name. The bus starts one if possible.
    async fn find(bus: &Bus) -> Result<Self, String> {
        let connection = bus.connection().await?;
        let found = Self::find_on(connection).await;
        found.map_err(|error| error.to_string())
    }

    async fn find_on(connection: Connection) -> zbus::Result<Self> {
        let reply = connection.call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &()).await?;
        let capabilities = reply.body().deserialize()?;
        let unique_name = reply.header().sender().ok_or(zbus::Error::MissingField)?.to_owned().into();
        let name = Self::name_on(&connection, &unique_name).await.unwrap_or_default();
        Ok(Self { connection, unique_name, capabilities, name })
    }

    async fn name_on(connection: &Connection, server: &OwnedUniqueName) -> zbus::Result<String> {
        let server = Some(server.as_str());
        let reply = connection.call_method(server, PATH, Some(NAME), "GetServerInformation", &()).await?;
        let (name, _vendor, _version, _specification): (String, String, String, String) =
            reply.body().deserialize()?;
        Ok(name)
    }

    pub(super) fn actions(&self) -> Actions {
        match self.name.as_str() {
            _ if !self.has("actions") => Actions::Unsupported,
            "Xfce Notify Daemon" => Actions::OnlyButtons,
            name if WITH_BUTTONS.contains(&name) => Actions::Buttons,
            _ => Actions::Hidden,
        }
    }

    pub(super) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|has| has == capability)
    }

    async fn notify(self, notification: &Notification, replaces: Option<u32>) -> zbus::Result<Shown> {
        // Subscribe first: the answer may follow the reply immediately.
        let signals = self.signals().await?;
        let hints: HashMap<&str, Variant<'_>> = notification.hints.iter().map(Into::into).collect();
        let arguments = (
            &notification.appname,
            replaces.unwrap_or_default(),
            &notification.icon,
            &notification.summary,
            &notification.body,
            &notification.actions,
            hints,
            i32::from(notification.timeout),
        );
        let id = self.call("Notify", &arguments).await?.body().deserialize()?;
        Ok(Shown { server: self, id, signals })
    }

    /// The server's signals, and the bus's signal that the server has left. The match rules name unique senders: zbus
    /// does not check a well-known name, so it would accept a stranger's signal that is addressed only to us.
    async fn signals(&self) -> zbus::Result<SelectAll<MessageStream>> {
        let of = |sender| MatchRule::builder().msg_type(Type::Signal).sender(sender);
        let name = self.unique_name.as_str();
        let answers = of(name).path(PATH).interface(NAME).build()?;
        let leaves = of(BUS).interface(BUS).member("NameOwnerChanged").arg(0, name).build()?;
        let answers = MessageStream::for_match_rule(answers, &self.connection, None).await?;
        let leaves = MessageStream::for_match_rule(leaves, &self.connection, None).await?;
        Ok(select_all([answers, leaves]))
    }

    async fn call<B>(&self, method: &str, arguments: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::Type,
    {
        let server = self.unique_name.as_str();
        self.connection.call_method(Some(server), PATH, Some(NAME), method, arguments).await
    }
}

/// The server's capabilities, as the Desktop Notifications Specification names them.
pub(crate) async fn capabilities(bus: &Bus) -> Result<Vec<String>, String> {
    Ok(Server::find(bus).await?.capabilities)
}

/// Shows the notification that `write` makes for the server. It replaces the one with the ID `replaces`.
///
/// # Errors
/// Why it is not shown, as the beginning of a sentence.
pub(super) async fn show(
    bus: &Bus,
    replaces: Option<u32>,
    write: impl FnOnce(&Server) -> Notification,
) -> Result<Shown, String> {
    let showing = async {
        let server = Server::find(bus).await.map_err(|_| "there is no notification server".to_owned())?;
        let notification = write(&server);
        let shown = server.notify(&notification, replaces).await;
        shown.map_err(|error| format!("the notification server said: {error}"))
    };
    let shown = timeout(PATIENCE, showing).await;
    shown.unwrap_or_else(|_| Err("the notification server does not answer".to_owned()))
}

pub(super) fn notification(summary: &str, body: &str) -> Notification {
    let mut notification = Notification::new();
    notification.appname("imgurd").summary(summary).body(body).hint(Hint::DesktopEntry("imgurd".to_owned()));
    notification
}

/// Converts plain text to the markup that servers with `body-markup` read.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A notification on the screen.
pub(super) struct Shown {
    server: Server,
    /// Its id at this server.
    pub(super) id: u32,
    signals: SelectAll<MessageStream>,
}

impl Shown {
    /// Waits for the user's reaction, or for the server's end.
    pub(super) async fn response(&mut self) -> Response {
        while let Some(Ok(signal)) = self.signals.next().await {
            if let Some(response) = response_in(&signal, self.id) {
                return response;
            }
        }
        Response::ServerGone
    }

    pub(super) async fn close(self) {
        // A queue that nothing reads would block the whole connection.
        drop(self.signals);
        if let Ok(Err(error)) = timeout(PATIENCE, self.server.call("CloseNotification", &self.id)).await {
            tracing::debug!(%error, "cannot close a notification");
        }
    }
}

/// The meaning of a signal for the notification `id`, if any.
fn response_in(signal: &Message, id: u32) -> Option<Response> {
    let body = signal.body();
    match signal.header().member()?.as_str() {
        "ActionInvoked" => {
            let (of, key): (u32, String) = body.deserialize().ok()?;
            (of == id).then_some(Response::Action(key))
        }
        "NotificationClosed" => {
            let (of, _reason): (u32, u32) = body.deserialize().ok()?;
            (of == id).then_some(Response::Closed)
        }
        "NameOwnerChanged" => {
            let (_, _, owner): (&str, &str, &str) = body.deserialize().ok()?;
            owner.is_empty().then_some(Response::ServerGone)
        }
        _ => None,
    }
}
