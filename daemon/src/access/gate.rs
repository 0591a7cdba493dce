//! Decides about every call of every wire.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Account, Error, Settings, Wire};
use tokio::time::Instant;

use super::caller::{NAMELESS, REMOTE};
use super::{Application, Caller, Decision, Needs, Permits, Prompts, Question, policy};
use crate::config::{Class, Rule, SettingsEditor};

/// Decides which caller may call which method, and which account's token it may have.
#[derive(Clone, Debug)]
pub struct Gate {
    editor: Arc<SettingsEditor>,
    permits: Permits,
    prompts: Prompts,
}

/// The permission to use an account's token, as it was decided when the call came in.
#[derive(Debug)]
#[must_use = "the gate is asked again before a token goes out"]
pub struct Pass {
    /// How long the caller still waits.
    pub left: Duration,
    /// Whether the user allowed only this call.
    once: bool,
    /// The state of the rules and permits that it was decided by.
    decided_by: Generation,
}

/// Counts the changes of the configuration and of the permits. Every decision stays valid until one of the two changes.
type Generation = (u64, u64);

impl Gate {
    /// Creates a gate for these rules and permits.
    #[must_use]
    pub fn new(editor: Arc<SettingsEditor>, permits: Permits, prompts: Prompts) -> Self {
        Self { editor, permits, prompts }
    }

    /// The remembered decisions.
    #[must_use]
    pub fn permits(&self) -> &Permits {
        &self.permits
    }

    /// Checks that the caller may call a method that needs this.
    ///
    /// # Errors
    /// If callers of its class may not.
    pub fn check_method(&self, caller: &Caller, needs: Needs) -> Result<(), Error> {
        if matches!(needs, Needs::Nothing | Needs::Token | Needs::Sight) {
            return Ok(());
        }
        match caller.class() {
            Class::Unsandboxed => Ok(()),
            Class::Sandboxed => Err(denied(
                "Sandboxed apps can only get tokens and account status; run `imgurctl` outside the sandbox",
            )),
            Class::Remote => Err(denied(
                "Other machines can only get tokens and account status; run `imgurctl` on the machine where imgurd \
                 runs",
            )),
            Class::Gateway => {
                Err(denied("Gateway clients can only get tokens; run `imgurctl` for everything else"))
            }
        }
    }

    /// Decides whether the caller may have the token of the `requested` account, and asks the user if the rules say so.
    ///
    /// # Errors
    /// If it may not have it.
    pub async fn authorize(
        &self,
        caller: &Caller,
        requested: &Requested<'_>,
        wait: Duration,
    ) -> Result<Pass, Error> {
        // Read this first, so that a change during the lookup counts as a later one.
        let decided_by = self.generation();
        match self.rule(caller, requested.account) {
            Rule::Allow => Ok(Pass { left: wait, once: false, decided_by }),
            Rule::Deny => Err(self.refused(caller, requested)),
            Rule::Ask => {
                let begun = Instant::now();
                self.ask(caller, requested, wait).await?;
                Ok(Pass { left: wait.saturating_sub(begun.elapsed()), once: true, decided_by })
            }
        }
    }

    /// Decides again before the token goes out, because rules and permits may have changed while the call
    /// waited.
    ///
    /// # Errors
    /// If the caller may not have it any more.
    pub fn recheck(&self, caller: &Caller, requested: &Requested<'_>, pass: &Pass) -> Result<(), Error> {
        if pass.decided_by == self.generation() {
            return Ok(());
        }
        match self.rule(caller, requested.account) {
            Rule::Allow => Ok(()),
            Rule::Ask if pass.once => Ok(()),
            Rule::Ask | Rule::Deny => Err(self.refused(caller, requested)),
        }
    }

    fn generation(&self) -> Generation {
        (self.editor.generation(), self.permits.generation())
    }

