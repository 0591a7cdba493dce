//! The one gate that every call of every wire passes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Account, Error, Settings, Wire};
use tokio::time::Instant;

use super::{Answer, Application, Asking, Caller, Needs, Permits, Question, policy};
use crate::config::{Class, Rule, SettingsEditor};

/// Who is let through, and to what.
#[derive(Clone, Debug)]
pub struct Gate {
    desk: Arc<SettingsEditor>,
    permits: Permits,
    asking: Asking,
}

impl Caller {
    /// What it belongs to, as far as rules go: in a sandbox it stays in one, whichever socket it comes by.
    #[must_use]
    pub fn class(&self) -> Class {
        if self.application().is_sandboxed() {
            Class::Sandboxed
        } else if self.wire == Wire::Remote {
            Class::Remote
        } else {
            Class::Unsandboxed
        }
    }

    /// What permits and rules call it; nothing where nothing can be given to it for good.
    fn title(&self) -> Option<Cow<'_, str>> {
        if self.class() == Class::Remote {
            // Whoever the kernel says they are: that is sshd, which runs as the user.
            return Some(REMOTE.into());
        }
        match self.application() {
            // What is not named as sandboxes are could be taken for a unit, or for one of the other words here.
            Application::Sandbox(name) if is_like_a_unit(name) => Some(format!("sandbox:{name}").into()),
            Application::Gone | Application::Nameless => None,
            other => Some(other.name().into()),
        }
    }

    /// What a question calls it.
    fn shown(&self) -> Option<Cow<'_, str>> {
        match self.application() {
            Application::Nameless => Some(NAMELESS.into()),
            Application::Unknown => Some("A program without a name".into()),
            _ => self.title(),
        }
    }
}

/// All programs on other machines, for permits and rules.
const REMOTE: &str = "remote";

/// One in a sandbox that nothing names.
const NAMELESS: &str = "A sandboxed program";

/// That a caller was let have the token of an account when its call came in.
#[derive(Debug)]
#[must_use = "the gate is asked again before a token goes out"]
pub struct Pass {
    /// What was left of the caller's patience then.
    pub left: Duration,
    /// Whether the person allowed this call alone.
    once: bool,
}

fn is_like_a_unit(name: &str) -> bool {
    !name.contains('.') || [".service", ".scope"].iter().any(|suffix| name.ends_with(suffix))
}

