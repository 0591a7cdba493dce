//! Opens the user's browser, which must not run inside the daemon's sandbox: through the desktop portal, else through the user's
//! service manager, else directly if the daemon does not run in a unit.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt;
use imgurd_proto::text::cause;
use tokio::process::Command;
use tokio::time::timeout;
use url::Url;
use zbus::fdo::DBusProxy;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, Variant};

use crate::bus::{Bus, owner_of};
use crate::random;

const PORTAL: (&str, &str) = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop");
const MANAGER: (&str, &str, &str) =
    ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");

/// How long imgurd waits for the portal's dialog in which the user chooses a program.
const DIALOG: Duration = Duration::from_mins(1);
/// An opener that fails does so within this time; a browser in the foreground keeps running.
const OPENER: Duration = Duration::from_secs(5);

/// Opens `url`.
///
/// # Errors
/// Why it could not be opened: a few words without a full stop.
pub(crate) async fn open(bus: &Bus, url: &Url) -> Result<(), String> {
    if let Ok(connection) = bus.connection().await {
        match by_portal(&connection, url).await {
            Ok(outcome) => return outcome,
            Err(error) => tracing::debug!(%error, "the desktop portal did not open the browser"),
        }
        match by_unit(&connection, url).await {
            Ok(outcome) => return outcome,
            Err(error) => tracing::debug!(%error, "the service manager did not start the browser"),
        }
    }
    directly(url).await
}

/// The way in which [`open`] would open a page, as far as imgurd can tell without opening one; or the reason why it
/// cannot.
pub(crate) async fn way(bus: &Bus) -> Result<&'static str, String> {
    if let Ok(connection) = bus.connection().await {
        if is_reachable(&connection, PORTAL.0).await.unwrap_or(false) {
            return Ok("the desktop portal");
        }
        if let Ok(has_display) = manager_has_display(&connection).await {
            return match opener() {
                _ if !has_display => Err(NO_DISPLAY.to_owned()),
                Some(_) => Ok("xdg-open, started by systemd"),
                None => Err(NO_OPENER.to_owned()),
            };
        }
    }
    direct_opener().map(|_| "xdg-open")
}

/// Uses `org.freedesktop.portal.OpenURI`. The outer error means that there is no portal, or that it cannot do it.
async fn by_portal(connection: &Connection, url: &Url) -> zbus::Result<Result<(), String>> {
    if !is_reachable(connection, PORTAL.0).await? {
        return Err(zbus::Error::Unsupported);
    }
    let portal = owner_of(connection, PORTAL.0).await?;
    // With a well-known name, zbus would also accept a signal that another program sends only to us.
    let rule = MatchRule::builder().msg_type(Type::Signal).sender(portal.as_str());
    let rule = rule.interface("org.freedesktop.portal.Request").member("Response").build()?;
    let mut responses = MessageStream::for_match_rule(rule, connection, None).await?;
    let token = format!("imgurd{}", random::hex::<8>());
    let options = std::collections::HashMap::from([("handle_token", Variant::from(token))]);
    let interface = Some("org.freedesktop.portal.OpenURI");
    let arguments = ("", url.as_str(), options);
    let reply =
        connection.call_method(Some(portal.as_str()), PORTAL.1, interface, "OpenURI", &arguments).await?;
    let request: OwnedObjectPath = reply.body().deserialize()?;
    let response = async {
        loop {
            let message = responses.next().await.unwrap_or(Err(zbus::Error::Unsupported))?;
            if message.header().path().is_some_and(|path| path.as_str() == request.as_str()) {
                return Ok::<u32, zbus::Error>(message.body().deserialize::<(u32, Ignored)>()?.0);
            }
        }
    };
    match timeout(DIALOG, response).await {
        // The dialog is still open.
        Err(_) | Ok(Ok(0)) => Ok(Ok(())),
        Ok(Ok(1)) => Ok(Err("the browser was not opened".to_owned())),
        Ok(Ok(_)) => Err(zbus::Error::Unsupported),
        Ok(Err(error)) => Err(error),
    }
}

type Ignored = std::collections::HashMap<String, zbus::OwnedVariant>;
type Properties<'a> = Vec<(&'a str, Variant<'a>)>;
type Auxiliary<'a> = Vec<(&'a str, Properties<'a>)>;

