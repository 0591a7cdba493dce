//! The successive tokens of an account.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use imgurd_proto::{Account, ClientError, Error, GetToken, State, Token, Watch};

use crate::app::App;
use crate::failure::Failure;

/// The pause between attempts to reach the daemon, at first and at most.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Gets each new token.
pub(in crate::command) trait Receiver {
    /// There is a new token.
    fn receive(&mut self, token: &Token) -> Result<(), Failure>;
    /// There is no token any more.
    fn lose(&mut self) {}
}

/// Asks for a token after each change of the account, and passes each new one on.
pub(in crate::command) struct Tokens<'a, R> {
    app: &'a App,
    call: GetToken,
    receiver: R,
    /// The account's name, so that another default account changes nothing.
    account: Option<String>,
    /// The token that the receiver has.
    current: Option<Token>,
    /// The last error, until there is a token.
    reported: Option<String>,
    pause: Duration,
}

impl<'a, R: Receiver> Tokens<'a, R> {
    /// Follows the tokens that `call` requests. The receiver already has `current`.
    pub(in crate::command) fn new(app: &'a App, call: GetToken, current: Option<Token>, receiver: R) -> Self {
        Self { app, call, receiver, account: None, current, reported: None, pause: PAUSE }
    }

    /// Continues until no token can ever come, and returns why.
    pub(in crate::command) fn follow(mut self) -> Failure {
        loop {
            let Err(failure) = self.follow_account();
            if self.current.is_none() && is_permanent(&failure) {
                return failure;
            }
            if is_permanent(&failure) {
                self.lose();
            }
            self.report(&failure);
            self.pause();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "no event says that imgurd runs again")]
    fn pause(&mut self) {
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Follows the account until the daemon's stream ends.
    fn follow_account(&mut self) -> Result<Infallible, Failure> {
        let named = self.account.as_deref().or(self.call.account.as_deref());
        let account = self.app.account(named)?.name;
        self.account = Some(account.clone());
        let mut keeper = self.app.connect()?;
        let mut is_first = true;
        for change in keeper.stream(&Watch { account: Some(account) })? {
            self.update(&change?.account, is_first)?;
            is_first = false;
            self.pause = PAUSE;
        }
        Err(Failure::stream_ended())
    }

    fn update(&mut self, account: &Account, is_first: bool) -> Result<(), Failure> {
        let is_refreshing = account.state == State::Refreshing;
        let wait_ms = match account.state {
            State::Fresh | State::Stale => self.call.wait_ms,
            // The daemon returns a token that is still valid. Do not ask for more, because this repeats at each
            // change.
            _ if is_first => Some(0),
            State::Refreshing => return Ok(()),
            State::Waiting => {
                self.report(&waiting(account).into());
                return Ok(());
            }
            _ => Some(0),
        };
        let call = GetToken { account: self.account.clone(), wait_ms, ..self.call.clone() };
        match self.app.call(&call) {
            Ok(reply) => self.pass_on(reply.token)?,
            Err(ClientError::Keeper(_)) if is_refreshing => {}
            Err(ClientError::Keeper(error)) => {
                self.lose();
                self.report(&error.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn pass_on(&mut self, token: Token) -> Result<(), Failure> {
        self.reported = None;
        if self.current.as_ref() != Some(&token) {
            self.receiver.receive(&token)?;
            self.current = Some(token);
        }
        Ok(())
    }

    fn lose(&mut self) {
        self.receiver.lose();
        self.current = None;
    }

    /// Prints an error, unless it is the same as the last one.
    fn report(&mut self, failure: &Failure) {
        let text = Some(failure.to_string());
        if self.reported != text {
            self.app.output.report(failure);
            self.reported = text;
        }
    }
}

/// Whether neither a restart of the daemon nor a login can remove the cause.
fn is_permanent(failure: &Failure) -> bool {
    let Failure::Client(ClientError::Keeper(error)) = failure else { return false };
    matches!(error, Error::NoSuchAccount { .. } | Error::InvalidArgument { .. } | Error::AccessDenied { .. })
}

fn waiting(account: &Account) -> Error {
    let reason = account.reason.clone().unwrap_or_else(|| account.state.to_string());
    Error::TemporarilyUnavailable { reason, retry_at: account.retry_at }
}
