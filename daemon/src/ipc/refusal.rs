//! The answer to every call while imgurd cannot start. Without it, callers would wait until their own time-out.

use futures_util::StreamExt;
use imgurd_proto::Error;
use imgurd_proto::dbus::{self, BUS_NAME};
use zbus::fdo::{DBusProxy, RequestNameFlags};
use zbus::message::{Flags, Type};
use zbus::{Connection, MessageStream};

use crate::access::{Caller, bus_caller};
use crate::bus::Bus;
use crate::config::Class;

/// The error that answers every call.
#[derive(Clone, Debug)]
pub struct Refusal(pub Error);

impl Refusal {
    /// The part of the error that this caller may know. A configuration error may name accounts and applications.
    pub(super) fn visible_to(&self, caller: &Caller) -> Error {
        if let Err(error) = caller.admit() {
            return error;
        }
        if caller.class() == Class::Unsandboxed {
            return self.0.clone();
        }
        let reason = "imgurd cannot start; run `imgurctl status` outside the sandbox, on the machine where imgurd runs";
        Error::unavailable(reason)
    }
}

/// Answers every call on the session bus, as long as it is polled.
pub async fn refuse(bus: Bus, refusal: Refusal) {
    loop {
        let connection = bus.wait().await;
        if let Err(error) = answer_all(&connection, &refusal).await {
            tracing::debug!(%error, "cannot answer callers on the bus");
        }
        connection.closed().await;
    }
}

async fn answer_all(connection: &Connection, refusal: &Refusal) -> zbus::Result<()> {
    let mut messages = MessageStream::from(connection);
    let bus = DBusProxy::new(connection).await?;
    // The connection's own method would warn that there is no object server.
    bus.request_name(BUS_NAME.try_into()?, RequestNameFlags::DO_NOT_QUEUE).await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let header = message.header();
        let primary = header.primary();
        if primary.msg_type() != Type::MethodCall || primary.flags().contains(Flags::NO_REPLY_EXPECTED) {
            continue;
        }
        let error = match bus_caller(connection, &header).await {
            Ok(caller) => refusal.visible_to(&caller),
            Err(error) => error,
        };
        connection.reply_dbus_error(&header, dbus::Error::from(error)).await?;
    }
    Ok(())
}
