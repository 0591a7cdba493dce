//! The methods of the interface as functions, the same for every wire.

mod accounts;

use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{
    Account, CompleteLogin, DEFAULT_LOGIN_TIMEOUT_S, Done, Error, ExportGrant, Findings, GetCredits,
    GetToken, ImportGrant, ListAccounts, Login as LoginCall, Method as _, OneAccount, OneExport, Refresh,
    RejectToken, RemovePermit, RestoreGrant, SetPermit, SomeAccounts, SomeCredits, SomePermits, Token, Watch,
    import,
};
use url::Url;

use super::arguments::{access_token, patience, secret_or_none, span};
use crate::access::journal::Reading;
use crate::access::{
    Caller, Gate, GatewayClients, Journal, Needs, Pass, Rejections, Requested, gateway_title,
};
use crate::config::{Class, SettingsEditor, check_name};
use crate::consent::{Login, LoginOptions, Logins, UserCode};
use crate::keeper::{Keeper, Renewal, Watcher, named};
use crate::probe::Probe;

const LONGEST_LOGIN_S: i64 = 3600;

/// How long a gateway client waits for a refresh of a token that may still be valid.
const USELESS_REFRESH: Duration = Duration::from_secs(5);

/// Stands for the default account if there is none. No account can have this name.
const NO_DEFAULT: &str = "(default)";

/// A call that may wait for a token.
struct Admission<'a> {
    caller: &'a Caller,
    method: &'a str,
    /// The account name in the call; `None` for the default account.
    named: Option<&'a str>,
    name: String,
    pass: Pass,
}

/// All methods, for callers that may use them.
#[derive(Clone)]
pub struct Api {
    pub(crate) keeper: Keeper,
    pub(crate) logins: Logins,
    pub(crate) editor: Arc<SettingsEditor>,
    pub(crate) gate: Gate,
    pub(crate) journal: Journal,
    pub(crate) probe: Probe,
    pub(crate) clients: GatewayClients,
    pub(crate) rejections: Rejections,
}

impl Api {
    /// Checks that the caller may call `method`, which requires `needs`.
    pub(super) fn check_method(&self, caller: &Caller, needs: Needs, method: &str) -> Result<(), Error> {
        self.gate.check_method(caller, needs).inspect_err(|error| {
            self.journal.denied(caller, method.rsplit('.').next(), None, error);
        })
    }

