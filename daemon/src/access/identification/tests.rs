use std::process::{Command, Stdio};

use super::super::caller::uptime;
use super::*;

#[test]
fn identifies_a_running_caller_and_its_program() {
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id().try_into().ok();
    let Identified { application, program, .. } = identify(pid, uptime(), &Peer::Unheld);
    assert_ne!(application, Application::Gone);
    assert!(!application.is_sandboxed());
    // The child may not have executed its program yet.
    assert!(program.is_some_and(|program| !program.is_empty()));
    // A process that started after the call is not the caller.
    assert_eq!(identify(pid, Duration::ZERO, &Peer::Unheld).application, Application::Gone);
    child.kill().unwrap();
    // The child is a zombie now, so its PID is still taken.
    rustix::process::waitid(
        rustix::process::WaitId::Pid(Pid::from_child(&child)),
        rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
    )
    .unwrap();
    assert_eq!(identify(pid, uptime(), &Peer::Unheld).application, Application::Gone);
    child.wait().unwrap();
    assert_eq!(identify(pid, uptime(), &Peer::Unheld).application, Application::Gone);
}

#[test]
fn an_unidentified_caller_counts_as_sandboxed() {
    for (pid, application) in [
        (None, Application::Nameless),
        (Some(0), Application::Nameless),
        (Some(-1), Application::Nameless),
        (Some(i32::MAX), Application::Gone),
    ] {
        let found = identify(pid, uptime(), &Peer::Unheld);
        assert_eq!((&found.application, found.program), (&application, None));
        assert!(application.is_sandboxed());
    }
}
