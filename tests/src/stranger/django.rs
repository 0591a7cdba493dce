//! PyPI's `django-oauth-toolkit`, an authorization server in Python.

use serde_json::Value;

use super::{python, script};
use crate::browser::{Browser, Page};
use crate::testbed::{Program, Testbed};

/// It requires PKCE, rotates refresh tokens, revokes a grant if a refresh token is used twice, and sends `iss`.
#[derive(Debug)]
pub struct Django {
    program: Program,
    issuer: String,
}

impl Django {
    /// Starts a server with the users alice and bob, and the clients `fake-confidential`, `fake-public` and
    /// `fake-device`.
    pub fn start(bed: &Testbed) -> Self {
        let directory = bed.root().join("django");
        std::fs::create_dir(&directory).unwrap();
        let mut command = python(bed);
        command.arg(script("django-oauth.py")).arg(directory);
        let mut program = bed.start(command);
        let line = program.line().expect("Django starts");
        let first: Value = serde_json::from_str(&line).unwrap();
        Self { program, issuer: first["issuer"].as_str().unwrap().to_owned() }
    }

    /// The URL of one of its pages.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Opens its page as `user` and allows access.
    pub fn allow(&self, url: &str, user: &str) -> Page {
        let mut browser = self.browser_of(user);
        let question = browser.open(url);
        browser.answer(&question, &[("allow", "Authorize")])
    }

    /// Opens its page as `user` and cancels.
    pub fn deny(&self, url: &str, user: &str) -> Page {
        let mut browser = self.browser_of(user);
        let question = browser.open(url);
        let fields = question.fields();
        let fields = fields.iter().filter(|(name, _)| name != "allow");
        let form: Vec<_> = fields.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.submit(&question.url, &form)
    }

    /// Enters a device code at its page as `user`, and allows access or denies it.
    pub fn enter_code(&self, page: &str, code: &str, user: &str, allows: bool) -> Page {
        let mut browser = self.browser_of(user);
        let asked = browser.open(page);
        let confirm = browser.answer(&asked, &[("user_code", code)]);
        browser.answer(&confirm, &[("action", if allows { "accept" } else { "deny" })])
    }

    /// Changes the secret of a client.
    pub fn change_secret(&mut self, client: &str, secret: &str) {
        self.tell(&format!("secret {client} {secret}"));
    }

    /// Revokes all grants.
    pub fn forget_grants(&mut self) {
        self.tell("forget");
    }

    fn tell(&mut self, command: &str) {
        self.program.write(&format!("{command}\n"));
        assert_eq!(self.program.line().as_deref(), Some("{}"));
    }

    fn browser_of(&self, user: &str) -> Browser {
        let (server, _) = self.issuer.rsplit_once('/').unwrap();
        let mut browser = Browser::default();
        let next = "/o/.well-known/openid-configuration";
        let page = browser.open(&format!("{server}/login?user={user}&next={next}"));
        assert_eq!(page.status, 200, "{}", page.text);
        browser
    }
}
