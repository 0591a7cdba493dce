//! A file that holds the fresh token, for programs that only read files.

mod file;

use std::convert::Infallible;
use std::path::Path;
use std::thread;
use std::time::Duration;

use imgurd_proto::{Account, ClientError, Error, GetToken, State, Token, Watch};

use self::file::TokenFile;
use crate::app::App;
use crate::cli::TokenArgs;
use crate::failure::Failure;
use crate::{time, token, watch};

/// After how long a daemon that is not there is looked for again, at first and at most.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Goes on until a signal ends it: the file stays as it is, since the token in it lasts as long as it lasts.
pub(crate) fn follow(app: &App, args: &TokenArgs, path: &Path) -> Result<(), Failure> {
    let file = TokenFile::new(path)?;
    let mut follower =
        Follower { app, args, file, account: None, written: None, trouble: None, pause: PAUSE };
    loop {
        let Err(failure) = follower.attend();
        if follower.written.is_none() && is_lasting(&failure) {
            return Err(failure);
        }
        follower.tell(&failure);
        follower.rest();
    }
}

/// Whether it was a mistake to begin: no daemon that comes back and no sign-in mends it.
fn is_lasting(failure: &Failure) -> bool {
    let Failure::Client(ClientError::Keeper(error)) = failure else { return false };
    matches!(error, Error::NoSuchAccount { .. } | Error::InvalidArgument { .. } | Error::AccessDenied { .. })
}

struct Follower<'a> {
    app: &'a App,
    args: &'a TokenArgs,
    file: TokenFile,
    /// The account's name: another default account than at the beginning is not meant.
    account: Option<String>,
    /// The token in the file.
    written: Option<Token>,
    /// What was said last, if nothing has come of it since.
    trouble: Option<String>,
    pause: Duration,
}

impl Follower<'_> {
    /// Nothing tells that a daemon which is not there has come.
    #[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
    fn rest(&mut self) {
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Follows the account for as long as the daemon tells of it.
    fn attend(&mut self) -> Result<Infallible, Failure> {
        let named = self.account.as_deref().or(self.args.account.as_deref());
        let account = self.app.account(named)?.name;
        self.account = Some(account.clone());
        let mut keeper = self.app.connect()?;
        let mut is_first = true;
        for change in keeper.stream(&Watch { account: Some(account) })? {
            self.take(&change?.account, is_first)?;
            is_first = false;
            self.pause = PAUSE;
        }
        Err(watch::ended())
    }

    fn take(&mut self, account: &Account, is_first: bool) -> Result<(), Failure> {
        let wait_ms = match account.state {
            State::Fresh | State::Stale => token::call(self.args).wait_ms,
            // What is still valid is handed out; beyond that nobody is hurried, again and again, for as long as it lasts.
            _ if is_first => Some(0),
            State::Refreshing => return Ok(()),
            State::Waiting => {
                self.tell(&waiting(account).into());
                return Ok(());
            }
            _ => Some(0),
        };
        let call = GetToken { account: self.account.clone(), wait_ms, ..token::call(self.args) };
        match self.app.call(&call) {
            Ok(reply) => self.write(reply.token),
            Err(ClientError::Keeper(_)) if account.state == State::Refreshing => Ok(()),
            Err(ClientError::Keeper(error)) => {
                self.tell(&error.into());
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, token: Token) -> Result<(), Failure> {
        self.trouble = None;
        if self.written.as_ref() == Some(&token) {
            return Ok(());
        }
        self.file.put(&token::text(self.app, self.args, &token)?)?;
        let expiry = token.expires_at.map_or_else(String::new, |at| {
            format!(", which expires {}", time::relative_and_clock(at, time::now()))
        });
        self.app.output.say(format!("{} holds the token of {}{expiry}.", self.file, token.account));
        self.written = Some(token);
        Ok(())
    }

    /// Says why there is no token, once for as long as that is the reason.
    fn tell(&mut self, failure: &Failure) {
        let text = failure.to_string();
        if self.trouble.as_ref() != Some(&text) {
            let _ = self.app.output.report(failure);
            self.trouble = Some(text);
        }
    }
}

fn waiting(account: &Account) -> Error {
    let reason = account.reason.clone().unwrap_or_else(|| account.state.to_string());
    Error::TemporarilyUnavailable { reason, retry_at: account.retry_at }
}
