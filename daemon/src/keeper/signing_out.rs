//! The end of an account's grants, here and at the server.

use std::time::Duration;

use imgurd_proto::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::account::Ask;
use super::message::Message;
use super::{Keeper, gone};

/// The longest that a logout waits for the server.
const LONGEST_REVOCATION: Duration = Duration::from_mins(1);

/// What became of the grants at the server: nothing where it has no revocation endpoint or there was no grant; the error
/// says why a grant is still valid there, as the beginning of a sentence.
pub type Revoked = Option<Result<(), String>>;

impl Keeper {
    /// Forgets an account's grants, then has the server revoke them. What has begun goes on if the caller leaves.
    pub async fn logout(&self, account: Option<&str>) -> Result<Revoked, Error> {
        let (name, _) = self.find(account)?;
        let keeper = self.clone();
        tokio::spawn(async move { keeper.sign_out(name).await }).await.unwrap_or_else(|_| Err(gone()))
    }

    async fn sign_out(&self, account: String) -> Result<Revoked, Error> {
        if self.account(Some(&account))?.settings.revoke_url.is_some() {
            // What is to be revoked is in the store; a store that cannot be read is told of below.
            let _ = self.change(&account, None, Ask::Ready).await;
        }
        let (revocable, revocation) = oneshot::channel();
        self.change_by(&account, |reply| Message::Logout { account: account.clone(), revocable, reply })
            .await?;
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
