//! `org.imgurd.Keeper1.Account`: how an account is, as properties.

use std::sync::{Arc, Weak};

use imgurd_proto::{Account as Info, SetAccount, Settings};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{fdo, interface};

use super::admission::Admission;
use super::published::Published;
use super::{Error, admit};
use crate::ipc::Api;

pub(super) struct Account {
    pub(super) name: String,
    pub(super) api: Api,
    pub(super) admission: Weak<Admission>,
    pub(super) published: Arc<Published>,
}

impl Account {
    /// As it is now: what a caller reads after an answer is never older than the answer. Without a header it is read for
    /// the bus as a whole, which is told of changes.
    async fn info(&self, header: Option<Header<'_>>) -> fdo::Result<Info> {
        if let Some(header) = header {
            self.show(&header).await.map_err(|error| fdo::Error::AccessDenied(error.to_string()))?;
        }
        self.api
            .keeper()
            .account(Some(&self.name))
            .map_err(|error| fdo::Error::UnknownObject(error.to_string()))
    }

    async fn show(&self, header: &Header<'_>) -> Result<(), Error> {
        let admitted = admit(&self.admission, header).await?;
        let method = header.member().map_or("", |member| member.as_str());
        Ok(self.api.check_visible(admitted.caller(), method, Some(&self.name))?)
    }
}

/// An account: how it is, and whether it refreshes by itself. The keeper's methods take its Name.
#[interface(name = "org.imgurd.Keeper1.Account")]
impl Account {
    /// What the account is called here.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn name(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.name)
    }

    /// Who signed in; empty where that is not known.
    #[zbus(property)]
    async fn username(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.username.unwrap_or_default())
    }

    /// One of: empty, fresh, refreshing, stale, waiting, consent_needed, misconfigured, store_unavailable.
    #[zbus(property)]
    async fn state(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.state.to_string())
    }

    /// One sentence on why it is so, which ends with what to do; empty while it is fresh.
    #[zbus(property)]
    async fn reason(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.reason.unwrap_or_default())
    }

    /// When the access token expires, in Unix seconds; 0 if that is not known.
    #[zbus(property)]
    async fn expires_at(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<i64> {
        Ok(self.info(header).await?.expires_at.unwrap_or_default())
    }

    /// When the token will be refreshed, in Unix seconds; 0 if that is not planned.
    #[zbus(property)]
    async fn next_refresh_at(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<i64> {
        Ok(self.info(header).await?.next_refresh_at.unwrap_or_default())
    }

    /// Whether the token is refreshed with no one asking. Writing it changes config.toml.
    #[zbus(property)]
    async fn auto_refresh(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<bool> {
        Ok(self.info(header).await?.auto_refresh)
    }

    #[zbus(property)]
    async fn set_auto_refresh(
        &self,
        auto_refresh: bool,
        #[zbus(header)] header: Option<Header<'_>>,
    ) -> Result<(), Error> {
        let _admitted = match &header {
            Some(header) => Some(admit(&self.admission, header).await?),
            None => None,
        };
        self.published.note_auto_refresh(&self.name, auto_refresh);
        let settings = Settings { auto_refresh: Some(auto_refresh), ..Settings::default() };
        let account = Some(self.name.clone());
        let set = self.api.set_account(SetAccount { account, settings, ..SetAccount::default() }).await;
        set.inspect_err(|_| self.published.note_auto_refresh(&self.name, !auto_refresh))?;
        Ok(())
    }

    /// Whether somebody is signing in just now.
    #[zbus(property)]
    async fn login_pending(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<bool> {
        Ok(self.info(header).await?.login_pending)
    }

    /// Whether the grant is served from memory because the store is behind.
    #[zbus(property)]
    async fn unsaved(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<bool> {
        Ok(self.info(header).await?.unsaved)
    }

    /// There is another access token; GetToken hands it over.
    #[zbus(signal)]
    pub(super) async fn token_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
