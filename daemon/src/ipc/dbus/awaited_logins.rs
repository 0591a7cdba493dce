//! The logins that callers on the bus have begun.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use imgurd_proto::dbus::SIGNED_IN;

use crate::consent::Login;
use crate::mutex::lock;

/// The logins whose end imgurd has to signal. Callers that share a login get one signal.
#[derive(Clone, Default)]
pub(super) struct AwaitedLogins(Arc<Mutex<HashSet<String>>>);

impl AwaitedLogins {
    /// The ID of `login`, and its result when it ends; `None` if another call already waits for that. Until then the
    /// login continues, even if its caller leaves the bus, as `busctl` does after the answer.
    pub(super) fn end_of(
        &self,
        mut login: Login,
    ) -> Option<impl Future<Output = (String, String)> + 'static> {
        let all = self.clone();
        if !all.with(|ids| ids.insert(login.open.id.clone())) {
            return None;
        }
        Some(async move {
            let outcome = login.outcome().await;
            all.with(|ids| ids.remove(&login.open.id));
            (login.open.id.clone(), outcome.map_or_else(|error| error.to_string(), |_| SIGNED_IN.to_owned()))
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        change(&mut lock(&self.0))
    }
}
