//! The last state of each account that imgurd announced on the bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use imgurd_proto::Account;
use zbus::Variant;

use crate::mutex::lock;

/// The last announced state of all accounts, by name.
#[derive(Default)]
pub(super) struct Published(Mutex<HashMap<String, Publication>>);

pub(super) struct Publication {
    /// The generation of its token.
    pub(super) issue: u64,
    /// Its state. The keeper holds the same allocation until the state changes.
    pub(super) info: Arc<Account>,
    /// The property `AutoRefresh`, current or about to be announced.
    pub(super) auto_refresh: bool,
}

pub(super) type Changes = HashMap<&'static str, Variant<'static>>;

impl Published {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, Publication>> {
        lock(&self.0)
    }

    /// Records that the object server itself announces this change, as for every writable property.
    pub(super) fn note_auto_refresh(&self, name: &str, auto_refresh: bool) {
        if let Some(publication) = self.lock().get_mut(name) {
            publication.auto_refresh = auto_refresh;
        }
    }
}

impl Publication {
    /// The properties that differ in `new`, and whether the token is another one.
    pub(super) fn changes(&self, new: &Self) -> (Changes, bool) {
        let changed = new.properties().into_iter().zip(self.properties());
        let changed = changed.filter(|(new, old)| new != old).map(|(new, _)| new);
        (changed.collect(), self.issue != new.issue)
    }

    /// The properties that may change, as `org.imgurd.Keeper1.Account` has them.
    fn properties(&self) -> [(&'static str, Variant<'static>); 8] {
        let info = &self.info;
        let text = |text: &Option<String>| text.clone().unwrap_or_default().into();
        [
            ("Username", text(&info.username)),
            ("State", info.state.to_string().into()),
            ("Reason", text(&info.reason)),
            ("ExpiresAt", info.expires_at.unwrap_or_default().into()),
            ("NextRefreshAt", info.next_refresh_at.unwrap_or_default().into()),
            ("AutoRefresh", self.auto_refresh.into()),
            ("LoginPending", info.login_pending.into()),
            ("Unsaved", info.unsaved.into()),
        ]
    }
}
