use std::process::{Command, Stdio};

use rustix::time::{ClockId, clock_gettime};

use super::*;

fn uptime() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap()
}

#[test]
fn a_live_caller_is_named_with_its_program() {
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id().try_into().ok();
    let identity = Identity::of(pid, uptime());
    assert_ne!(identity.application, Application::Gone);
    assert!(!identity.application.is_sandboxed());
    // The child may not have become its program yet.
    assert!(identity.program.as_ref().is_some_and(|program| !program.is_empty()));
    // Whoever began after the call is not who called.
    assert_eq!(Identity::of(pid, Duration::ZERO).application, Application::Gone);
    child.kill().unwrap();
    // Ended, and not waited for yet: its number is not free.
    rustix::process::waitid(
        rustix::process::WaitId::Pid(Pid::from_child(&child)),
        rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
    )
    .unwrap();
    assert_eq!(Identity::of(pid, uptime()).application, Application::Gone);
    child.wait().unwrap();
    assert_eq!(Identity::of(pid, uptime()).application, Application::Gone);
}

#[test]
fn who_cannot_be_named_is_trusted_no_more_than_a_sandbox() {
    for (pid, application) in [
        (None, Application::Nameless),
        (Some(0), Application::Nameless),
        (Some(-1), Application::Nameless),
        (Some(i32::MAX), Application::Gone),
    ] {
        let identity = Identity::of(pid, uptime());
        assert_eq!(identity.application, application);
        assert!(identity.application.is_sandboxed());
    }
}
