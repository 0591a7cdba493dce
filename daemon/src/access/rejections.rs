//! Limits how often one sandboxed app or gateway client may cause a refresh by reporting a token as rejected. Its reports may
//! be false. The limit leaves most of the account's own limit to other programs, and allows fewer than three reports a minute:
//! after three, the keeper would blame the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use imgurd_proto::Error;
use tokio::time::Instant;

use super::{Application, unix_time};

/// The time between two refreshes for all sandboxed applications together, per account.
const TOGETHER: Duration = Duration::from_mins(1);

/// How many refreshes one sandboxed application may cause within this time, so that others can have some too.
const EACH: (usize, Duration) = (1, Duration::from_mins(3));

/// How many refreshes one gateway client may cause within this time. The user has permitted each client permanently, so
/// clients do not share a limit.
const EACH_CLIENT: (usize, Duration) = (2, Duration::from_mins(1));

/// When sandboxed applications and gateway clients last caused a refresh.
#[derive(Clone, Debug, Default)]
pub struct Rejections(Arc<Mutex<HashMap<String, Budget>>>);

#[derive(Debug, Default)]
struct Budget {
    /// Of the sandboxed applications.
    last: Option<Instant>,
    of: HashMap<Application, VecDeque<Instant>>,
}

impl Rejections {
    /// Lets an application cause a refresh of `account`'s token, and records that.
    ///
    /// # Errors
    /// If another one was too recent; `retry_at` is when it is possible again (Unix time, in seconds).
    pub fn spend(&self, application: &Application, account: &str) -> Result<(), Error> {
        let now = Instant::now();
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.entry(account.to_owned()).or_default();
        budget.of.retain(|of, at| {
            let (_, span) = limit(of);
            at.retain(|at| now.duration_since(*at) < span);
            !at.is_empty()
        });
        let (most, span) = limit(application);
        let own = budget.of.entry(application.clone()).or_default();
        let together = budget.last.filter(|_| !is_client(application)).map(|at| at + TOGETHER);
        let next = own.front().filter(|_| own.len() >= most).map(|at| *at + span);
        if let Some(until) = together.max(next).filter(|until| *until > now) {
            return Err(too_often(application, until.duration_since(now)));
        }
        own.push_back(now);
        if !is_client(application) {
            budget.last = Some(now);
        }
        Ok(())
    }
}

fn is_client(application: &Application) -> bool {
    matches!(application, Application::GatewayClient(_))
}

fn limit(application: &Application) -> (usize, Duration) {
    if is_client(application) { EACH_CLIENT } else { EACH }
}

fn too_often(application: &Application, left: Duration) -> Error {
    let reason = if is_client(application) {
        "This gateway client refreshed a valid token twice within a minute, which is the limit; use the token that it got, or wait"
    } else {
        "A sandboxed app has just reported a rejected token; wait, or run `imgurctl reject` outside the sandbox"
    };
    let retry_at = unix_time().saturating_add_unsigned(left.as_secs() + 2);
    Error::TemporarilyUnavailable { reason: reason.to_owned(), retry_at: Some(retry_at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandboxed(name: &str) -> Application {
        Application::Sandbox(name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn limits_reports_per_application_and_in_total() {
        let rejections = Rejections::default();
        let (liar, other) = (sandboxed("liar"), sandboxed("other"));
        let mut granted = 0;
        for _ in 0..18 * 60 {
            granted += usize::from(rejections.spend(&liar, "me").is_ok());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(granted, 6);
        assert!(rejections.spend(&liar, "me").is_ok());
        assert!(rejections.spend(&other, "me").is_err(), "the total for this account is used up");
        assert!(rejections.spend(&other, "you").is_ok(), "each account has its own limit");
        tokio::time::advance(TOGETHER).await;
        assert!(rejections.spend(&liar, "me").is_err());
        assert!(rejections.spend(&other, "me").is_ok(), "one application cannot use up the total");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_client_has_two_refreshes_a_minute_and_takes_none_from_other_programs() {
        let rejections = Rejections::default();
        let client = |name: &str| Application::GatewayClient(name.to_owned());
        for _ in 0..2 {
            assert!(rejections.spend(&client("eager"), "me").is_ok());
        }
        assert!(rejections.spend(&client("eager"), "me").is_err());
        assert!(rejections.spend(&client("other"), "me").is_ok());
        assert!(rejections.spend(&sandboxed("app"), "me").is_ok());
        tokio::time::advance(EACH_CLIENT.1).await;
        assert!(rejections.spend(&client("eager"), "me").is_ok());
    }
}
