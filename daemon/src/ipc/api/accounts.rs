//! Changes to the accounts of config.toml.

use std::sync::Arc;

use imgurd_proto::{
    AddAccount, Discover, Discovery, Error, Logout, OneAccount, RemoveAccount, Secret, SetAccount, Settings,
    SignedOut,
};
use tokio::task::spawn_blocking;

use super::Api;
use crate::config::{Config, issuer};
use crate::grant::Issuer;
use crate::ipc::arguments::client_secret as client_secret_of;
use crate::keeper::Revoked;
use crate::provider::{check_authorities, discover};

impl Api {
    pub(in crate::ipc) async fn add_account(&self, call: AddAccount) -> Result<OneAccount, Error> {
        let AddAccount { account: name, settings, client_secret, make_default } = call;
        let client_secret = client_secret.as_ref().map(client_secret_of).transpose()?;
        self.check_ca_file(&settings).await?;
        let make_default = make_default.unwrap_or(false);
        let config = self.editor.change(|file| file.add(&name, &settings, make_default))?;
        let added = self.configured(config, name.clone(), client_secret).await;
        added.map_err(|error| match error {
            Error::StoreUnavailable { reason } => {
                Error::StoreUnavailable { reason: half_added(&name, &reason) }
            }
            other => other,
        })?;
        self.keeper.store_read(&name).await;
        Ok(OneAccount { account: self.keeper.account(Some(&name))? })
    }

    pub(in crate::ipc) async fn discover(&self, call: Discover) -> Result<Discovery, Error> {
        let issuer =
            issuer(Some(call.issuer)).map_err(|error| Error::invalid(error.setting, error.reason))?;
        let issuer = issuer.ok_or_else(|| Error::invalid("issuer", "The issuer is empty; give its URL"))?;
        let ca_file = call.ca_file.filter(|file| !file.is_empty());
        let ca_file = ca_file.map(|file| self.editor.file().directory().join(file));
        discover(&issuer, ca_file).await
    }

    pub(in crate::ipc) async fn set_account(&self, call: SetAccount) -> Result<OneAccount, Error> {
        let name = self.keeper.resolve(call.account.as_deref())?;
        let client_secret = call.client_secret.as_ref().map(client_secret_of).transpose()?;
        if call.settings == Settings::default() && call.make_default != Some(true) {
            let issuer = self.editor.account(&name)?.issuer();
            return self.keep_secret(name, issuer, client_secret).await;
        }
        self.check_ca_file(&call.settings).await?;
        let make_default = call.make_default.unwrap_or(false);
        let config = self.editor.change(|file| file.set(&name, &call.settings, make_default))?;
        self.configured(config, name, client_secret).await
    }

    pub(in crate::ipc) async fn remove_account(&self, call: RemoveAccount) -> Result<SignedOut, Error> {
        // Before anything is changed.
        self.gate.permits().all().await?;
        let mut revoked = None;
        if call.revoke.unwrap_or(false) {
            self.check_revocable(&call.account)?;
            revoked = self.keeper.logout(Some(&call.account)).await?;
        }
        let config = self.editor.change(|file| file.remove(&call.account))?;
        self.configure(config).await?;
        let forgotten = self.forget_permits(&call.account).await;
        forgotten.map(|()| signed_out(revoked)).map_err(|error| Error::StoreUnavailable {
            reason: half_removed(&call.account, &error.to_string()),
        })
    }

    /// Forgets what was permitted for an account, because a later account with that name is another one.
    async fn forget_permits(&self, account: &str) -> Result<(), Error> {
        self.clients.note_change();
        self.gate.permits().remove_account(account.to_owned()).await?;
        self.clients.revoke_account(account).await
    }

    /// Reads a new `ca_file`, in a thread for blocking work.
    async fn check_ca_file(&self, settings: &Settings) -> Result<(), Error> {
        let Some(named) = settings.ca_file.as_ref().filter(|file| !file.is_empty()) else { return Ok(()) };
        let file = self.editor.file().directory().join(named);
        match spawn_blocking(move || check_authorities(&file)).await {
            Ok(Err(reason)) => {
                Err(Error::invalid("ca_file", format!("{reason}; give a file of PEM certificates")))
            }
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    fn check_revocable(&self, account: &str) -> Result<(), Error> {
        let name = self.keeper.resolve(Some(account))?;
        if self.editor.account(&name)?.revoke_url.is_some() {
            return Ok(());
        }
        let reason = format!(
            "{name} has no revoke_url, so imgurd cannot revoke its grant at the server; set it with `imgurctl account set {name} \
             --revoke-url URL`, or remove the account without --revoke"
        );
        Err(Error::invalid("revoke", reason))
    }

    async fn configured(
        &self,
        config: Arc<Config>,
        name: String,
        secret: Option<Secret>,
    ) -> Result<OneAccount, Error> {
        let issuer = config.accounts.get(&name).map(|account| account.issuer());
        self.configure(config).await?;
        let issuer = issuer.map_or_else(|| self.editor.account(&name).map(|account| account.issuer()), Ok)?;
        self.keep_secret(name, issuer, secret).await
    }

    pub(in crate::ipc) async fn logout(&self, call: Logout) -> Result<SignedOut, Error> {
        self.keeper.logout(call.account.as_deref()).await.map(signed_out)
    }

    /// Applies a changed file, even if the caller disconnects now.
    pub(in crate::ipc) async fn configure(&self, config: Arc<Config>) -> Result<(), Error> {
        let keeper = self.keeper.clone();
        let configured = tokio::spawn(async move { keeper.configure(config).await });
        configured.await.unwrap_or(Ok(()))
    }

    /// Saves a client secret for the server that is configured when it arrives.
    async fn keep_secret(
        &self,
        name: String,
        issuer: Issuer,
        secret: Option<Secret>,
    ) -> Result<OneAccount, Error> {
        if let Some(secret) = secret {
            self.keeper.keep_client_secret(&name, issuer, secret).await?;
        }
        Ok(OneAccount { account: self.keeper.account(Some(&name))? })
    }
}

fn signed_out(revoked: Revoked) -> SignedOut {
    SignedOut { revoked: revoked.as_ref().map(Result::is_ok), note: revoked.and_then(Result::err) }
}

fn half_removed(name: &str, reason: &str) -> String {
    format!(
        "imgurd removed {name}, but not what you permitted for it: {reason}. Then run `imgurctl permit list`, and revoke what \
         is left for {name}"
    )
}

fn half_added(name: &str, reason: &str) -> String {
    format!(
        "imgurd added {name} but could not save its client secret: {reason}. Then run `imgurctl account set {name} \
         --client-secret-stdin`"
    )
}
