//! A login in progress: from the URL to open to the grant, or to an error that says why there is none.

pub(crate) mod authorization_response;
pub(crate) mod browser;
pub(crate) mod callback;
mod device;
mod ended_logins;
mod lingering;
pub(crate) mod listener;
mod login_result;
pub(crate) mod page;
mod server;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgurd_proto::{Error, Flow, Secret};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::config::AccountConfig;
use crate::keeper::{Began, Keeper};
use crate::mutex::lock;
use crate::provider::{Authorization, AuthorizationRequest, DeviceAuthorization, is_loopback};
use crate::random;

use callback::Callback;
use device::Polls;
pub use device::UserCode;
use ended_logins::EndedLogins;
use lingering::Lingering;
use listener::{Listener, Listeners};
use login_result::{LoginResult, Submission, cancelled, expired};
use server::Server;
use session::{Running, Session};

/// The options of a login.
#[derive(Clone, Debug)]
pub struct LoginOptions {
    /// The flow, if not the account's.
    pub flow: Option<Flow>,
    /// How long it stays open.
    pub timeout: Duration,
    /// Whether another user than before may sign in.
    pub replace: bool,
    /// Whether the user pastes the answer. imgurd still listens at a loopback callback: otherwise another user of the
    /// machine could listen there and get the answer first.
    pub paste: bool,
    /// The client secret, if the store has lost it.
    pub client_secret: Option<Secret>,
}

/// The logins in progress, at most one per account. Simultaneous callers share it.
#[derive(Clone)]
pub struct Logins {
    keeper: Keeper,
    open: Arc<Mutex<HashMap<String, OpenLogin>>>,
    ended: EndedLogins,
    lingering: Lingering,
    listeners: Listeners,
}

/// A login in progress.
#[derive(Clone)]
pub struct OpenLogin {
    /// Its ID.
    pub id: String,
    /// The account.
    pub account: String,
    /// The page that the user opens.
    pub url: Url,
    /// The code that the user enters there, for the flow `device`.
    pub code: Option<UserCode>,
    /// Whether the user has to paste the answer.
    pub paste: bool,
    /// What the user should know while the login waits.
    pub hint: watch::Receiver<Option<String>>,
    flow: Flow,
    submissions: mpsc::Sender<Submission>,
    outcome: watch::Receiver<Option<LoginResult>>,
    /// Each caller that wants this login holds a sender. When the last one is dropped, the login ends.
    wanted: mpsc::WeakSender<()>,
}

impl OpenLogin {
    /// A share for another caller; `None` if the login has no callers any more.
    fn join(&self, flow: Flow, paste: bool, patience: Duration) -> Result<Option<Login>, Error> {
        let Some(wanted) = self.wanted.upgrade() else { return Ok(None) };
        if (self.flow, self.paste) != (flow, paste) {
            let account = &self.account;
            return Err(Error::login(format!(
                "Another sign-in to {account} is in progress with other options; complete or cancel it first"
            )));
        }
        Ok(Some(Login { open: self.clone(), deadline: Some(Instant::now() + patience), _wanted: wanted }))
    }
}

/// One caller's share of a login. Dropping it means that the caller does not want the login any more.
pub struct Login {
    /// The login.
    pub open: OpenLogin,
    /// When a caller that joined another caller's login stops waiting.
    deadline: Option<Instant>,
    _wanted: mpsc::Sender<()>,
}

impl Login {
    /// Waits for the result.
    pub async fn outcome(&mut self) -> LoginResult {
        let account = &self.open.account;
        let ended = self.open.outcome.wait_for(Option::is_some);
        let ended = match self.deadline {
            Some(deadline) => timeout_at(deadline, ended).await,
            None => Ok(ended.await),
        };
        match ended {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(cancelled(account))),
            Ok(Err(_)) => Err(cancelled(account)),
            Err(_) => Err(expired(account)),
        }
    }
}

impl Logins {
    /// Starts without logins.
    #[must_use]
    pub fn new(keeper: Keeper) -> Self {
        Self {
            keeper,
            open: Arc::default(),
            ended: EndedLogins::default(),
            lingering: Lingering::default(),
            listeners: Listeners::default(),
        }
    }

    /// Starts a login for `account`, or joins the one in progress.
    pub async fn begin(
        &self,
        account: &str,
        config: &AccountConfig,
        options: LoginOptions,
    ) -> Result<Login, Error> {
        let flow = options.flow.unwrap_or(config.flow);
        let is_local = config.redirect_uri.url().scheme() == "http" && is_loopback(config.redirect_uri.url());
        let paste = flow != Flow::Device && (options.paste || flow == Flow::Pin || !is_local);
        let began = self.keeper.begin(account, config.issuer(), flow, options.client_secret.clone()).await?;
        while let Some(pending) = self.find_of(account) {
            if let Some(login) = pending.join(flow, paste, options.timeout)? {
                return Ok(login);
            }
            // No caller wants the earlier login any more. Wait until it has ended and its port is free.
            let _ = pending.outcome.clone().wait_for(Option::is_some).await;
        }
        if flow == Flow::Device {
            return self.begin_device(account, config, options, began).await;
        }
        let authorization = request(config, flow).build();
        let mut listener = None;
        if flow != Flow::Pin && is_loopback(config.redirect_uri.url()) {
            self.free_ports().await;
            match self.listeners.open(config.redirect_uri.url()).await {
                Ok(bound) => {
                    let state = &authorization.state;
                    listener = Some((bound, Callback::new(account, config.redirect_uri.url(), flow, state)));
                }
                // No other user can listen there; if the port is in use, it is by a program of this user.
                Err(error) if paste && !error.is_unsafe() => {
                    tracing::warn!(account, error = %Error::from(error), "the user must paste the answer");
                }
                Err(error) => {
                    // A simultaneous caller may have been faster.
                    if let Some(pending) = self.find_of(account) {
                        return pending.join(flow, paste, options.timeout)?.ok_or(error.into());
                    }
                    self.keeper.login(account, None).await?;
                    return Err(error.into());
                }
            }
        }
        let session = self.session(account, config, (flow, options.replace), began, authorization);
        let login = self.register(session, None, paste, options.timeout, listener);
        self.keeper.login(account, Some(&login.open.id)).await?;
        Ok(login)
    }

