//! Limits how often one sandboxed app or gateway client may cause a refresh by reporting a token as rejected. Its reports may
//! be false. The limit leaves most of the account's own limit to other programs, and allows fewer than three reports a minute:
//! after three, the keeper would blame the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use imgurd_proto::Error;
use tokio::time::Instant;

use super::{Application, unix_time};

/// The time between two refreshes for all sandboxed applications together, per account.
const TOGETHER: Duration = Duration::from_mins(1);

/// The time between two refreshes for one sandboxed application, so that others can have some too.
const EACH: Duration = Duration::from_mins(3);

/// The time between two refreshes for one gateway client. The user has permitted each client permanently, so clients do not
/// share a limit.
const EACH_CLIENT: Duration = Duration::from_mins(1);

/// When sandboxed applications and gateway clients last caused a refresh.
#[derive(Clone, Debug, Default)]
pub struct Rejections(Arc<Mutex<HashMap<String, Budget>>>);

#[derive(Debug, Default)]
struct Budget {
    last: Option<Instant>,
    of: HashMap<Application, Instant>,
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
        budget.of.retain(|_, at| now.duration_since(*at) < EACH);
        let is_client = matches!(application, Application::GatewayClient(_));
        let each = if is_client { EACH_CLIENT } else { EACH };
        let together = budget.last.filter(|_| !is_client).map(|at| at + TOGETHER);
        let own = budget.of.get(application).map(|at| *at + each);
        if let Some(until) = together.max(own).filter(|until| *until > now) {
            return Err(too_often(is_client, until.duration_since(now)));
        }
        if !is_client {
            budget.last = Some(now);
        }
        budget.of.insert(application.clone(), now);
        Ok(())
    }
}

fn too_often(is_client: bool, left: Duration) -> Error {
    let reason = if is_client {
        "This gateway client refreshed a valid token less than a minute ago; use the token that it got, or wait"
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
        assert!(rejections.spend(&other, "me").is_err(), "the minute is spent");
        assert!(rejections.spend(&other, "you").is_ok(), "another account has a budget of its own");
        tokio::time::advance(TOGETHER).await;
        assert!(rejections.spend(&liar, "me").is_err());
        assert!(rejections.spend(&other, "me").is_ok(), "a liar leaves some to others");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_client_may_cause_one_refresh_a_minute_of_its_own() {
        let rejections = Rejections::default();
        let client = |name: &str| Application::GatewayClient(name.to_owned());
        assert!(rejections.spend(&client("eager"), "me").is_ok());
        assert!(rejections.spend(&client("eager"), "me").is_err());
        assert!(rejections.spend(&client("other"), "me").is_ok());
        assert!(rejections.spend(&sandboxed("app"), "me").is_ok());
        tokio::time::advance(EACH_CLIENT).await;
        assert!(rejections.spend(&client("eager"), "me").is_ok());
    }
}
