//! The one gate that every call of every wire passes.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Account, Error, Settings, Wire};
use tokio::time::Instant;

use super::{Answer, Application, Asking, Caller, Needs, Permits, Question, policy};
use crate::config::{Class, Desk, Rule};

/// Who is let through, and to what.
#[derive(Clone, Debug)]
pub struct Gate {
    desk: Arc<Desk>,
    permits: Permits,
    asking: Asking,
}

impl Caller {
    /// What it belongs to, as far as rules go.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.wire == Wire::Remote {
            // Whoever the kernel says they are: that is sshd, which runs as the user.
            Class::Remote
        } else if self.application().is_sandboxed() {
            Class::Sandboxed
        } else {
            Class::Unsandboxed
        }
    }

    /// What permits and rules call it; nothing where nothing can be given to it alone.
    fn title(&self) -> Option<Cow<'_, str>> {
        if self.wire == Wire::Remote {
            return Some("remote".into());
        }
        match self.application() {
            // What is not named as sandboxes are could be taken for a unit, or for one of the other words here.
            Application::Sandbox(name) if is_like_a_unit(name) => Some(format!("sandbox:{name}").into()),
            Application::Gone => None,
            other => Some(other.name().into()),
        }
    }
}

fn is_like_a_unit(name: &str) -> bool {
    !name.contains('.') || [".service", ".scope"].iter().any(|suffix| name.ends_with(suffix))
}

impl Gate {
    /// A gate that goes by these.
    #[must_use]
    pub fn new(desk: Arc<Desk>, permits: Permits, asking: Asking) -> Self {
        Self { desk, permits, asking }
    }

    /// What was decided, and is remembered.
    #[must_use]
    pub fn permits(&self) -> &Permits {
        &self.permits
    }

    /// Lets the caller come with a call of a method that needs this.
    ///
    /// # Errors
    /// Where that is none for such a caller, whatever it is let have.
    pub fn enter(&self, caller: &Caller, needs: Needs) -> Result<(), Error> {
        if matches!(needs, Needs::Nothing | Needs::Token | Needs::Sight) {
            return Ok(());
        }
        match caller.class() {
            Class::Unsandboxed => Ok(()),
            Class::Sandboxed => Err(denied(
                "A program in a sandbox may ask for tokens, and for how the accounts are that it may use, and nothing \
                 else; do this with `imgurctl` outside it",
            )),
            Class::Remote => Err(denied(
                "Another machine may ask for tokens, and for how the accounts are that it may use, and nothing else; do \
                 this with `imgurctl` on the machine where imgurd runs",
            )),
        }
    }

    /// Lets the caller have the account's token, and asks the person first where the rules say so. What is left of
    /// `wait`.
    ///
    /// # Errors
    /// Where it is not to have it.
    pub async fn token(&self, caller: &Caller, account: &str, wait: Duration) -> Result<Duration, Error> {
        match self.rule(caller, account) {
            Rule::Allow => Ok(wait),
            Rule::Deny => Err(self.refused(caller, account)),
            Rule::Ask => {
                let begun = Instant::now();
                self.ask(caller, account, wait).await?;
                Ok(wait.saturating_sub(begun.elapsed()))
            }
        }
    }

    /// The account as this caller may see it, if at all.
    #[must_use]
    pub fn shown(&self, caller: &Caller, account: Account) -> Option<Account> {
        if caller.class() == Class::Unsandboxed {
            return Some(account);
        }
        let shown = Account { settings: Settings::default(), login_id: None, ..account };
        Some(shown).filter(|account| self.sees(caller, &account.name))
    }

    /// Whether the caller may know how the account is.
    #[must_use]
    pub fn sees(&self, caller: &Caller, account: &str) -> bool {
        caller.class() == Class::Unsandboxed || self.rule(caller, account) == Rule::Allow
    }

    /// That the caller may not know how the account is.
    #[must_use]
    pub fn unseen(&self, caller: &Caller, account: &str) -> Error {
        self.refused(caller, account)
    }

    fn rule(&self, caller: &Caller, account: &str) -> Rule {
        let remembered = |name: &str| self.permits.get(name, account);
        let config = self.desk.current();
        policy::rule(&config.access, caller.class(), caller.title().as_deref(), account, remembered)
    }

    fn refused(&self, caller: &Caller, account: &str) -> Error {
        let Some(title) = caller.title() else { return denied(GONE) };
        if self.desk.current().access.by_name(&title, account) == Some(Rule::Deny) {
            return denied(format!(
                "{title} may not use the account {account}: config.toml says so, in [accounts.{account}.access]; change it \
                 there"
            ));
        }
        denied(format!("{title} may not use the account {account}; {}", permitting(&title, account)))
    }

    async fn ask(&self, caller: &Caller, account: &str, wait: Duration) -> Result<(), Error> {
        let Some(title) = caller.title() else { return Err(denied(GONE)) };
        if let Some(damage) = self.permits.damage() {
            return Err(denied(damage));
        }
        let unasked = |why: &str| {
            denied(format!(
                "{title} may not use the account {account} before you allow it, and you cannot be asked, since {why}; {}",
                permitting(&title, account)
            ))
        };
        let Some(about) = about(caller) else { return Err(unasked("it calls from another machine")) };
        let (application, account) = (title.to_string(), account.to_owned());
        let lasts = *caller.application() != Application::Unknown;
        let question = |answer| Question {
            application: if lasts { application.clone() } else { "A program without a name".to_owned() },
            about,
            account: account.clone(),
            lasts,
            answer,
        };
        let key = (application.clone(), account.clone());
        let (permits, decided) = (self.permits.clone(), key.clone());
        let remember = move |answer| async move {
            if lasts {
                remember(&permits, decided, &answer).await;
            }
        };
        match self.asking.ask(key, question, wait, remember).await {
            Some(Answer::Once | Answer::Always) => Ok(()),
            Some(Answer::Never) => Err(self.refused(caller, &account)),
            Some(Answer::Unasked(why)) => Err(unasked(&why)),
            None => Err(denied(format!(
                "{application} may not use the account {account} before you allow it, and the question on your screen was \
                 not answered; answer the next one, or {}",
                permitting(&application, &account)
            ))),
        }
    }
}

