use std::path::PathBuf;

use super::*;
use crate::access::may_be_title;
use crate::config::{ConfigFile, parse};

const WAIT: Duration = Duration::from_secs(20);

fn caller(application: Application, wire: Wire) -> Caller {
    Caller { uid: 0, pid: None, wire, application, program: None }
}

fn sandboxed(name: &str) -> Caller {
    caller(Application::Sandbox(name.to_owned()), Wire::Bus)
}

/// A gate with these rules that cannot ask the user.
fn gate(rules: &str, home: &tempfile::TempDir) -> Gate {
    let config = Arc::new(parse(rules).unwrap());
    let editor = Arc::new(SettingsEditor::new(ConfigFile::new(PathBuf::new()), config));
    Gate::new(editor, Permits::load(home.path().join("permits")), Prompts::new().0)
}

fn asked(account: &str) -> Requested<'_> {
    Requested { account, name: Some(account), exists: true }
}

/// The remaining waiting time, if the caller may have the token.
async fn token(gate: &Gate, caller: &Caller, account: &str) -> Result<Duration, Error> {
    gate.authorize(caller, &asked(account), WAIT).await.map(|pass| pass.left)
}

#[test]
fn a_sandbox_cannot_take_the_name_of_a_unit_or_of_a_keyword() {
    for (name, title) in [
        ("org.example.App", "org.example.App"),
        ("snap.firefox", "snap.firefox"),
        ("org.example.service", "sandbox:org.example.service"),
        ("org.example.scope", "sandbox:org.example.scope"),
        ("unknown", "sandbox:unknown"),
        ("remote", "sandbox:remote"),
    ] {
        assert_eq!(sandboxed(name).title().as_deref(), Some(title));
        assert_eq!(sandboxed(name).name(), title, "the journal shows the same name");
        assert!(may_be_title(title), "{title}");
    }
    for title in ["firefox", "gateway", "", " ", "sandbox:", "org.example.App "] {
        assert!(!may_be_title(title), "{title}");
    }
}

#[tokio::test]
async fn a_permit_covers_one_application_and_one_account() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate("", &home);
    gate.permits().set("org.example.App".to_owned(), "me".to_owned(), true).await.unwrap();
    let app = sandboxed("org.example.App");
    assert_eq!(token(&gate, &app, "me").await, Ok(WAIT));
    assert!(gate.may_see(&app, "me") && !gate.may_see(&app, "you"));
    for (caller, account) in [(&app, "you"), (&sandboxed("org.example.Other"), "me")] {
        let refused = token(&gate, caller, account).await.unwrap_err().to_string();
        assert!(refused.contains("imgurctl permit allow"), "{refused}");
    }
    assert!(
        gate.check_method(&app, Needs::Own).is_err() && gate.check_method(&app, Needs::OwnToken).is_err()
    );
}

#[tokio::test]
async fn a_remote_caller_needs_the_remote_permit() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate("", &home);
    let sshd = caller(Application::Unit("ssh.service".to_owned()), Wire::Remote);
    gate.permits().set("ssh.service".to_owned(), "me".to_owned(), true).await.unwrap();
    assert!(token(&gate, &sshd, "me").await.is_err());
    assert!(gate.check_method(&sshd, Needs::Own).is_err());
    gate.permits().set("remote".to_owned(), "me".to_owned(), true).await.unwrap();
    assert_eq!(token(&gate, &sshd, "me").await, Ok(WAIT));
}

#[tokio::test]
async fn a_caller_that_ended_cannot_use_a_permit() {
    let home = tempfile::tempdir().unwrap();
    let gone = caller(Application::Gone, Wire::Socket);
    let with_defaults = gate("", &home);
    with_defaults.permits().set("gone".to_owned(), "me".to_owned(), true).await.unwrap();
    assert!(token(&with_defaults, &gone, "me").await.is_err());
    let open = gate("[access]\nsandboxed = \"allow\"\n", &home);
    assert_eq!(token(&open, &gone, "me").await, Ok(WAIT));
}

#[tokio::test]
async fn a_denied_unsandboxed_program_can_still_manage_accounts() {
    let home = tempfile::tempdir().unwrap();
    let own = caller(Application::Unknown, Wire::Socket);
    let strict = gate("[access]\nunsandboxed = \"deny\"\n", &home);
    assert!(token(&strict, &own, "me").await.is_err());
    assert!(strict.may_see(&own, "me") && strict.check_method(&own, Needs::Own).is_ok());
    let usual = gate("", &home);
    assert_eq!(token(&usual, &own, "me").await, Ok(WAIT));
}

#[tokio::test]
async fn a_sandbox_on_the_remote_socket_needs_both_permits() {
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
        assert_eq!(gate.may_see(&app, "me"), is_let, "{own:?} {remote:?}");
        for unnamed in [Application::Nameless, Application::Gone] {
            assert!(token(&gate, &caller(unnamed, Wire::Remote), "me").await.is_err());
        }
    }
}

#[tokio::test]
async fn a_permit_that_changes_during_a_call_takes_effect() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate("", &home);
    let set = |allow| gate.permits().set("org.example.App".to_owned(), "me".to_owned(), allow);
    set(true).await.unwrap();
    let (app, me) = (sandboxed("org.example.App"), asked("me"));
    let pass = gate.authorize(&app, &me, WAIT).await.unwrap();
    assert_eq!(gate.recheck(&app, &me, &pass), Ok(()));
    gate.permits().remove("org.example.App".to_owned(), "me".to_owned()).await.unwrap();
    assert!(gate.recheck(&app, &me, &pass).is_err(), "the permit was revoked");
    let once = Pass { once: true, ..pass };
    assert_eq!(gate.recheck(&app, &me, &once), Ok(()), "an Allow for this call remains valid");
    set(false).await.unwrap();
    assert!(gate.recheck(&app, &me, &once).is_err(), "access was denied");
}

#[tokio::test]
async fn refusals_do_not_reveal_whether_an_account_exists() {
    let home = tempfile::tempdir().unwrap();
    for rules in ["", "[access]\nsandboxed = \"deny\"\n"] {
        let gate = gate(rules, &home);
        for caller in [sandboxed("org.example.App"), caller(Application::Nameless, Wire::Socket)] {
            let existing = gate.authorize(&caller, &asked("me"), WAIT).await.map(|pass| pass.left);
            let missing = Requested { exists: false, ..asked("me") };
            assert_eq!(gate.authorize(&caller, &missing, WAIT).await.map(|pass| pass.left), existing);
        }
    }
}
