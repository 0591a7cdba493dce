//! `org.imgurd.Keeper1.Account`: how an account is, as properties.

use std::sync::Weak;

use imgurd_proto::{Account as Info, SetAccount, Settings};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{fdo, interface};

use super::Error;
use super::objects::Objects;
use crate::ipc::Api;

/// The object of one account.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) api: Api,
    pub(super) objects: Weak<Objects>,
}

impl Account {
    /// As it is now: what a caller reads after an answer is never older than the answer.
    fn info(&self) -> fdo::Result<Info> {
        self.api.account(&self.name).map_err(|error| fdo::Error::UnknownObject(error.to_string()))
    }
}

/// An account: how it is, and whether it refreshes by itself. The keeper's methods take its Name.
#[interface(name = "org.imgurd.Keeper1.Account")]
impl Account {
    /// What the account is called here.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.name.clone()
    }

    /// Who signed in; empty where that is not known.
    #[zbus(property)]
    fn username(&self) -> fdo::Result<String> {
        Ok(self.info()?.username.unwrap_or_default())
    }

    /// One of: empty, fresh, refreshing, stale, waiting, consent_needed, misconfigured, store_unavailable.
    #[zbus(property)]
    fn state(&self) -> fdo::Result<String> {
        Ok(self.info()?.state.to_string())
    }

    /// One sentence on why it is so, which ends with what to do; empty while it is fresh.
    #[zbus(property)]
    fn reason(&self) -> fdo::Result<String> {
        Ok(self.info()?.reason.unwrap_or_default())
    }

    /// When the access token expires, in Unix seconds; 0 if that is not known.
    #[zbus(property)]
    fn expires_at(&self) -> fdo::Result<i64> {
        Ok(self.info()?.expires_at.unwrap_or_default())
    }

    /// When the token will be refreshed, in Unix seconds; 0 if that is not planned.
    #[zbus(property)]
    fn next_refresh_at(&self) -> fdo::Result<i64> {
        Ok(self.info()?.next_refresh_at.unwrap_or_default())
    }

    /// Whether the token is refreshed with no one asking. Writing it changes config.toml.
    #[zbus(property)]
    fn auto_refresh(&self) -> fdo::Result<bool> {
        Ok(self.info()?.auto_refresh)
    }

    #[zbus(property)]
    async fn set_auto_refresh(
        &self,
        auto_refresh: bool,
        #[zbus(header)] header: Option<Header<'_>>,
    ) -> Result<(), Error> {
        let objects = self.objects.upgrade().ok_or_else(super::gone)?;
        let _admitted = match &header {
            Some(header) => Some(objects.admit(header).await?),
            None => None,
        };
        objects.note_auto_refresh(&self.name, auto_refresh);
        let settings = Settings { auto_refresh: Some(auto_refresh), ..Settings::default() };
        let account = Some(self.name.clone());
        let set = self.api.set_account(SetAccount { account, settings, ..SetAccount::default() }).await;
        set.inspect_err(|_| objects.note_auto_refresh(&self.name, !auto_refresh))?;
        Ok(())
    }

    /// Whether somebody is signing in just now.
    #[zbus(property)]
    fn login_pending(&self) -> fdo::Result<bool> {
        Ok(self.info()?.login_pending)
    }

    /// Whether the grant is served from memory because the store is behind.
    #[zbus(property)]
    fn unsaved(&self) -> fdo::Result<bool> {
        Ok(self.info()?.unsaved)
    }

    /// There is another access token; GetToken hands it over.
    #[zbus(signal)]
    pub(super) async fn token_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
