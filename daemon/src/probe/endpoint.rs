//! Checks whether an account's server answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imgurd_proto::{Finding, Health};
use url::Url;

use crate::config::Config;
use crate::provider::{Reachability, check_reachability};

pub(super) struct Endpoint {
    setting: &'static str,
    url: Url,
    ca_file: Option<PathBuf>,
}

/// Each address in `config`, once. Relative paths of `ca_file` start from `directory`.
pub(super) fn of(config: &Config, directory: &Path) -> Vec<Endpoint> {
    let mut endpoints = BTreeMap::new();
    for account in config.accounts.values() {
        let urls = [
            ("auth_url", Some(&account.auth_url)),
            ("token_url", Some(&account.token_url)),
            ("api_url", account.api_url.as_ref()),
        ];
        let ca_file = account.ca_file.as_ref().map(|file| directory.join(file));
        for (setting, url) in urls.into_iter().filter_map(|(setting, url)| Some((setting, url?))) {
            let endpoint = Endpoint { setting, url: url.clone(), ca_file: ca_file.clone() };
            endpoints.entry((setting, url.as_str(), ca_file.clone())).or_insert(endpoint);
        }
    }
    endpoints.into_values().collect()
}

impl Endpoint {
    /// Requests the URL itself, without a token or other private data.
    pub(super) async fn look(&self) -> Finding {
        let is_page = self.setting == "auth_url";
        let (result, detail, hint) = match check_reachability(&self.url, self.ca_file.clone(), is_page).await
        {
            Reachability::Answers(status) => {
                (Health::Ok, format!("the server answers (HTTP {status})"), None)
            }
            Reachability::Troubled(reason) => {
                let hint = "wait: imgurd keeps serving current tokens and retries automatically";
                (Health::Warn, reason, Some(hint))
            }
            Reachability::Blocked(reason) => (Health::Fail, reason, Some("use another network")),
            Reachability::Mistaken(reason) => (Health::Fail, reason, Some("correct ca_file in config.toml")),
            Reachability::Unreachable(reason) => {
                let hint = "check the network and this address";
                (Health::Fail, reason, Some(hint))
            }
        };
        let (check, detail) = (self.setting.to_owned(), format!("{}: {detail}", self.shown()));
        Finding { check, result, detail, hint: hint.map(str::to_owned) }
    }

    /// The address without user name, query and fragment.
    fn shown(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }
}