impl Gate {
    /// A gate that goes by these.
    #[must_use]
    pub fn new(desk: Arc<SettingsEditor>, permits: Permits, asking: Asking) -> Self {
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

    /// Lets the caller have the token of the account that it `asked` for, and asks the person first where the rules say so.
    ///
    /// # Errors
    /// Where it is not to have it.
    pub async fn token(&self, caller: &Caller, asked: &Asked<'_>, wait: Duration) -> Result<Pass, Error> {
        match self.rule(caller, asked.account) {
            Rule::Allow => Ok(Pass { left: wait, once: false }),
            Rule::Deny => Err(refused(caller, asked)),
            Rule::Ask => {
                let begun = Instant::now();
                self.ask(caller, asked, wait).await?;
                Ok(Pass { left: wait.saturating_sub(begun.elapsed()), once: true })
            }
        }
    }

    /// Lets the token go out to a caller with this pass: what was decided while it waited counts.
    ///
    /// # Errors
    /// Where it is not to have it any more.
    pub fn still(&self, caller: &Caller, asked: &Asked<'_>, pass: &Pass) -> Result<(), Error> {
        match self.rule(caller, asked.account) {
            Rule::Allow => Ok(()),
            Rule::Ask if pass.once => Ok(()),
            Rule::Ask | Rule::Deny => Err(refused(caller, asked)),
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

    /// That the caller may not know how the account is; the same whether there is such an account or not.
    #[must_use]
    pub fn unseen(caller: &Caller, account: &str) -> Error {
        refused(caller, &Asked { account, name: Some(account), exists: true })
    }

    /// The rule for this caller; from a sandbox, the `remote` socket is only another way to the same daemon, so both the
    /// sandbox's rule and that socket's have to allow.
    fn rule(&self, caller: &Caller, account: &str) -> Rule {
        let config = self.desk.current();
        let of = |class, title: Option<&str>| {
            policy::rule(&config.access, class, title, account, |name| self.permits.get(name, account))
        };
        let own = of(caller.class(), caller.title().as_deref());
        if caller.wire == Wire::Remote { own.max(of(Class::Remote, Some(REMOTE))) } else { own }
    }

    async fn ask(&self, caller: &Caller, asked: &Asked<'_>, wait: Duration) -> Result<(), Error> {
        let Some(shown) = caller.shown() else { return Err(denied(nameless(caller))) };
        if let Some(damage) = self.permits.damage() {
            return Err(denied(damage));
        }
        let title = caller.title();
        let mend = title
            .as_deref()
            .map_or_else(|| "run it outside the sandbox".to_owned(), |title| asked.permitting(caller, title));
        let name = title.as_deref().unwrap_or(NAMELESS);
        let unasked = |why: &str| {
            denied(format!(
                "{name} may not use {asked} before you allow it, and you cannot be asked, since {why}; {mend}"
            ))
        };
        let Some(about) = about(caller, asked) else { return Err(unasked("it calls from another machine")) };
        let lasts = title.is_some() && *caller.application() != Application::Unknown;
        let question = |answer| Question {
            application: shown.to_string(),
            about,
            account: asked.account.to_owned(),
            lasts,
            answer,
        };
        let permit = (name.to_owned(), asked.account.to_owned());
        let (permits, exists) = (self.permits.clone(), asked.exists);
        let remember = move |answer| async move {
            // Nothing is given for good of an account that there is not.
            if lasts && (exists || answer != Answer::Always) {
                remember(&permits, permit, &answer).await;
            }
        };
        match self.asking.ask(key(caller, name, asked.account), question, wait, remember).await {
            Some(Answer::Once | Answer::Always) => Ok(()),
            Some(Answer::Never) => Err(refused(caller, asked)),
            Some(Answer::Unasked(why)) => Err(unasked(&why)),
            None => Err(denied(format!(
                "{name} may not use {asked} before you allow it, and the question on your screen was not answered; answer \
                 the next one, or {mend}"
            ))),
        }
    }
}

/// Why the caller may not use the account. It says nothing that depends on whether there is such an account.
fn refused(caller: &Caller, asked: &Asked<'_>) -> Error {
    let Some(title) = caller.title() else { return denied(nameless(caller)) };
    denied(format!(
        "{title} may not use {asked}; {}, unless config.toml denies it",
        asked.permitting(caller, &title)
    ))
}

/// What a question is about. An answer for one sandboxed process that has no name is not for another.
fn key(caller: &Caller, name: &str, account: &str) -> (String, String) {
    let account = match caller.application() {
        Application::Nameless => format!("{account} {}", caller.pid.unwrap_or_default()),
        _ => account.to_owned(),
    };
    (name.to_owned(), account)
}

/// The account that a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which it is.
    pub account: &'a str,
    /// What the caller calls it; nothing where it means the default account.
    pub name: Option<&'a str>,
    /// Whether there is one. A caller that has no permit is answered the same in either case.
    pub exists: bool,
}

impl Asked<'_> {
    fn permitting(&self, caller: &Caller, title: &str) -> String {
        let account = self.name.map(|name| format!(" {name}")).unwrap_or_default();
        // In a sandbox on the other socket, it takes both.
        let remote = caller.wire == Wire::Remote && title != REMOTE;
        let remote =
            if remote { format!(" and `imgurctl permit allow {REMOTE}{account}`") } else { String::new() };
        format!("allow it with `imgurctl permit allow {title}{account}`{remote}")
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "the account {name}"),
            None => f.write_str("the default account"),
        }
    }
}

/// Why nothing can be given to a caller that has no name.
fn nameless(caller: &Caller) -> &'static str {
    if *caller.application() == Application::Gone { GONE } else { UNNAMED }
}

const UNNAMED: &str = "A sandboxed program may not use your accounts while nothing says which one it is; run it outside the \
                       sandbox, or as a Flatpak or snap";

const GONE: &str = "The program that connected was gone before it could be looked at, and nobody says who calls in its \
                    place; call from the program that connects, which has to stay for the answer";

