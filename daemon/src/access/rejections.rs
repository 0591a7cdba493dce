//! Limits how often one sandboxed app or gateway client may cause a refresh by reporting a token as rejected. Its reports may
//! be false. The limit leaves most of the account's own limit to other programs, and allows fewer than three reports a minute:
//! after three, the keeper would blame the server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgurd_proto::{Error, Secret};
use tokio::time::Instant;

use super::{Application, unix_time};
use crate::mutex::lock;

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
    /// The tokens that an application reported.
    of: HashMap<Application, VecDeque<(Instant, Secret)>>,
}

impl Rejections {
    /// Lets an application cause a refresh of `account`'s token by its report about `token`, and records that. Several programs may
    /// be one gateway client: their reports about the same token count as one.
    ///
    /// # Errors
    /// If another one was too recent; `retry_at` is when it is possible again (Unix time, in seconds).
    pub fn spend(&self, application: &Application, account: &str, token: &Secret) -> Result<(), Error> {
        let now = Instant::now();
        let mut budgets = lock(&self.0);
        let budget = budgets.entry(account.to_owned()).or_default();
        budget.of.retain(|of, reports| {
            let (_, span) = limit(of);
            reports.retain(|(at, _)| now.duration_since(*at) < span);
            !reports.is_empty()
        });
        let (most, span) = limit(application);
        let own = budget.of.entry(application.clone()).or_default();
        if is_client(application) && own.iter().any(|(_, reported)| reported == token) {
            return Ok(());
        }
        let together = budget.last.filter(|_| !is_client(application)).map(|at| at + TOGETHER);
        let next = own.front().filter(|_| own.len() >= most).map(|(at, _)| *at + span);
        if let Some(until) = together.max(next).filter(|until| *until > now) {
            return Err(too_often(until.duration_since(now)));
        }
        own.push_back((now, token.clone()));
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

fn too_often(left: Duration) -> Error {
    let reason = "A sandboxed app has just reported a rejected token; wait, or run `imgurctl reject` outside the sandbox";
    let retry_at = unix_time().saturating_add_unsigned(left.as_secs() + 2);
    Error::TemporarilyUnavailable { reason: reason.to_owned(), retry_at: Some(retry_at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report about a token that nobody else reports.
    fn spend(rejections: &Rejections, application: &Application, account: &str) -> Result<(), Error> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let token = format!("token-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        rejections.spend(application, account, &Secret::from(token))
    }

    fn sandboxed(name: &str) -> Application {
        Application::Sandbox(name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn limits_reports_per_application_and_in_total() {
        let rejections = Rejections::default();
        let (liar, other) = (sandboxed("liar"), sandboxed("other"));
        let mut granted = 0;
        for _ in 0..18 * 60 {
            granted += usize::from(spend(&rejections, &liar, "me").is_ok());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(granted, 6);
        assert!(spend(&rejections, &liar, "me").is_ok());
        assert!(spend(&rejections, &other, "me").is_err(), "the total for this account is used up");
        assert!(spend(&rejections, &other, "you").is_ok(), "each account has its own limit");
        tokio::time::advance(TOGETHER).await;
        assert!(spend(&rejections, &liar, "me").is_err());
        assert!(spend(&rejections, &other, "me").is_ok(), "one application cannot use up the total");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_client_has_two_refreshes_a_minute_and_takes_none_from_other_programs() {
        let rejections = Rejections::default();
        let client = |name: &str| Application::GatewayClient(name.to_owned());
        for _ in 0..2 {
            assert!(spend(&rejections, &client("eager"), "me").is_ok());
        }
        assert!(spend(&rejections, &client("eager"), "me").is_err());
        assert!(spend(&rejections, &client("other"), "me").is_ok());
        assert!(spend(&rejections, &sandboxed("app"), "me").is_ok());
        tokio::time::advance(EACH_CLIENT.1).await;
        assert!(spend(&rejections, &client("eager"), "me").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn programs_of_one_gateway_client_that_report_the_same_token_count_as_one() {
        let rejections = Rejections::default();
        let (client, dead) = (Application::GatewayClient("postman".to_owned()), Secret::from("dead"));
        for _ in 0..50 {
            assert!(rejections.spend(&client, "me", &dead).is_ok());
        }
        assert!(spend(&rejections, &client, "me").is_ok());
        assert!(spend(&rejections, &client, "me").is_err());
    }
}