    /// Starts a login by the device authorization grant.
    async fn begin_device(
        &self,
        account: &str,
        config: &AccountConfig,
        options: LoginOptions,
        began: Began,
    ) -> Result<Login, Error> {
        let device = self.keeper.authorize_device(account).await?;
        // A simultaneous caller may have been faster.
        if let Some(pending) = self.find_of(account)
            && let Some(login) = pending.join(Flow::Device, false, options.timeout)?
        {
            return Ok(login);
        }
        let DeviceAuthorization {
            user_code, verification_uri, verification_uri_complete, expires_in, ..
        } = device.clone();
        let authorization = Authorization::elsewhere(verification_uri);
        let mut session =
            self.session(account, config, (Flow::Device, options.replace), began, authorization);
        session.polls = Some(Polls::new(&device));
        let code = UserCode { user_code, complete: verification_uri_complete };
        let login = self.register(session, Some(code), false, options.timeout.min(expires_in), None);
        self.keeper.login(account, Some(&login.open.id)).await?;
        Ok(login)
    }

    fn session(
        &self,
        account: &str,
        config: &AccountConfig,
        (flow, replace): (Flow, bool),
        began: Began,
        authorization: Authorization,
    ) -> Session {
        Session {
            keeper: self.keeper.clone(),
            account: account.to_owned(),
            began,
            flow,
            replace,
            redirect_uri: config.send_redirect_uri.then(|| config.redirect_uri.clone()),
            authorization,
            server: Server {
                issuer: config.issuer.clone(),
                requires_iss: config.require_iss,
                auth_url: config.auth_url.clone(),
            },
            polls: None,
            ended: self.ended.clone(),
            lingering: self.lingering.clone(),
            hint: watch::Sender::default(),
        }
    }

    /// The page of a login, and the code to enter there.
    pub fn shown(&self, login_id: &str) -> Result<(Url, Option<UserCode>), Error> {
        self.find(login_id).map(|login| (login.url, login.code))
    }

    /// Closes the callbacks that stay open after their login.
    pub async fn free_ports(&self) {
        self.lingering.end().await;
    }

    /// Passes on an answer that the user pasted.
    pub async fn complete(&self, login_id: &str, response: Secret) -> LoginResult {
        let (reply, outcome) = oneshot::channel();
        let login = self.find(login_id)?;
        let submission = Submission::Answer { response, reply };
        login.submissions.send(submission).await.map_err(|_| no_such(login_id))?;
        outcome.await.unwrap_or_else(|_| Err(cancelled(&login.account)))
    }

    /// Cancels a login.
    pub async fn cancel(&self, login_id: &str) -> Result<(), Error> {
        let mut pending = self.find(login_id)?;
        let _ = pending.submissions.send(Submission::Cancel).await;
        let _ = pending.outcome.wait_for(Option::is_some).await;
        Ok(())
    }

    fn find(&self, login_id: &str) -> Result<OpenLogin, Error> {
        lock(&self.open).get(login_id).cloned().ok_or_else(|| no_such(login_id))
    }

    fn find_of(&self, account: &str) -> Option<OpenLogin> {
        lock(&self.open).values().find(|login| login.account == account).cloned()
    }

    fn register(
        &self,
        session: Session,
        code: Option<UserCode>,
        paste: bool,
        patience: Duration,
        listener: Option<(Listener, Callback)>,
    ) -> Login {
        let id = random::hex::<8>();
        let (account, url, flow) = (session.account.clone(), session.authorization.url.clone(), session.flow);
        let hint = session.hint.subscribe();
        // Locked until the login is inserted, because the session may end immediately.
        let mut open = lock(&self.open);
        let (logins, session_id) = (self.clone(), id.clone());
        let forget = move || drop(lock(&logins.open).remove(&session_id));
        let running = session.spawn(Instant::now() + patience, listener, forget);
        let Running { submissions, outcome, wanted } = running;
        let login = OpenLogin {
            id: id.clone(),
            account,
            url,
            code,
            flow,
            paste,
            submissions,
            outcome,
            hint,
            wanted: wanted.downgrade(),
        };
        open.insert(id, login.clone());
        Login { open: login, deadline: None, _wanted: wanted }
    }
}

fn request(config: &AccountConfig, flow: Flow) -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: config.client_id.clone(),
        auth_url: config.auth_url.clone(),
        flow,
        redirect_uri: config.send_redirect_uri.then(|| config.redirect_uri.clone()),
        scope: config.scope.clone(),
        state_prefix: config.state.clone(),
        resource: config.resource.clone(),
        params: config.auth_params.clone(),
    }
}

fn no_such(login_id: &str) -> Error {
    let shown: String = login_id.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    Error::invalid(
        "login_id",
        format!("There is no sign-in {shown} in progress; start a new one with `imgurctl login`"),
    )
}
