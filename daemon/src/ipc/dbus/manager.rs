//! `org.imgurd.Keeper1`: the keeper's methods, with plain arguments that any tool can write.

use std::iter;
use std::sync::{Arc, Weak};

use imgurd_proto::dbus::{Error, account_path};
use imgurd_proto::text::cause;
use imgurd_proto::{
    AddAccount, CompleteLogin, Discover, GetCredits, GetToken, ImportGrant, ListAccounts, Login as LoginCall,
    Logout, Method as _, OneAccount, Refresh, RejectToken, RemoveAccount, RemovePermit, RestoreGrant, Secret,
    SetAccount, SetPermit, Token,
};
use url::Url;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{OwnedFd, OwnedObjectPath, interface};

use super::admission::{Admission, admit, gone};
use super::awaited_logins::AwaitedLogins;
use super::dictionary::{Dictionary, Fields, arguments, dictionary};
use super::memfd;
use super::objects::Objects;
use crate::access::{Admitted, Caller};
use crate::ipc::Api;

pub(super) struct Manager {
    api: Api,
    admission: Weak<Admission>,
    objects: Weak<Objects>,
    awaited: AwaitedLogins,
}

impl Manager {
    pub(super) fn new(api: Api, objects: &Arc<Objects>) -> Self {
        let admission = Arc::downgrade(&objects.admission);
        Self { api, admission, objects: Arc::downgrade(objects), awaited: AwaitedLogins::default() }
    }

    async fn admit(&self, header: &Header<'_>) -> Result<Admitted, Error> {
        admit(&self.admission, header).await
    }

    /// Publishes the current accounts on the bus.
    async fn sync(&self) -> Result<(), Error> {
        Ok(self.objects.upgrade().ok_or_else(gone)?.sync().await?)
    }

    async fn token(
        &self,
        caller: &Caller,
        method: &str,
        account: String,
        min_valid_s: i32,
        wait_ms: i32,
    ) -> Result<Arc<Token>, Error> {
        let call =
            GetToken { account: Some(account), min_valid_s: given(min_valid_s), wait_ms: given(wait_ms) };
        Ok(self.api.get_token(caller, method, call).await?)
    }
}