    /// The part of the account that the caller may see, if any.
    #[must_use]
    pub fn visible_part(&self, caller: &Caller, account: Account) -> Option<Account> {
        if caller.class() == Class::Unsandboxed {
            return Some(account);
        }
        let visible = Account { settings: Settings::default(), login_id: None, ..account };
        Some(visible).filter(|account| self.may_see(caller, &account.name))
    }

    /// Whether the caller may know the state of the account.
    #[must_use]
    pub fn may_see(&self, caller: &Caller, account: &str) -> bool {
        caller.class() == Class::Unsandboxed || self.rule(caller, account) == Rule::Allow
    }

    /// Whether a rule or a permit denies the account to the caller.
    #[must_use]
    pub fn is_denied(&self, caller: &Caller, account: &str) -> bool {
        self.rule(caller, account) == Rule::Deny
    }

    /// The error for a caller that may not know the account's state. It is the same whether or not the
    /// account exists.
    #[must_use]
    pub fn invisible(&self, caller: &Caller, account: &str) -> Error {
        self.refused(caller, &Requested { account, name: Some(account), exists: true })
    }

    /// Checks that the permits are known, if the answer to this caller depends on them.
    ///
    /// # Errors
    /// If their file is damaged. The reason for a caller that is not one of the user's own programs shows no path.
    pub fn check_permits(&self, caller: &Caller, account: &str) -> Result<(), Error> {
        let config = self.editor.current();
        let title = caller.title();
        let remote = (caller.wire == Wire::Remote).then_some(REMOTE);
        let mut names = title.as_deref().into_iter().chain(remote);
        if names.all(|name| config.access.by_name(name, account).is_some()) {
            return Ok(());
        }
        self.permits.check().map_err(|error| match caller.class() {
            Class::Unsandboxed => error,
            _ => Error::StoreUnavailable { reason: UNREADABLE.to_owned() },
        })
    }

    /// Why the caller may not use the account. The text is the same whether or not the account exists.
    fn refused(&self, caller: &Caller, requested: &Requested<'_>) -> Error {
        if let Err(error) = self.check_permits(caller, requested.account) {
            return denied(error.to_string());
        }
        let Some(title) = caller.title() else { return denied(nameless(caller)) };
        denied(format!(
            "{title} may not use {requested}; {}, unless config.toml denies it",
            requested.permitting(caller, &title)
        ))
    }

    /// The rule for this caller. A sandboxed app on the `remote` socket needs the permission of both rules.
    fn rule(&self, caller: &Caller, account: &str) -> Rule {
        let config = self.editor.current();
        // The user may have denied it, so imgurd denies it while the permits are unknown.
        let remembered = |name: &str| self.permits.get(name, account).unwrap_or(Some(false));
        let of = |class, title: Option<&str>| policy::rule(&config.access, class, title, account, remembered);
        let own = of(caller.class(), caller.title().as_deref());
        if caller.wire == Wire::Remote { own.max(of(Class::Remote, Some(REMOTE))) } else { own }
    }

    async fn ask(&self, caller: &Caller, requested: &Requested<'_>, wait: Duration) -> Result<(), Error> {
        let Some(application) = caller.display_name() else { return Err(denied(nameless(caller))) };
        let title = caller.title();
        let mend = title.as_deref().map_or_else(
            || "run it outside the sandbox".to_owned(),
            |title| requested.permitting(caller, title),
        );
        let name = title.as_deref().unwrap_or(NAMELESS);
        let unasked = |why: &str| {
            denied(format!(
                "{name} needs your permission to use {requested}, but imgurd cannot ask you: {why}; {mend}"
            ))
        };
        let Some(about) = about(caller, requested) else {
            return Err(unasked("it calls from another machine"));
        };
        let lasts = title.is_some() && caller.application != Application::Unknown;
        let question = |answer| Question {
            application: application.to_string(),
            about,
            account: requested.account.to_owned(),
            instruction: mend.clone(),
            lasts,
            answer,
        };
        let permit = (name.to_owned(), requested.account.to_owned());
        let (permits, exists) = (self.permits.clone(), requested.exists);
        let remember = move |answer| async move {
            // No permanent permit is saved for an account that does not exist.
            if lasts && (exists || answer != Decision::Always) {
                remember(&permits, permit, &answer).await;
            }
        };
        match self.prompts.ask(key(caller, name, requested.account), question, wait, remember).await {
            Some(Decision::Once | Decision::Always) => Ok(()),
            Some(Decision::Never) => Err(self.refused(caller, requested)),
            Some(Decision::Told) => Err(unasked("the notification server has no buttons")),
            Some(Decision::Unasked(why)) => Err(unasked(&why)),
            None => Err(denied(format!(
                "{name} needs your permission to use {requested}, but you did not answer the question on your \
                 screen; answer the next one, or {mend}"
            ))),
        }
    }
}

