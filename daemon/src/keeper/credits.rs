//! How many requests the API still allows.

use std::time::Duration;

use imgurd_proto::{Credits, Error, Secret};
use tokio::time::timeout;
use url::Url;

use super::{Keeper, LONGEST_WAIT};
use crate::provider::{Inquiry, Tally, Who};

impl Keeper {
    /// Asks the API with the token of `account`. If the API rejects the token, imgurd replaces it and asks once more.
    pub async fn credits(&self, account: &str, patience: Duration) -> Result<Credits, Error> {
        let patience = patience.min(LONGEST_WAIT);
        timeout(patience, self.tally(account, patience))
            .await
            .unwrap_or_else(|_| Err(untold("the API did not answer in time")))
    }

    async fn tally(&self, account: &str, patience: Duration) -> Result<Credits, Error> {
        let token = self.token(Some(account), None, patience).await?.access_token.clone();
        let said = match self.inquire(account, token.clone()).await? {
            Tally::Rejected => {
                let token = self.reject(Some(account), token, patience).await?.access_token.clone();
                self.inquire(account, token).await?
            }
            said => said,
        };
        match said {
            Tally::Known(credits) => Ok(credits),
            Tally::Unknown(reason) => Err(untold(&reason)),
            Tally::Rejected => {
                Err(untold("the API rejects even a new token, so another program may use the same client ID"))
            }
            Tally::Unsupported => Err(unsupported(account)),
        }
    }

    async fn inquire(&self, account: &str, token: Secret) -> Result<Tally, Error> {
        let settings = self.account(Some(account))?.settings;
        let api_url = settings.api_url.and_then(|url| Url::parse(&url).ok());
        let api_url = api_url.ok_or_else(|| unsupported(account))?;
        let ca_file = settings.ca_file.map(Into::into);
        Ok(self.provider.credits(Inquiry { who: Who::Api(api_url), ca_file, access_token: token }).await)
    }
}

fn untold(reason: &str) -> Error {
    Error::unavailable(format!("imgurd could not get the credits: {reason}; try again later"))
}

fn unsupported(account: &str) -> Error {
    let reason = format!(
        "The API of {account} does not report credits as Imgur's does; check api_url with `imgurctl account show \
         {account}`"
    );
    Error::Misconfigured { setting: "api_url".to_owned(), reason }
}
