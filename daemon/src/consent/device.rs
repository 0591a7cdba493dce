//! A login by the device authorization grant (RFC 8628): shows the user the code, and polls the server.

use std::time::Duration;

use imgurd_proto::{Error, Secret};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::login_result::LoginResult;
use crate::provider::DeviceAuthorization;

/// The longest pause between two polls while the server does not answer.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The code that the user enters at the page, and the page with the code filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode {
    /// The code.
    pub user_code: String,
    /// The page with the code filled in, if the server gives one.
    pub complete: Option<Url>,
}

/// The polls of one login.
pub(super) struct Polls {
    pub(super) device_code: Secret,
    /// The pause that the server requires.
    interval: Duration,
    /// How many polls in a row got no answer.
    failures: u32,
    next: Instant,
}

impl Polls {
    pub(super) fn new(authorization: &DeviceAuthorization) -> Self {
        let DeviceAuthorization { device_code, interval, .. } = authorization;
        Self {
            device_code: device_code.clone(),
            interval: *interval,
            failures: 0,
            next: Instant::now() + *interval,
        }
    }

    /// Returns when the next poll is due. Never returns if there are no polls.
    pub(super) async fn due(polls: Option<&Self>) {
        match polls {
            Some(polls) => sleep_until(polls.next).await,
            None => std::future::pending().await,
        }
    }

    /// Processes the result of a poll: the outcome of the login, if it has ended. `hint` is what the user should know
    /// until then.
    pub(super) fn note(
        &mut self,
        outcome: LoginResult,
        hint: &watch::Sender<Option<String>>,
    ) -> Option<LoginResult> {
        let Err(Error::TemporarilyUnavailable { reason, retry_at }) = outcome else { return Some(outcome) };
        if let Some(later) = retry_at {
            self.failures = 0;
            self.interval += Duration::from_secs(later.unsigned_abs());
        } else {
            self.failures += 1;
            let trouble =
                Some(format!("The server does not answer ({reason}); wait while imgurd keeps asking"));
            hint.send_if_modified(|known| {
                let is_news = *known != trouble;
                *known = trouble;
                is_news
            });
        }
        let longer = self.interval.saturating_mul(1 << self.failures.min(8));
        self.next = Instant::now() + longer.min(LONGEST_PAUSE.max(self.interval));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polls() -> Polls {
        let page = Url::parse("https://as.example/device").unwrap();
        Polls::new(&DeviceAuthorization {
            device_code: "dc".into(),
            user_code: "AB".to_owned(),
            verification_uri: page,
            verification_uri_complete: None,
            expires_in: Duration::from_mins(5),
            interval: Duration::from_secs(5),
        })
    }

    fn unavailable(retry_at: Option<i64>) -> LoginResult {
        Err(Error::TemporarilyUnavailable { reason: "it is down".to_owned(), retry_at })
    }

    fn pause(polls: &Polls) -> u64 {
        polls.next.duration_since(Instant::now()).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn polls_at_the_servers_interval_and_slows_down_when_told() {
        let mut polls = polls();
        assert_eq!(pause(&polls), 5);
        for (later, expected) in [(0, 5), (5, 10), (0, 10), (5, 15), (0, 15)] {
            assert_eq!(polls.note(unavailable(Some(later)), &watch::Sender::default()), None);
            assert_eq!(pause(&polls), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn backs_off_and_tells_the_user_while_the_server_is_down() {
        let (mut polls, hint) = (polls(), watch::Sender::default());
        for expected in [10, 20, 40, 60, 60] {
            assert_eq!(polls.note(unavailable(None), &hint), None);
            assert!(hint.borrow().as_ref().unwrap().contains("it is down"));
            assert_eq!(pause(&polls), expected);
        }
        assert_eq!(polls.note(unavailable(Some(0)), &hint), None);
        assert_eq!(pause(&polls), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_answer_ends_the_login() {
        let denied = Err(Error::login("no"));
        assert_eq!(polls().note(denied.clone(), &watch::Sender::default()), Some(denied));
    }
}
