//! Deletes an account's grants, here and at the server.

use std::time::Duration;

use imgurd_proto::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::account::Ask;
use super::actor::Actor;
use super::{Keeper, gone};

/// The longest time that a logout waits for the server.
const LONGEST_REVOCATION: Duration = Duration::from_mins(1);

/// The result of revoking the grants at the server: `None` if it has no revocation endpoint or there was no grant; the
/// error says why a grant is still valid there, as the beginning of a sentence.
pub type Revoked = Option<Result<(), String>>;

impl Keeper {
    /// Deletes an account's grants, then asks the server to revoke them. It continues if the caller leaves.
    pub async fn logout(&self, account: Option<&str>) -> Result<Revoked, Error> {
        let (name, _) = self.find(account)?;
        let keeper = self.clone();
        tokio::spawn(async move { keeper.sign_out(name).await }).await.unwrap_or_else(|_| Err(gone()))
    }

    async fn sign_out(&self, account: String) -> Result<Revoked, Error> {
        if self.account(Some(&account))?.settings.revoke_url.is_some() {
            // The store has the tokens to revoke; the code below reports a store that cannot be read.
            let _ = self.change(&account, None, Ask::Ready).await;
        }
        let (revocable, revocation) = oneshot::channel();
        let name = account.clone();
        let sign_out = move |actor: &mut Actor, reply| {
            let slot = actor.slots.get(&name);
            let _ = revocable.send(slot.and_then(|slot| slot.account.revocation()));
            actor.ask(&name, Ask::Logout, None, reply);
        };
        self.change_by(&account, sign_out).await?;
        match revocation.await.ok().flatten() {
            Some(revocation) => {
                let revoking = timeout(LONGEST_REVOCATION, self.provider.revoke(revocation));
                let revoked = revoking.await.unwrap_or_else(|_| Err("the server does not answer".to_owned()));
                if let Err(reason) = &revoked {
                    tracing::warn!(account, reason, "the server did not revoke the grant");
                }
                Ok(Some(revoked))
            }
            None => Ok(None),
        }
    }
}
