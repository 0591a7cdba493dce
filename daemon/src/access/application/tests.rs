use std::process::{Command, Stdio};

use super::super::caller::uptime;
use super::*;

#[test]
fn a_live_caller_is_named_with_its_program() {
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id().try_into().ok();
    let Identified { application, program, .. } = identify(pid, uptime());
    assert_ne!(application, Application::Gone);
    assert!(!application.is_sandboxed());
    // The child may not have become its program yet.
    assert!(program.is_some_and(|program| !program.is_empty()));
    // Whoever began after the call is not who called.
    assert_eq!(identify(pid, Duration::ZERO).application, Application::Gone);
    child.kill().unwrap();
    // Ended, and not waited for yet: its number is not free.
    rustix::process::waitid(
        rustix::process::WaitId::Pid(Pid::from_child(&child)),
        rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
    )
    .unwrap();
    assert_eq!(identify(pid, uptime()).application, Application::Gone);
    child.wait().unwrap();
    assert_eq!(identify(pid, uptime()).application, Application::Gone);
}

#[test]
fn who_cannot_be_named_is_trusted_no_more_than_a_sandbox() {
    for (pid, application) in [
        (None, Application::Nameless),
        (Some(0), Application::Nameless),
        (Some(-1), Application::Nameless),
        (Some(i32::MAX), Application::Gone),
    ] {
        let found = identify(pid, uptime());
        assert_eq!((&found.application, found.program), (&application, None));
        assert!(application.is_sandboxed());
    }
}
