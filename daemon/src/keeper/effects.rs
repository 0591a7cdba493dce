//! Carries out the effects of an account. Each effect has its own task, which sends its result back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::account::{Effect, Event};
use super::{LONGEST_VERIFICATION, NO_ANSWER};
use crate::provider::{Provider, Reply, Revocation, TokenOwner};
use crate::store::TokenStore;

/// How long a new token waits for a store that does not answer.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// Sends requests to the server, its API and the store, and reports the results to the actor.
pub(super) struct EffectRunner {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) store: Arc<dyn TokenStore>,
    /// The results, each with the name of its account.
    pub(super) results: mpsc::Sender<(String, Event)>,
}

impl EffectRunner {
    pub(super) fn run(&self, account: &str, effect: Effect) {
        let (results, name) = (self.results.clone(), account.to_owned());
        let report = async move |event| drop(results.send((name.clone(), event)).await);
        match effect {
            Effect::Load => {
                let load = self.store.load(account.to_owned());
                tokio::spawn(async move { report(Event::Loaded(load.await)).await });
            }
            Effect::Save { revision, record, if_missing } => {
                let mut save = self.store.save(account.to_owned(), *record, if_missing);
                tokio::spawn(async move {
                    let result = if let Ok(result) = timeout(STORE_PATIENCE, &mut save).await {
                        result
                    } else {
                        report(Event::SaveIsSlow { revision }).await;
                        save.await
                    };
                    report(Event::Saved { revision, result }).await;
                });
            }
            Effect::Send { op, client, request } => {
                let answering = self.provider.token(client, request);
                tokio::spawn(async move {
                    let Reply { answer, date } = answering.await;
                    if let Some(date) = date {
                        report(Event::ServerTime(date)).await;
                    }
                    report(Event::Answered { op, answer }).await;
                });
            }
            Effect::Identify { generation, inquiry } => {
                let identifying = self.provider.identify(inquiry);
                tokio::spawn(async move {
                    let owner = timeout(LONGEST_VERIFICATION, identifying).await;
                    let owner = owner.unwrap_or_else(|_| TokenOwner::Unknown(NO_ANSWER.to_owned()));
                    report(Event::Identified { generation, owner }).await;
                });
            }
            Effect::Revoke(revocation) => self.revoke(revocation),
            Effect::Reply { .. } => {} // the actor knows the caller
        }
    }

    fn revoke(&self, revocation: Revocation) {
        let revoking = self.provider.revoke(revocation);
        tokio::spawn(async move {
            if let Err(reason) = revoking.await {
                tracing::warn!(reason, "the server did not revoke a grant that came after the logout");
            }
        });
    }
}
