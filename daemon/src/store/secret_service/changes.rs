//! Notices when the keyring is locked, unlocked, created or replaced.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream::select_all;
use tokio::sync::watch;
use zbus::fdo::DBusProxy;
use zbus::message::{Message, Type};
use zbus::names::{MemberName, OwnedUniqueName};
use zbus::{Connection, MatchRule, MessageStream, Variant};

use super::proxies::NAME;
use crate::bus::Bus;
use crate::store::Changes;

/// The bus itself: no other program has this unique name.
const BUS: &str = "org.freedesktop.DBus";
const OBJECTS: &str = "/org/freedesktop/secrets";

/// Counts changes, as long as it is polled. An idle bus wakes nothing.
pub(super) async fn count(bus: Bus, changes: watch::Sender<Changes>) {
    let mut last = None;
    loop {
        let connection = bus.wait().await;
        if let Err(error) = follow(&connection, &changes, &mut last).await {
            tracing::warn!(%error, "imgurd cannot see when the keyring is unlocked, and asks it again later");
        }
        // Where it is not lost but refuses, nothing would be otherwise the next time.
        connection.closed().await;
    }
}

/// `last` is the last keyring that was there, also on a connection before this.
async fn follow(
    connection: &Connection,
    changes: &watch::Sender<Changes>,
    last: &mut Option<OwnedUniqueName>,
) -> zbus::Result<()> {
    let mut streams = Vec::new();
    for rule in rules()? {
        streams.push(MessageStream::for_match_rule(rule, connection, None).await?);
    }
    let mut keyring = owner(connection).await;
    let mut note = |keyring: Option<&OwnedUniqueName>| {
        changes.send_modify(|changes| {
            changes.count += 1;
            changes.replaced += u64::from(takes_the_place(keyring, last));
        });
    };
    // The bus is back, or something may have happened before imgurd listened.
    note(keyring.as_ref());
    let mut messages = select_all(streams);
    while let Some(message) = messages.next().await {
        let message = message?;
        if is_from_the_bus(&message) {
            keyring = owner(connection).await;
        } else if message.header().sender() != keyring.as_deref() {
            // zbus delivers signals that any program sends only to us, because it does not know who owns a well-known
            // name.
            continue;
        }
        if is_a_change(&message) {
            note(keyring.as_ref());
        }
    }
    Ok(())
}

/// Whether the keyring that is there is another one than the last.
fn takes_the_place(keyring: Option<&OwnedUniqueName>, last: &mut Option<OwnedUniqueName>) -> bool {
    let Some(keyring) = keyring else { return false };
    last.replace(keyring.clone()).is_some_and(|last| last != *keyring)
}

async fn owner(connection: &Connection) -> Option<OwnedUniqueName> {
    let bus = DBusProxy::new(connection).await.ok()?;
    bus.get_name_owner(NAME.try_into().ok()?).await.ok()
}

fn is_from_the_bus(message: &Message) -> bool {
    message.header().sender().is_some_and(|sender| sender.as_str() == BUS)
}

fn rules() -> zbus::Result<[MatchRule<'static>; 3]> {
    let signals = || MatchRule::builder().msg_type(Type::Signal);
    Ok([
        signals().sender(BUS).interface(BUS).member("NameOwnerChanged").arg(0, NAME).build()?,
        signals()
            .sender(NAME)
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .path_namespace(OBJECTS)
            .arg(0, "org.freedesktop.Secret.Collection")
            .build()?,
        // Some keyrings announce no properties, only that a collection has changed, or is there.
        signals().sender(NAME).interface("org.freedesktop.Secret.Service").path(OBJECTS).build()?,
    ])
}

fn is_a_change(message: &Message) -> bool {
    let body = message.body();
    match message.header().member().map(MemberName::as_str) {
        // A keyring that ends is no news: looking for it would start it again.
        Some("NameOwnerChanged") => {
            body.deserialize::<(&str, &str, &str)>().is_ok_and(|(_, _, owner)| !owner.is_empty())
        }
        // New and removed items do not matter here.
        Some("PropertiesChanged") => body
            .deserialize::<(&str, HashMap<&str, Variant<'_>>, Vec<&str>)>()
            .is_ok_and(|(_, changed, dropped)| changed.contains_key("Locked") || dropped.contains(&"Locked")),
        _ => true,
    }
}
