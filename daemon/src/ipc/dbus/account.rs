//! `org.imgurd.Keeper1.Account`: the state of an account, as properties.

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
    /// The current account: what a caller reads after an answer is never older than the answer. Without a header, zbus reads it
    /// to announce changes on the bus.
    async fn info(&self, header: Option<Header<'_>>) -> fdo::Result<Info> {
        if let Some(header) = header {
            self.show(&header).await.map_err(|error| fdo::Error::AccessDenied(error.to_string()))?;
        }
        self.api
            .keeper
            .account(Some(&self.name))
            .map_err(|error| fdo::Error::UnknownObject(error.to_string()))
    }

    async fn show(&self, header: &Header<'_>) -> Result<(), Error> {
        let admitted = admit(&self.admission, header).await?;
        let method = header.member().map_or("", |member| member.as_str());
        Ok(self.api.check_visible(admitted.caller(), method, Some(&self.name))?)
    }
}

/// An account: its state, and whether imgurd refreshes it. The methods of the manager take its Name.
#[interface(name = "org.imgurd.Keeper1.Account")]
impl Account {
    /// The name of the account.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn name(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.name)
    }

    /// The user who signed in; empty if unknown.
    #[zbus(property)]
    async fn username(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.username.unwrap_or_default())
    }

    /// One of: empty, fresh, refreshing, stale, waiting, consent_needed, misconfigured, store_unavailable.
    #[zbus(property)]
    async fn state(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.state.to_string())
    }

    /// Why the account is in this state, and what to do, in one sentence; empty if there is nothing to report.
    #[zbus(property)]
    async fn reason(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<String> {
        Ok(self.info(header).await?.reason.unwrap_or_default())
    }

    /// When the access token expires, in Unix seconds; 0 if unknown.
    #[zbus(property)]
    async fn expires_at(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<i64> {
        Ok(self.info(header).await?.expires_at.unwrap_or_default())
    }

    /// When imgurd will refresh the token, in Unix seconds; 0 if no refresh is scheduled.
    #[zbus(property)]
    async fn next_refresh_at(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<i64> {
        Ok(self.info(header).await?.next_refresh_at.unwrap_or_default())
    }

    /// Whether imgurd refreshes the token before it expires. Writing this property changes config.toml.
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

    /// Whether a sign-in is in progress.
    #[zbus(property)]
    async fn login_pending(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<bool> {
        Ok(self.info(header).await?.login_pending)
    }

    /// Whether the grant is in memory only, because the store has not saved it yet.
    #[zbus(property)]
    async fn unsaved(&self, #[zbus(header)] header: Option<Header<'_>>) -> fdo::Result<bool> {
        Ok(self.info(header).await?.unsaved)
    }

    /// There is a new access token, which GetToken returns.
    #[zbus(signal)]
    pub(super) async fn token_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