/// Starts a transient unit that runs `xdg-open` in the environment of the user's session.
async fn by_unit(connection: &Connection, url: &Url) -> zbus::Result<Result<(), String>> {
    if !manager_has_display(connection).await? {
        return Ok(Err(NO_DISPLAY.to_owned()));
    }
    let owner = owner_of(connection, MANAGER.0).await?;
    let manager = zbus::Proxy::new(connection, owner.as_str(), MANAGER.1, MANAGER.2).await?;
    let Some(opener) = opener() else { return Ok(Err(NO_OPENER.to_owned())) };
    let _ = manager.call_method("Subscribe", &()).await;
    let mut removed = manager.receive_signal("JobRemoved").await?;
    let unit = format!("imgurd-browser-{}.service", random::hex::<8>());
    let (opener, url) = (opener.display().to_string(), url.as_str().replace('$', "$$"));
    let arguments = (unit.as_str(), "fail", properties(&opener, &url), Auxiliary::new());
    let job: OwnedObjectPath = manager.call("StartTransientUnit", &arguments).await?;
    let result = async {
        loop {
            let message = removed.next().await.ok_or(zbus::Error::Unsupported)?;
            let (_, ended, _, result): (u32, OwnedObjectPath, String, String) =
                message.body().deserialize()?;
            if ended == job {
                return Ok::<String, zbus::Error>(result);
            }
        }
    };
    Ok(match timeout(OPENER, result).await {
        Ok(Ok(result)) if result != "done" => Err("xdg-open found no browser".to_owned()),
        _ => Ok(()),
    })
}

/// Whether programs that the service manager starts have a display. The outer error means that there is no service
/// manager.
async fn manager_has_display(connection: &Connection) -> zbus::Result<bool> {
    let manager = zbus::Proxy::new(connection, MANAGER.0, MANAGER.1, MANAGER.2).await?;
    let environment: Vec<String> = manager.get_property("Environment").await?;
    Ok(has_display(|name| environment.iter().any(|entry| entry.starts_with(&format!("{name}=")))))
}

/// The properties of a oneshot unit. Its job reports whether `xdg-open` succeeded; a browser that it starts keeps
/// running.
fn properties<'a>(opener: &'a str, url: &'a str) -> Properties<'a> {
    vec![
        ("Description", Variant::from("Browser to sign in with, for imgurd")),
        ("Type", Variant::from("oneshot")),
        ("KillMode", Variant::from("process")),
        ("CollectMode", Variant::from("inactive-or-failed")),
        ("ExecStart", Variant::from(vec![(opener, vec![opener, url], false)])),
    ]
}

const NO_DISPLAY: &str = "there is no display";
const NO_OPENER: &str = "xdg-open is not installed";

/// Starts `xdg-open` as a child process, and reaps it when it ends.
async fn directly(url: &Url) -> Result<(), String> {
    let mut command = Command::new(direct_opener()?);
    command.arg(url.as_str()).process_group(0).env_remove("NOTIFY_SOCKET");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command
        .spawn()
        .map_err(|error| format!("xdg-open does not start ({error})", error = cause(&error)))?;
    if let Ok(ended) = timeout(OPENER, child.wait()).await {
        let fared_well = ended.is_ok_and(|status| status.success());
        return if fared_well { Ok(()) } else { Err("no browser was found".to_owned()) };
    }
    tokio::spawn(async move { child.wait().await });
    Ok(())
}

fn direct_opener() -> Result<PathBuf, String> {
    if env::var_os("INVOCATION_ID").is_some() {
        return Err("neither the desktop portal nor the service manager answers".to_owned());
    }
    if !has_display(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return Err(NO_DISPLAY.to_owned());
    }
    let chosen = env::var("BROWSER").ok().filter(|browser| !browser.contains([':', '%', ' ']));
    let chosen = chosen.filter(|browser| !browser.is_empty()).map(PathBuf::from);
    chosen.or_else(opener).ok_or_else(|| NO_OPENER.to_owned())
}

fn has_display(has: impl Fn(&str) -> bool) -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(has)
}

fn opener() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join("xdg-open")).find(|path| path.is_file())
}

async fn is_reachable(connection: &Connection, name: &str) -> zbus::Result<bool> {
    let bus = DBusProxy::new(connection).await?;
    let owned = bus.name_has_owner(name.try_into()?).await?;
    Ok(owned || bus.list_activatable_names().await?.iter().any(|other| other.as_str() == name))
}