/// Keeps a user's OAuth 2.0 tokens fresh and hands out the current access token. In all arguments, an account of "" means
/// the default account, and -1 means the default value. Errors are named org.imgurd.Keeper1.Error.*, and their message says
/// what to do. Each account is an object below this one.
#[interface(name = "org.imgurd.Keeper1")]
impl Manager {
    /// Returns an access token that is valid for at least min_valid_s more seconds (60). Waits up to wait_ms milliseconds
    /// (20000) for it. expires_at is in Unix seconds, 0 if unknown.
    #[zbus(out_args("access_token", "token_type", "expires_at"))]
    async fn get_token(
        &self,
        account: String,
        min_valid_s: i32,
        wait_ms: i32,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(Secret, String, i64), Error> {
        let admitted = self.admit(&header).await?;
        let token = self.token(admitted.caller(), GetToken::NAME, account, min_valid_s, wait_ms).await?;
        Ok(plain(&token))
    }

    /// Like GetToken, but returns the access token in a sealed memory file, which a monitor of the bus cannot read.
    #[zbus(out_args("access_token"))]
    async fn get_token_fd(
        &self,
        account: String,
        min_valid_s: i32,
        wait_ms: i32,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd, Error> {
        let admitted = self.admit(&header).await?;
        let token = self.token(admitted.caller(), "GetTokenFd", account, min_valid_s, wait_ms).await?;
        memfd::sealed(&token.access_token).map_err(|error| {
            Error::TemporarilyUnavailable(format!(
                "imgurd cannot create a file descriptor ({error}); try again",
                error = cause(&error)
            ))
        })
    }

    /// Reports that a server rejected access_token (401, or 403 from Imgur), and returns another one. If it is not the
    /// current token, the call returns the current one and refreshes nothing.
    #[zbus(out_args("access_token", "token_type", "expires_at"))]
    async fn reject_token(
        &self,
        account: String,
        access_token: Secret,
        wait_ms: i32,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(Secret, String, i64), Error> {
        let admitted = self.admit(&header).await?;
        let call = RejectToken { account: Some(account), access_token, wait_ms: given(wait_ms) };
        let token = self.api.reject_token(admitted.caller(), call).await?;
        Ok(plain(&token))
    }

    /// Refreshes the token now, even if it is still valid, and returns the new access token.
    #[zbus(out_args("access_token", "token_type", "expires_at"))]
    async fn refresh(
        &self,
        account: String,
        wait_ms: i32,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(Secret, String, i64), Error> {
        let admitted = self.admit(&header).await?;
        let call = Refresh { account: Some(account), wait_ms: given(wait_ms) };
        let token = self.api.refresh(admitted.caller(), call).await?;
        Ok(plain(&token))
    }

    /// Lists all accounts, or the named one, with their states and settings. The list contains no secret.
    #[zbus(out_args("accounts"))]
    async fn list_accounts(
        &self,
        account: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Fields>, Error> {
        let admitted = self.admit(&header).await?;
        let listed = self.api.list_accounts(admitted.caller(), &ListAccounts { account: Some(account) })?;
        Ok(listed.accounts.iter().map(dictionary).collect())
    }

    /// Adds an account. The settings have the names that they have in config.toml: client_id, flow, redirect_uri and so on.
    /// A client_secret of "" means none.
    #[zbus(out_args("path"))]
    async fn add_account(
        &self,
        account: String,
        settings: Dictionary,
        client_secret: Secret,
        make_default: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath, Error> {
        let _admitted = self.admit(&header).await?;
        let settings = arguments(&settings)?;
        let client_secret = some(client_secret);
        let call = AddAccount { account, settings, client_secret, make_default: Some(make_default) };
        let added = self.api.add_account(call).await;
        // The object exists before the caller gets the answer.
        self.sync().await?;
        Ok(path(&added?))
    }

    /// Changes settings of an account. Absent settings stay as they are; "" and an empty map restore the default.
    #[zbus(out_args("path"))]
    async fn set_account(
        &self,
        account: String,
        settings: Dictionary,
        client_secret: Secret,
        make_default: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath, Error> {
        let _admitted = self.admit(&header).await?;
        let (settings, client_secret) = (arguments(&settings)?, some(client_secret));
        let make_default = Some(make_default);
        let call = SetAccount { account: Some(account), settings, client_secret, make_default };
        Ok(path(&self.api.set_account(call).await?))
    }

    /// Removes an account from config.toml and sets its grant aside. Adding the account again restores the grant.
    async fn remove_account(&self, account: String, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        let _admitted = self.admit(&header).await?;
        self.api.remove_account(RemoveAccount { account, revoke: None }).await?;
        self.sync().await?;
        Ok(())
    }

    /// Imports a grant from elsewhere: token JSON, a redirect URL with its fragment or a refresh token.
    /// Unless replace is true, it does not replace another user's grant.
    #[zbus(out_args("path"))]
    async fn import_grant(
        &self,
        account: String,
        text: Secret,
        replace: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath, Error> {
        let _admitted = self.admit(&header).await?;
        let call = ImportGrant { account: Some(account), text, replace: Some(replace) };
        Ok(path(&self.api.import_grant(call).await?))
    }

    /// Restores the grant that a login or an import replaced.
    #[zbus(out_args("path"))]
    async fn restore_grant(
        &self,
        account: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath, Error> {
        let _admitted = self.admit(&header).await?;
        Ok(path(&self.api.restore_grant(RestoreGrant { account: Some(account) }).await?))
    }

    /// Asks the API how many requests it still allows, and waits up to wait_ms milliseconds (20000): user_limit,
    /// user_remaining, user_reset (Unix seconds), client_limit and client_remaining (x each), as far as the API reports them.
    #[zbus(out_args("credits"))]
    async fn get_credits(
        &self,
        account: String,
        wait_ms: i32,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Fields, Error> {
        let _admitted = self.admit(&header).await?;
        let call = GetCredits { account: Some(account), wait_ms: given(wait_ms) };
        Ok(dictionary(&self.api.get_credits(call).await?.credits))
    }

    /// Starts a login and returns the page to open; the signal LoginFinished reports the end. Options: flow (s: code, token,
    /// pin, or device, whose code GetLogin returns), timeout_s (300), replace (b), paste (b) if the caller will pass the answer
    /// to CompleteLogin, and client_secret (s) if the store has lost it.
    #[zbus(out_args("login_id", "url"))]
    async fn login(
        &self,
        account: String,
        options: Dictionary,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<(String, String), Error> {
        let _admitted = self.admit(&header).await?;
        let call = LoginCall { account: Some(account), ..arguments(&options)? };
        let login = self.api.login(call).await?;
        let answer = (login.open.id.clone(), login.open.url.to_string());
        let account = login.open.account.clone();
        if let Some(end) = self.awaited.end_of(login) {
            let emitter = emitter.into_owned();
            tokio::spawn(async move {
                let (login_id, outcome) = end.await;
                if let Err(error) = Self::login_finished(&emitter, &login_id, &account, &outcome).await {
                    tracing::debug!(%error, "cannot report the end of a sign-in on the bus");
                }
            });
        }
        Ok(answer)
    }

    /// Returns the page that the user opens for a login in progress and, in the flow device, the code to enter there.
    /// verification_uri_complete is the same page with the code filled in. An absent value is "".
    #[zbus(out_args("url", "user_code", "verification_uri_complete"))]
    async fn get_login(
        &self,
        login_id: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, String, String), Error> {
        let _admitted = self.admit(&header).await?;
        let (url, code) = self.api.get_login(&login_id)?;
        let complete = code.as_ref().and_then(|code| code.complete.as_ref().map(Url::to_string));
        let user_code = code.map(|code| code.user_code);
        Ok((url.to_string(), user_code.unwrap_or_default(), complete.unwrap_or_default()))
    }

    /// Completes a login with the answer of the authorization page: a PIN, a code or the whole redirect URL.
    #[zbus(out_args("path"))]
    async fn complete_login(
        &self,
        login_id: String,
        response: Secret,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath, Error> {
        let _admitted = self.admit(&header).await?;
        Ok(path(&self.api.complete_login(CompleteLogin { login_id, response }).await?))
    }

    /// Cancels a login.
    async fn cancel_login(&self, login_id: String, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        let _admitted = self.admit(&header).await?;
        self.api.cancel_login(&login_id).await?;
        Ok(())
    }

    /// Deletes an account's grants.
    async fn logout(&self, account: String, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        let _admitted = self.admit(&header).await?;
        self.api.logout(Logout { account: Some(account) }).await?;
        Ok(())
    }

    /// Unlocks the store. The keyring may show its dialog; no other method causes one. The call returns when the user has
    /// answered the dialog, which may take longer than the 25 s that D-Bus clients wait by default.
    async fn unlock_store(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Error> {
        let _admitted = self.admit(&header).await?;
        self.api.unlock_store().await?;
        Ok(())
    }

    /// Lists the saved decisions about applications: application, account, allow (b) and since (x, Unix seconds) of each.
    #[zbus(out_args("permits"))]
    async fn list_permits(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Fields>, Error> {
        let _admitted = self.admit(&header).await?;
        Ok(self.api.list_permits().await?.permits.iter().map(dictionary).collect())
    }

    /// Allows or denies an application the use of an account from now on, without asking the user.
    async fn set_permit(
        &self,
        application: String,
        account: String,
        allow: bool,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let _admitted = self.admit(&header).await?;
        self.api.set_permit(SetPermit { application, account: Some(account), allow }).await?;
        Ok(())
    }

    /// Deletes a saved decision about an application and an account.
    async fn remove_permit(
        &self,
        application: String,
        account: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let _admitted = self.admit(&header).await?;
        self.api.remove_permit(RemovePermit { application, account: Some(account) }).await?;
        Ok(())
    }

    /// Lists who got a token and who was denied one, the oldest entry first. An account of "" means all accounts. The list
    /// contains no secret.
    #[zbus(out_args("entries"))]
    async fn read_journal(
        &self,
        account: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Fields>, Error> {
        let _admitted = self.admit(&header).await?;
        let mut reading = self.api.read_journal(Some(&account), false).await?;
        Ok(iter::from_fn(|| reading.past()).map(|entry| dictionary(&entry)).collect())
    }

    /// Asks a server for its metadata (RFC 8414, OpenID Connect Discovery) and adds no account. Returns settings for
    /// AddAccount, scopes (as), and pkce (b) if the server lists methods of PKCE. A ca_file of "" means none.
    #[zbus(out_args("metadata"))]
    async fn discover(
        &self,
        issuer: String,
        ca_file: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Fields, Error> {
        let _admitted = self.admit(&header).await?;
        Ok(dictionary(&self.api.discover(Discover { issuer, ca_file: Some(ca_file) }).await?))
    }

    /// Checks what imgurd depends on, from where it runs. Each finding has check, result (ok, warn or fail), detail and hint,
    /// and contains no secret.
    #[zbus(out_args("findings"))]
    async fn probe(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Fields>, Error> {
        let _admitted = self.admit(&header).await?;
        Ok(self.api.probe().await?.findings.iter().map(dictionary).collect())
    }

    /// A login that was started on this bus has ended. outcome is "signed-in", or a sentence that says why it failed.
    #[zbus(signal)]
    async fn login_finished(
        emitter: &SignalEmitter<'_>,
        login_id: &str,
        account: &str,
        outcome: &str,
    ) -> zbus::Result<()>;
}

/// -1 means the default value.
fn given(number: i32) -> Option<i64> {
    Some(i64::from(number)).filter(|number| *number != -1)
}

fn some(secret: Secret) -> Option<Secret> {
    Some(secret).filter(|secret| !secret.is_empty())
}

/// The answer of `GetToken`, `RejectToken` and `Refresh`: the access token, its type, and when it expires.
fn plain(token: &Token) -> (Secret, String, i64) {
    (token.access_token.clone(), token.token_type.clone(), token.expires_at.unwrap_or_default())
}

fn path(reply: &OneAccount) -> OwnedObjectPath {
    account_path(&reply.account.name)
}
