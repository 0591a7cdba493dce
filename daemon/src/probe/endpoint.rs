//! An account's server, asked for nothing.

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

/// Each address of `config` once, however many accounts have it. A relative `ca_file` begins at `directory`.
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
    /// Asks for the address itself, with no token and nothing else that is anybody's.
    pub(super) async fn look(&self) -> Finding {
        let is_page = self.setting == "auth_url";
        let (result, detail, hint) = match check_reachability(&self.url, self.ca_file.clone(), is_page).await
        {
            Reachability::Answers(status) => (Health::Ok, format!("it answers (HTTP {status})"), None),
            Reachability::Troubled(reason) => {
                let hint = "wait: tokens at hand go on being served, and it is tried again by itself";
                (Health::Warn, reason, Some(hint))
            }
            Reachability::Blocked(reason) => (Health::Fail, reason, Some("use another network")),
            Reachability::Mistaken(reason) => {
                (Health::Fail, reason, Some("set ca_file right in config.toml"))
            }
            Reachability::Unreachable(reason) => {
                let hint = "see that the network works and that the address is right";
                (Health::Fail, reason, Some(hint))
            }
        };
        let (check, detail) = (self.setting.to_owned(), format!("{}: {detail}", self.shown()));
        Finding { check, result, detail, hint: hint.map(str::to_owned) }
    }

    /// Without what may stand behind the path, or before the host.
    fn shown(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }
}
