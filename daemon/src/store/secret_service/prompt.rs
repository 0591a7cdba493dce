//! A prompt of the keyring: often a dialog, but some keyrings also use one where there is nothing to ask.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::sleep;
use zbus::OwnedObjectPath;

use super::proxies::{PromptProxy, ServiceProxy};
use super::sentences;
use crate::store::StoreError;

/// How long a prompt that shows no dialog may take.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// Shows the prompt and waits for its answer, until it has been open for too long.
pub(super) async fn answer(
    service: &ServiceProxy<'static>,
    prompt: OwnedObjectPath,
    patience: Duration,
) -> Result<(), StoreError> {
    let prompt: PromptProxy = service.object(prompt).await?;
    let mut completed = prompt.receive_completed().await?;
    let mut owners = service.inner().receive_owner_changed().await?;
    prompt.prompt("").await?;
    tokio::select! {
        answer = completed.next() => match answer {
            Some(answer) if answer.args()?.dismissed => Err(sentences::dismissed()),
            Some(_) => Ok(()),
            None => Err(sentences::no_bus(&"it has ended")),
        },
        _ = owners.next() => Err(sentences::restarted()),
        () = sleep(patience) => {
            let _ = prompt.dismiss().await;
            Err(sentences::unanswered())
        }
    }
}

#[cfg(test)]
mod tests;