    /// Lets the caller wait for the token of the account, if it may have it.
    async fn admit<'a>(
        &self,
        caller: &'a Caller,
        method: &'a str,
        account: Option<&'a str>,
        wait_ms: Option<i64>,
    ) -> Result<Admission<'a>, Error> {
        let patience = patience(wait_ms)?;
        let named = named(account);
        let (name, missing) = match self.keeper.resolve(named) {
            Ok(name) => (name, None),
            Err(error) if caller.class() == Class::Unsandboxed => return Err(error),
            // If the caller may not know which accounts exist, neither the answer nor its delay may reveal whether
            // the account exists.
            Err(error) if named.is_none_or(|name| check_name(name).is_ok()) => {
                (named.unwrap_or(NO_DEFAULT).to_owned(), Some(error))
            }
            Err(_) => return Err(no_such_account()),
        };
        let asked = Requested { account: &name, name: named, exists: missing.is_none() };
        let passed = self.gate.authorize(caller, &asked, patience).await;
        let passed = passed.inspect_err(|error| self.refused(caller, method, &asked, error))?;
        match missing {
            Some(error) => Err(error),
            None => Ok(Admission { caller, method, named, name, pass: passed }),
        }
    }

    fn refused(&self, caller: &Caller, method: &str, asked: &Requested<'_>, error: &Error) {
        if asked.exists {
            self.journal.denied(caller, Some(method), Some(asked.account), error);
        } else {
            // A caller that tries names would fill the journal with them.
            self.journal.denied(caller, Some(method), None, &no_such_account());
        }
    }

    /// `method` is the name of the called method, because D-Bus has a second one for this.
    pub(crate) async fn get_token(
        &self,
        caller: &Caller,
        method: &str,
        call: GetToken,
    ) -> Result<Arc<Token>, Error> {
        let min_valid =
            call.min_valid_s.map(|seconds| span("min_valid_s", seconds, Duration::from_secs)).transpose()?;
        let admitted = self.admit(caller, method, call.account.as_deref(), call.wait_ms).await?;
        let token = self.keeper.token(Some(&admitted.name), min_valid, admitted.pass.left).await?;
        self.hand_out(&admitted, token)
    }

    pub(crate) async fn reject_token(&self, caller: &Caller, call: RejectToken) -> Result<Arc<Token>, Error> {
        let admitted = self.admit(caller, RejectToken::NAME, call.account.as_deref(), call.wait_ms).await?;
        let (name, access_token) = (&admitted.name, access_token(&call.access_token)?);
        let (class, mut renewal) = (caller.class(), self.keeper.renewal(name, &access_token));
        if class != Class::Unsandboxed && renewal == Renewal::Refresh {
            match self.rejections.spend(&caller.application, name, &access_token) {
                // A script may refresh at each run. Beyond the limit, the current token is its answer.
                Err(_) if class == Class::Gateway => renewal = Renewal::Done,
                spent => spent?,
            }
        }
        let token = match class {
            Class::Gateway => self.renew(name, renewal, admitted.pass.left).await?,
            _ => self.keeper.reject(Some(name), access_token, admitted.pass.left).await?,
        };
        self.hand_out(&admitted, token)
    }

    /// Another token for a gateway client that has refreshed its own. Nobody says that the API rejected that one, so imgurd
    /// keeps it if the refresh fails.
    async fn renew(&self, account: &str, renewal: Renewal, left: Duration) -> Result<Arc<Token>, Error> {
        let account = Some(account);
        if renewal != Renewal::Done {
            // Whatever the failure, the token that the client has may still be valid.
            if let Ok(token) = self.keeper.refresh(account, left.min(USELESS_REFRESH)).await {
                return Ok(token);
            }
        }
        self.keeper.token(account, None, left.saturating_sub(USELESS_REFRESH)).await
    }

    pub(super) async fn refresh(&self, caller: &Caller, call: Refresh) -> Result<Arc<Token>, Error> {
        let admitted = self.admit(caller, Refresh::NAME, call.account.as_deref(), call.wait_ms).await?;
        let token = self.keeper.refresh(Some(&admitted.name), admitted.pass.left).await?;
        self.hand_out(&admitted, token)
    }

    /// Every secret leaves through here. The gate decides again, because rules and permits may have changed while the
    /// call waited. The journal records the caller.
    fn hand_out<T>(&self, admitted: &Admission<'_>, secret: T) -> Result<T, Error> {
        let Admission { caller, method, named, name, pass } = admitted;
        let asked = Requested { account: name, name: *named, exists: true };
        let still = self.gate.recheck(caller, &asked, pass);
        still.inspect_err(|error| self.refused(caller, method, &asked, error))?;
        self.journal.granted(caller, method, name);
        Ok(secret)
    }

    pub(super) async fn read_journal(&self, account: Option<&str>, follow: bool) -> Result<Reading, Error> {
        self.journal.read(named(account).map(str::to_owned), follow).await
    }

    pub(super) fn list_accounts(&self, caller: &Caller, call: &ListAccounts) -> Result<SomeAccounts, Error> {
        let account = call.account.as_deref();
        self.check_visible(caller, ListAccounts::NAME, account)?;
        let accounts = self.keeper.accounts(account)?;
        Ok(SomeAccounts { accounts: self.visible(caller, accounts).collect() })
    }

    pub(super) fn watch(&self, caller: &Caller, call: &Watch) -> Result<Watcher, Error> {
        let account = call.account.as_deref();
        self.check_visible(caller, Watch::NAME, account)?;
        self.keeper.watch(account)
    }

    /// Checks that the caller may know the state of the account that it names, if any.
    pub(super) fn check_visible(
        &self,
        caller: &Caller,
        method: &str,
        account: Option<&str>,
    ) -> Result<(), Error> {
        let Some(name) = named(account).filter(|name| !self.gate.may_see(caller, name)) else {
            return Ok(());
        };
        if check_name(name).is_err() {
            return Err(no_such_account());
        }
        let refusal = self.gate.invisible(caller, name);
        let exists = self.keeper.resolve(account).is_ok();
        self.refused(caller, method, &Requested { account: name, name: Some(name), exists }, &refusal);
        Err(refusal)
    }

    /// The accounts that the caller may see.
    pub(super) fn visible(
        &self,
        caller: &Caller,
        accounts: impl IntoIterator<Item = Account>,
    ) -> impl Iterator<Item = Account> {
        accounts.into_iter().filter_map(|account| self.gate.visible_part(caller, account))
    }

    pub(crate) async fn import_grant(&self, call: ImportGrant) -> Result<OneAccount, Error> {
        let name = self.keeper.resolve(call.account.as_deref())?;
        let config = self.editor.account(&name)?;
        let target = import::Target {
            client_id: Some(&config.client_id),
            token_url: config.token_url.as_str(),
            issuer: config.issuer.as_deref(),
        };
        let found = import::choose(import::read(call.text.expose()), &target).one(None)?;
        let replace = call.replace.unwrap_or(false);
        let imported =
            self.keeper.import(Some(&name), found.refresh_token, found.access_token, found.username, replace);
        Ok(OneAccount { account: imported.await? })
    }

    pub(super) async fn restore_grant(&self, call: RestoreGrant) -> Result<OneAccount, Error> {
        Ok(OneAccount { account: self.keeper.restore(call.account.as_deref()).await? })
    }

    /// The journal records an exported grant like a token.
    pub(super) async fn export_grant(&self, caller: &Caller, call: ExportGrant) -> Result<OneExport, Error> {
        let admitted = self.admit(caller, ExportGrant::NAME, call.account.as_deref(), None).await?;
        let export = self.keeper.export(&admitted.name).await?;
        self.hand_out(&admitted, OneExport { export })
    }

    pub(super) async fn get_credits(&self, call: GetCredits) -> Result<SomeCredits, Error> {
        let account = self.keeper.resolve(call.account.as_deref())?;
        let credits = self.keeper.credits(&account, patience(call.wait_ms)?).await?;
        Ok(SomeCredits { account, credits })
    }

    pub(super) async fn login(&self, call: LoginCall) -> Result<Login, Error> {
        let name = self.keeper.resolve(call.account.as_deref())?;
        let seconds = call.timeout_s.unwrap_or(DEFAULT_LOGIN_TIMEOUT_S).min(LONGEST_LOGIN_S);
        let options = LoginOptions {
            flow: call.flow,
            timeout: span("timeout_s", seconds, Duration::from_secs)?,
            replace: call.replace.unwrap_or(false),
            paste: call.paste.unwrap_or(false),
            client_secret: call.client_secret.map(secret_or_none).transpose()?,
        };
        let config = self.editor.account(&name)?;
        self.logins.begin(&name, &config, options).await
    }

    /// The page of a login, and the code to enter there.
    pub(super) fn get_login(&self, login_id: &str) -> Result<(Url, Option<UserCode>), Error> {
        self.logins.shown(login_id)
    }

    pub(super) async fn complete_login(&self, call: CompleteLogin) -> Result<OneAccount, Error> {
        Ok(OneAccount { account: self.logins.complete(&call.login_id, call.response).await?.account })
    }

    pub(super) async fn cancel_login(&self, login_id: &str) -> Result<Done, Error> {
        self.logins.cancel(login_id).await.map(|()| Done {})
    }

    pub(super) async fn list_permits(&self) -> Result<SomePermits, Error> {
        Ok(SomePermits { permits: self.gate.permits().all().await? })
    }

    pub(super) async fn set_permit(&self, call: SetPermit) -> Result<Done, Error> {
        let SetPermit { application, account, allow } = call;
        let account = self.keeper.resolve(account.as_deref())?;
        self.check_application(&application)?;
        self.gate.permits().set(application, account, allow).await.map(|()| Done {})
    }

    pub(super) async fn remove_permit(&self, call: RemovePermit) -> Result<Done, Error> {
        // The permit of an account that does not exist any more can be removed as well.
        let account = match named(call.account.as_deref()) {
            Some(name) => name.to_owned(),
            None => self.keeper.resolve(None)?,
        };
        let is_client = call.application.starts_with(&gateway_title(""));
        self.gate.permits().remove(call.application, account).await?;
        if is_client {
            // Codes and open pages end with the permit.
            self.clients.note_change();
        }
        Ok(Done {})
    }

    pub(super) async fn probe(&self) -> Result<Findings, Error> {
        // `imgurctl doctor` then checks whether the callbacks' ports are free.
        self.logins.free_ports().await;
        Ok(self.probe.report().await)
    }

    pub(super) async fn unlock_store(&self) -> Result<Done, Error> {
        self.keeper.unlock_store().await.map(|()| Done {})
    }
}

fn no_such_account() -> Error {
    let reason = "There is no account with this name; see `imgurctl account list`";
    Error::AccessDenied { reason: reason.to_owned() }
}