const GONE: &str = "The program that connected was gone before it could be looked at, and nobody says who calls in its \
                    place; call from the program that connects, which has to stay for the answer";

/// What the person is to know of a caller beside its name; nothing where it may be anyone, anywhere.
fn about(caller: &Caller) -> Option<&'static str> {
    match caller.class() {
        Class::Remote => None,
        Class::Sandboxed => Some("It is a program in a sandbox."),
        Class::Unsandboxed => Some("It is a program of yours outside any sandbox."),
    }
}

async fn remember(permits: &Permits, (application, account): (String, String), answer: &Answer) {
    let allow = match answer {
        Answer::Always => true,
        Answer::Never => false,
        Answer::Once | Answer::Unasked(_) => return,
    };
    if let Err(error) = permits.set(application, account, allow).await {
        tracing::error!(%error, "an answer is not remembered");
    }
}

fn permitting(title: &str, account: &str) -> String {
    format!("allow it with `imgurctl permit allow {title} {account}`")
}

fn denied(reason: impl Into<String>) -> Error {
    Error::AccessDenied { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::Identity;
    use super::*;
    use crate::config::{ConfigFile, parse};

    const WAIT: Duration = Duration::from_secs(20);

    fn caller(application: Application, wire: Wire) -> Caller {
        let caller = Caller::new(0, None, wire);
        caller.identity.set(Arc::new(Identity { application, program: None })).unwrap();
        caller
    }

    fn sandboxed(name: &str) -> Caller {
        caller(Application::Sandbox(name.to_owned()), Wire::Bus)
    }

    /// A gate with these rules, and with nobody to ask.
    fn gate(rules: &str, home: &tempfile::TempDir) -> Gate {
        let config = Arc::new(parse(rules).unwrap());
        let desk = Arc::new(Desk::new(ConfigFile::new(PathBuf::new()), config));
        Gate::new(desk, Permits::load(home.path().join("permits")), Asking::new().0)
    }

    #[test]
    fn a_sandbox_has_no_name_that_anything_else_has() {
        for (name, title) in [
            ("org.example.App", "org.example.App"),
            ("snap.firefox", "snap.firefox"),
            ("org.example.service", "sandbox:org.example.service"),
            ("org.example.scope", "sandbox:org.example.scope"),
            ("unknown", "sandbox:unknown"),
            ("remote", "sandbox:remote"),
        ] {
            assert_eq!(sandboxed(name).title().as_deref(), Some(title));
        }
    }

    #[tokio::test]
    async fn a_permit_is_for_one_application_and_one_account() {
        let home = tempfile::tempdir().unwrap();
        let gate = gate("", &home);
        gate.permits().set("org.example.App".to_owned(), "me".to_owned(), true).await.unwrap();
        let app = sandboxed("org.example.App");
        assert_eq!(gate.token(&app, "me", WAIT).await, Ok(WAIT));
        assert!(gate.sees(&app, "me") && !gate.sees(&app, "you"));
        for (caller, account) in [(&app, "you"), (&sandboxed("org.example.Other"), "me")] {
            let refused = gate.token(caller, account, WAIT).await.unwrap_err().to_string();
            assert!(refused.contains("imgurctl permit allow"), "{refused}");
        }
        assert!(gate.enter(&app, Needs::Own).is_err() && gate.enter(&app, Needs::OwnToken).is_err());
    }

    #[tokio::test]
    async fn who_comes_from_another_machine_is_that_whatever_it_is_here() {
        let home = tempfile::tempdir().unwrap();
        let gate = gate("", &home);
        let sshd = caller(Application::Unit("ssh.service".to_owned()), Wire::Remote);
        gate.permits().set("ssh.service".to_owned(), "me".to_owned(), true).await.unwrap();
        assert!(gate.token(&sshd, "me", WAIT).await.is_err());
        assert!(gate.enter(&sshd, Needs::Own).is_err());
        gate.permits().set("remote".to_owned(), "me".to_owned(), true).await.unwrap();
        assert_eq!(gate.token(&sshd, "me", WAIT).await, Ok(WAIT));
    }

    #[tokio::test]
    async fn who_is_gone_has_no_name_that_anything_could_be_given_to() {
        let home = tempfile::tempdir().unwrap();
        let gone = caller(Application::Gone, Wire::Socket);
        let careful = gate("", &home);
        careful.permits().set("gone".to_owned(), "me".to_owned(), true).await.unwrap();
        assert!(careful.token(&gone, "me", WAIT).await.is_err());
        let open = gate("[access]\nsandboxed = \"allow\"\n", &home);
        assert_eq!(open.token(&gone, "me", WAIT).await, Ok(WAIT));
    }

    #[tokio::test]
    async fn a_program_of_ones_own_manages_accounts_whose_tokens_it_does_not_get() {
        let home = tempfile::tempdir().unwrap();
        let own = caller(Application::Unknown, Wire::Socket);
        let strict = gate("[access]\nunsandboxed = \"deny\"\n", &home);
        assert!(strict.token(&own, "me", WAIT).await.is_err());
        assert!(strict.sees(&own, "me") && strict.enter(&own, Needs::Own).is_ok());
        let usual = gate("", &home);
        assert_eq!(usual.token(&own, "me", WAIT).await, Ok(WAIT));
    }
}
