//! Accounts at the fake Imgur: adding them, signing in, and waiting for states.

use imgurd_proto::Account;
use serde_json::json;

use super::{Testbed, free_port};
use crate::browser;
use crate::fake::Fake;

impl Testbed {
    /// Waits until the account is as `wanted`, according to `Watch`.
    pub fn wait_until(&self, name: &str, wanted: impl Fn(&Account) -> bool) -> Account {
        let mut watch = self.wire();
        watch.stream("Watch", &json!({ "account": name }));
        let mut seen = Vec::new();
        loop {
            let Some(answer) = watch.receive() else {
                panic!("the account did not reach the expected state; it had {seen:?}");
            };
            let account: Account = serde_json::from_value(answer["parameters"]["account"].clone()).unwrap();
            if wanted(&account) {
                return account;
            }
            seen.push((account.state, account.reason));
        }
    }

    /// Adds an account at the fake Imgur, and registers its callback there if none is registered.
    pub fn account(&self, fake: &Fake, name: &str) {
        let output = self.ctl_with(&account_arguments(fake, name), &fake.behaviour().client_secret);
        output.success();
    }

    /// Signs in as the default user of the fake Imgur.
    pub fn sign_in(&self, fake: &Fake, name: &str) {
        self.sign_in_as(name, &fake.behaviour().username);
    }

    /// Signs in as this user.
    pub fn sign_in_as(&self, name: &str, user: &str) {
        let mut login = self.ctl_spawn(&["login", name, "--no-browser"]);
        let url = login.line().expect("the URL is the first line");
        browser::allow(&url, user);
        login.finish().success();
    }
}

/// The arguments that add an account at the fake Imgur. The client secret goes to standard input.
pub fn account_arguments(fake: &Fake, name: &str) -> Vec<String> {
    let callback = fake.behaviour().callback.unwrap_or_else(|| {
        let callback = format!("http://127.0.0.1:{}/callback", free_port());
        fake.configure(|behaviour| behaviour.callback = Some(callback.clone()));
        callback
    });
    let mut arguments = vec!["account".to_owned(), "add".to_owned(), name.to_owned()];
    for (option, value) in [
        ("--client-id", fake.behaviour().client_id),
        ("--auth-url", fake.auth_url()),
        ("--token-url", fake.token_url()),
        ("--api-url", fake.api_url()),
        ("--redirect-uri", callback),
        ("--refresh-reuse", "tolerated".to_owned()),
        ("--send-redirect-uri", "false".to_owned()),
    ] {
        arguments.extend([option.to_owned(), value]);
    }
    arguments.push("--client-secret-stdin".to_owned());
    arguments
}
