//! The interface on the session bus, while there is one.
//!
//! An error consists of its name and its message only: GLib drops the message of an error that has more fields. If another imgurd
//! owns the bus name, this one queues for it and serves its own socket meanwhile.

mod account;
mod admission;
mod awaited_logins;
pub(crate) mod dictionary;
mod manager;
mod memfd;
mod objects;
mod published;
mod tree;

use std::sync::Weak;

use imgurd_proto::dbus::{BUS_NAME, Error, PATH};
use tokio::sync::oneshot;
use zbus::Connection;
use zbus::fdo::{DBusProxy, RequestNameFlags, RequestNameReply};
use zbus::message::Header;

use self::admission::Admission;
use self::manager::Manager;
use self::objects::Objects;
use self::tree::Tree;
use super::Api;
use crate::access::Admitted;
use crate::bus::Bus;

/// Serves callers on the bus, whenever there is one, as long as it is polled. Drops `tried` after the first attempt.
pub async fn serve(api: Api, bus: Bus, tried: oneshot::Sender<()>) {
    let mut tried = Some(tried);
    loop {
        if bus.connection().await.is_err() {
            tried.take();
        }
        let connection = bus.wait().await;
        if let Err(error) = stay(&connection, &api, &mut tried).await {
            tracing::warn!(%error, "the session bus refused what imgurd needs");
            tried.take();
        }
        // If the bus refuses without closing the connection, the next attempt would be refused too.
        connection.closed().await;
        tracing::info!("the session bus has ended; the socket still works");
    }
}

/// Answers calls and reports changes on `connection` until it is lost.
async fn stay(
    connection: &Connection,
    api: &Api,
    tried: &mut Option<oneshot::Sender<()>>,
) -> zbus::Result<()> {
    let mut changes = api.keeper.changes();
    let objects = Objects::new(connection.clone(), api.clone());
    let server = connection.object_server();
    server.at(PATH, Manager::new(api.clone(), &objects)).await?;
    server.at(PATH, Tree::new(&objects)).await?;
    objects.sync().await?;
    claim_name(connection).await?;
    tried.take();
    loop {
        tokio::select! {
            () = connection.closed() => return Ok(()),
            Ok(()) = changes.changed() => {
                if let Err(error) = objects.sync().await {
                    tracing::debug!(%error, "cannot report all changes on the bus");
                }
            }
        }
    }
}

/// Requests the name, or queues for it: then imgurd gets it when its owner exits.
async fn claim_name(connection: &Connection) -> zbus::Result<()> {
    let reply = connection.request_name_with_flags(BUS_NAME, RequestNameFlags::empty()).await?;
    if reply == RequestNameReply::InQueue {
        let bus = DBusProxy::new(connection).await?;
        let owner = bus.get_name_owner(BUS_NAME.try_into()?).await?;
        let pid = bus.get_connection_unix_process_id(owner.into()).await?;
        tracing::warn!(
            pid,
            "another imgurd (process {pid}) answers on D-Bus; this one answers on its socket, and on D-Bus when that \
             one ends"
        );
    } else {
        tracing::info!(name = BUS_NAME, "answering on the session bus");
    }
    Ok(())
}

/// Lets the call with this header begin, if its sender may make it. The objects of a connection hold the admission
/// weakly, because it holds the connection.
async fn admit(admission: &Weak<Admission>, header: &Header<'_>) -> Result<Admitted, Error> {
    Ok(admission.upgrade().ok_or_else(gone)?.admit(header).await?)
}

/// The error for a call on a connection that the daemon has left.
fn gone() -> Error {
    Error::TemporarilyUnavailable("imgurd is leaving the bus; try again in a moment".to_owned())
}