/// The key of a question. Each unidentified sandboxed process has its own question.
fn key(caller: &Caller, name: &str, account: &str) -> (String, String) {
    let account = match &caller.application {
        Application::Nameless => format!("{account} {}", caller.pid.unwrap_or_default()),
        _ => account.to_owned(),
    };
    (name.to_owned(), account)
}

/// The account that a caller requests.
#[derive(Clone, Copy, Debug)]
pub struct Requested<'a> {
    /// The account.
    pub account: &'a str,
    /// The name that the caller gave; `None` for the default account.
    pub name: Option<&'a str>,
    /// Whether it exists. A caller without a permit gets the same answer in either case.
    pub exists: bool,
}

impl Requested<'_> {
    fn permitting(&self, caller: &Caller, title: &str) -> String {
        let account = self.name.map(|name| format!(" {name}")).unwrap_or_default();
        // A sandboxed app on the remote socket needs both permits.
        let remote = caller.wire == Wire::Remote && title != REMOTE;
        let remote =
            if remote { format!(" and `imgurctl permit allow {REMOTE}{account}`") } else { String::new() };
        format!("allow it with `imgurctl permit allow {title}{account}`{remote}")
    }
}

impl fmt::Display for Requested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "the account {name}"),
            None => f.write_str("the default account"),
        }
    }
}

/// Why a caller without a name cannot get a permit.
fn nameless(caller: &Caller) -> &'static str {
    if caller.application == Application::Gone { ENDED } else { UNNAMED }
}

const UNNAMED: &str =
    "imgurd cannot identify this sandboxed app; run it outside the sandbox, or as a Flatpak or snap";

const UNREADABLE: &str = "imgurd cannot read its permits, and gives tokens only to programs that a rule in config.toml names; run \
                          `imgurctl doctor` to see how to repair them";

const ENDED: &str = "The program that connected exited before imgurd could identify it; keep it running until it has \
                     the answer";

/// What the question says about a caller besides its name; `None` for a caller on another machine.
fn about(caller: &Caller, requested: &Requested<'_>) -> Option<&'static str> {
    match caller.class() {
        _ if caller.wire == Wire::Remote => None,
        Class::Remote => None,
        Class::Gateway => Some("It is a gateway client."),
        Class::Sandboxed if !requested.exists => {
            Some("It is a sandboxed app. You have no account with this name.")
        }
        Class::Sandboxed => Some("It is a sandboxed app."),
        Class::Unsandboxed => Some("It is one of your programs and not sandboxed."),
    }
}

async fn remember(permits: &Permits, (application, account): (String, String), answer: &Decision) {
    let allow = match answer {
        Decision::Always => true,
        Decision::Never => false,
        Decision::Once | Decision::Told | Decision::Unasked(_) => return,
    };
    if let Err(error) = permits.set(application, account, allow).await {
        tracing::error!(%error, "cannot save the answer to a permission question");
    }
}

fn denied(reason: impl Into<String>) -> Error {
    Error::AccessDenied { reason: reason.into() }
}

#[cfg(test)]
mod tests;
