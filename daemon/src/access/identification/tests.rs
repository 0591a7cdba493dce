use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::super::caller::uptime;
use super::*;

#[test]
fn identifies_a_running_caller_and_its_program() {
    let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id().try_into().ok();
    let Identified { application, program, .. } = identify(pid, Wire::Socket, uptime(), &Peer::Unheld);
    assert_ne!(application, Application::Gone);
    assert!(!application.is_sandboxed());
    // The child may not have executed its program yet.
    assert!(program.is_some_and(|program| !program.is_empty()));
    // A process that started after the call is not the caller.
    assert_eq!(identify(pid, Wire::Socket, Duration::ZERO, &Peer::Unheld).application, Application::Gone);
    child.kill().unwrap();
    // The child is a zombie now, so its PID is still taken.
    rustix::process::waitid(
        rustix::process::WaitId::Pid(Pid::from_child(&child)),
        rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
    )
    .unwrap();
    assert_eq!(identify(pid, Wire::Socket, uptime(), &Peer::Unheld).application, Application::Gone);
    child.wait().unwrap();
    assert_eq!(identify(pid, Wire::Socket, uptime(), &Peer::Unheld).application, Application::Gone);
}

#[test]
fn an_unidentified_caller_counts_as_sandboxed() {
    for (pid, application) in [
        (None, Application::Nameless),
        (Some(0), Application::Nameless),
        (Some(-1), Application::Nameless),
        (Some(i32::MAX), Application::Gone),
    ] {
        let found = identify(pid, Wire::Socket, uptime(), &Peer::Unheld);
        assert_eq!((&found.application, found.program), (&application, None));
        assert!(application.is_sandboxed());
    }
}

#[test]
fn a_helper_that_a_sandbox_keeps_outside_counts_as_the_sandbox() {
    let directory = tempfile::tempdir().unwrap();
    let firejail = directory.path().join("firejail");
    fs::copy("/bin/sh", &firejail).unwrap();
    let mut maker = Command::new(firejail)
        .args(["-c", "sleep 60 & echo $!; wait"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(maker.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let helper = line.trim().parse().unwrap();
    for wire in [Wire::Bus, Wire::Gateway] {
        let found = identify(Some(helper), wire, uptime(), &Peer::Unheld);
        assert_eq!(found.application, Application::Nameless, "{wire:?}");
    }
    rustix::process::kill_process(Pid::from_raw(helper).unwrap(), rustix::process::Signal::KILL).unwrap();
    maker.wait().unwrap();
}
