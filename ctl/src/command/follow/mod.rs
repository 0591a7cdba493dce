//! `imgurctl token --follow`: a file that holds the fresh token, for programs that only read files.

mod file;
mod keeping;
mod path_watch;

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use imgurd_proto::{Account, ClientError, Error, GetToken, State, Token, Watch};

use self::file::TokenFile;
use self::keeping::KeptFile;
use super::token;
use crate::app::App;
use crate::cli::TokenArgs;
use crate::failure::Failure;
use crate::terminal::time;

/// Between attempts to reach the daemon, at first and at most.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Runs until a signal ends it, and leaves the file: its token stays valid until it expires.
pub(crate) fn follow(app: &App, args: &TokenArgs) -> Result<(), Failure> {
    token::check_form(app, args)?;
    let file = TokenFile::new(args.output.as_deref().unwrap_or("".as_ref()))?;
    let file = Arc::new(KeptFile::new(file));
    let (kept, output) = (Arc::clone(&file), app.output.clone());
    thread::spawn(move || kept.keep(&output));
    let mut follower =
        Follower { app, args, file, account: None, written: None, reported: None, pause: PAUSE };
    loop {
        let Err(failure) = follower.follow_account();
        if follower.written.is_none() && is_permanent(&failure) {
            return Err(failure);
        }
        if is_permanent(&failure) {
            follower.release();
        }
        follower.report(&failure);
        follower.pause();
    }
}

/// Whether neither a restart of the daemon nor a login removes the cause.
fn is_permanent(failure: &Failure) -> bool {
    let Failure::Client(ClientError::Keeper(error)) = failure else { return false };
    matches!(error, Error::NoSuchAccount { .. } | Error::InvalidArgument { .. } | Error::AccessDenied { .. })
}

struct Follower<'a> {
    app: &'a App,
    args: &'a TokenArgs,
    file: Arc<KeptFile>,
    /// The account's name, so that another default account changes nothing.
    account: Option<String>,
    /// The token in the file.
    written: Option<Token>,
    /// The last error, until a token is written.
    reported: Option<String>,
    pause: Duration,
}

impl Follower<'_> {
    #[expect(clippy::disallowed_methods, reason = "no event says that a missing daemon is back")]
    fn pause(&mut self) {
        thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Follows the account until the daemon's stream ends.
    fn follow_account(&mut self) -> Result<Infallible, Failure> {
        let named = self.account.as_deref().or(self.args.ask.account.as_deref());
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
            State::Fresh | State::Stale => token::call(self.args).wait_ms,
            // The daemon returns a token that is still valid. It is not asked for more, since this repeats at each change.
            _ if is_first => Some(0),
            State::Refreshing => return Ok(()),
            State::Waiting => {
                self.report(&waiting(account).into());
                return Ok(());
            }
            _ => Some(0),
        };
        let call = GetToken { account: self.account.clone(), wait_ms, ..token::call(self.args) };
        match self.app.call(&call) {
            Ok(reply) => self.write(reply.token)?,
            Err(ClientError::Keeper(_)) if is_refreshing => {}
            Err(ClientError::Keeper(error)) => {
                self.release();
                self.report(&error.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn write(&mut self, token: Token) -> Result<(), Failure> {
        self.reported = None;
        if self.written.as_ref() == Some(&token) {
            return Ok(());
        }
        self.file.write(token::text(self.app, self.args, &token)?)?;
        let expiry = token.expires_at.map_or_else(String::new, |at| {
            format!(", which expires {}", time::relative_and_clock(at, time::now()))
        });
        self.app.output.say(format!("{} holds the token of {}{expiry}.", self.file, token.account));
        self.written = Some(token);
        Ok(())
    }

    /// There is no token any more: the file stays as it is, and is not put back.
    fn release(&mut self) {
        self.file.release();
        self.written = None;
    }

    /// Prints an error, once until another takes its place.
    fn report(&mut self, failure: &Failure) {
        let text = Some(failure.to_string());
        if self.reported != text {
            self.app.output.report(failure);
            self.reported = text;
        }
    }
}

fn waiting(account: &Account) -> Error {
    let reason = account.reason.clone().unwrap_or_else(|| account.state.to_string());
    Error::TemporarilyUnavailable { reason, retry_at: account.retry_at }
}