/// What the person is to know of a caller beside its name; nothing where it may be anyone, anywhere.
fn about(caller: &Caller, asked: &Asked<'_>) -> Option<&'static str> {
    match caller.class() {
        _ if caller.wire == Wire::Remote => None,
        Class::Remote => None,
        Class::Sandboxed if !asked.exists => {
            Some("It is a program in a sandbox. You have no account of this name.")
        }
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
        let desk = Arc::new(SettingsEditor::new(ConfigFile::new(PathBuf::new()), config));
        Gate::new(desk, Permits::load(home.path().join("permits")), Asking::new().0)
    }

    fn asked(account: &str) -> Asked<'_> {
        Asked { account, name: Some(account), exists: true }
    }

    /// What is left of the wait for a caller who is let have it.
    async fn token(gate: &Gate, caller: &Caller, account: &str) -> Result<Duration, Error> {
        gate.token(caller, &asked(account), WAIT).await.map(|pass| pass.left)
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
        assert_eq!(token(&gate, &app, "me").await, Ok(WAIT));
        assert!(gate.sees(&app, "me") && !gate.sees(&app, "you"));
        for (caller, account) in [(&app, "you"), (&sandboxed("org.example.Other"), "me")] {
            let refused = token(&gate, caller, account).await.unwrap_err().to_string();
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
        assert!(token(&gate, &sshd, "me").await.is_err());
        assert!(gate.enter(&sshd, Needs::Own).is_err());
        gate.permits().set("remote".to_owned(), "me".to_owned(), true).await.unwrap();
        assert_eq!(token(&gate, &sshd, "me").await, Ok(WAIT));
    }

    #[tokio::test]
    async fn who_is_gone_has_no_name_that_anything_could_be_given_to() {
        let home = tempfile::tempdir().unwrap();
        let gone = caller(Application::Gone, Wire::Socket);
        let careful = gate("", &home);
        careful.permits().set("gone".to_owned(), "me".to_owned(), true).await.unwrap();
        assert!(token(&careful, &gone, "me").await.is_err());
        let open = gate("[access]\nsandboxed = \"allow\"\n", &home);
        assert_eq!(token(&open, &gone, "me").await, Ok(WAIT));
    }

    #[tokio::test]
    async fn a_program_of_ones_own_manages_accounts_whose_tokens_it_does_not_get() {
        let home = tempfile::tempdir().unwrap();
        let own = caller(Application::Unknown, Wire::Socket);
        let strict = gate("[access]\nunsandboxed = \"deny\"\n", &home);
        assert!(token(&strict, &own, "me").await.is_err());
        assert!(strict.sees(&own, "me") && strict.enter(&own, Needs::Own).is_ok());
        let usual = gate("", &home);
        assert_eq!(token(&usual, &own, "me").await, Ok(WAIT));
    }

    #[tokio::test]
    async fn on_the_remote_socket_a_sandbox_needs_both_permits() {
        for (own, remote, is_let) in [
            (None, Some(true), false),
            (Some(false), Some(true), false),
            (Some(true), None, false),
            (Some(true), Some(false), false),
            (Some(true), Some(true), true),
        ] {
            let home = tempfile::tempdir().unwrap();
            let gate = gate("", &home);
            for (name, allow) in [("org.example.App", own), ("remote", remote)] {
                if let Some(allow) = allow {
                    gate.permits().set(name.to_owned(), "me".to_owned(), allow).await.unwrap();
                }
            }
            let app = caller(Application::Sandbox("org.example.App".to_owned()), Wire::Remote);
            assert_eq!(token(&gate, &app, "me").await.is_ok(), is_let, "{own:?} {remote:?}");
            assert_eq!(gate.sees(&app, "me"), is_let, "{own:?} {remote:?}");
            for unnamed in [Application::Nameless, Application::Gone] {
                assert!(token(&gate, &caller(unnamed, Wire::Remote), "me").await.is_err());
            }
        }
    }

    #[tokio::test]
    async fn what_is_decided_while_a_call_waits_counts() {
        let home = tempfile::tempdir().unwrap();
        let gate = gate("", &home);
        let set = |allow| gate.permits().set("org.example.App".to_owned(), "me".to_owned(), allow);
        set(true).await.unwrap();
        let (app, me) = (sandboxed("org.example.App"), asked("me"));
        let pass = gate.token(&app, &me, WAIT).await.unwrap();
        assert_eq!(gate.still(&app, &me, &pass), Ok(()));
        gate.permits().remove("org.example.App".to_owned(), "me".to_owned()).await.unwrap();
        assert!(gate.still(&app, &me, &pass).is_err(), "revoked");
        let once = Pass { left: WAIT, once: true };
        assert_eq!(gate.still(&app, &me, &once), Ok(()), "the person's word for this call");
        set(false).await.unwrap();
        assert!(gate.still(&app, &me, &once).is_err(), "denied");
    }

    #[tokio::test]
    async fn an_account_that_is_not_there_is_refused_as_one_that_is() {
        let home = tempfile::tempdir().unwrap();
        for rules in ["", "[access]\nsandboxed = \"deny\"\n"] {
            let gate = gate(rules, &home);
            for caller in [sandboxed("org.example.App"), caller(Application::Nameless, Wire::Socket)] {
                let there = gate.token(&caller, &asked("me"), WAIT).await.map(|pass| pass.left);
                let not = Asked { exists: false, ..asked("me") };
                assert_eq!(gate.token(&caller, &not, WAIT).await.map(|pass| pass.left), there);
            }
        }
    }
}
