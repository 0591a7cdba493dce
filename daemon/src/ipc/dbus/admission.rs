//! Which calls on the bus are admitted.

use imgurd_proto::Error;
use zbus::Connection;
use zbus::message::Header;

use crate::access::{Admitted, BusCallers, needs};
use crate::ipc::Api;

/// Admits the calls on one connection to the bus.
pub(super) struct Admission {
    connection: Connection,
    api: Api,
    callers: BusCallers,
}

impl Admission {
    pub(super) fn new(connection: Connection, api: Api) -> Self {
        let callers = BusCallers::new(api.journal.clone());
        Self { connection, api, callers }
    }

    /// Lets the call with this header begin, if its sender may make it.
    pub(super) async fn admit(&self, header: &Header<'_>) -> Result<Admitted, Error> {
        let admitted = self.callers.admit(&self.connection, header).await?;
        let names = header.interface().zip(header.member());
        let method = names.map(|(interface, member)| format!("{interface}.{member}")).unwrap_or_default();
        let needs = needs(&method).ok_or_else(|| {
            tracing::error!(method, "this method has no policy");
            Error::AccessDenied {
                reason: format!("{method} has no policy, so nobody may call it; report this"),
            }
        })?;
        self.api.check_method(admitted.caller(), needs, &method)?;
        Ok(admitted)
    }
}
