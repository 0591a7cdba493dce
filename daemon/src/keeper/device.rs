//! The codes of the device authorization grant (RFC 8628).

use imgurd_proto::Error;

use super::{Keeper, gone};
use crate::provider::{Answer, DeviceAuthorization, Transient};

impl Keeper {
    /// Asks the server of `account` for a code that the user enters at its page.
    pub async fn authorize_device(&self, account: &str) -> Result<DeviceAuthorization, Error> {
        let (name, _) = self.find(Some(account))?;
        let request = self.run(move |actor| actor.slots.get(&name)?.account.device_request()).await?;
        let request = request.ok_or_else(|| no_endpoint(account))?;
        self.provider.authorize_device(request).await.map_err(|answer| failed(account, *answer))
    }
}

fn no_endpoint(account: &str) -> Error {
    let reason = format!(
        "{account} has no device_auth_url, which the flow device needs; set it with `imgurctl account set {account} \
         --device-auth-url URL`, or choose another flow"
    );
    Error::Misconfigured { setting: "device_auth_url".to_owned(), reason }
}

fn failed(account: &str, answer: Answer) -> Error {
    let again = format!("run `imgurctl login {account}` to try again");
    match answer {
        Answer::Misconfigured { setting, reason } => {
            let reason = format!(
                "{reason}; compare client_id, client_auth, scope and device_auth_url with your registration (`imgurctl account \
                 show {account}`), then {again}"
            );
            Error::Misconfigured { setting: setting.to_owned(), reason }
        }
        Answer::Refused { reason } | Answer::Transient(Transient { reason, .. }) => {
            Error::login(format!("The server gave no device code: {reason}; {again}"))
        }
        Answer::Granted(_) => gone(),
    }
}
