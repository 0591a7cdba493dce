//! A terminal and its user.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Command, ExitStatus};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::process::{end_of, first_readable};

/// Runs a program at a terminal to its end, and returns its exit status and all output. `person` gets the output
/// since the last input, and can type again.
pub fn at_terminal(
    mut command: Command,
    mut person: impl FnMut(&str) -> Option<String>,
) -> (ExitStatus, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let program =
        File::from(open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap());
    let end = || program.try_clone().unwrap();
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    let ended = end_of(&child);
    let (mut master, mut seen, mut read) = (File::from(master), String::new(), 0);
    loop {
        match first_readable(&[master.as_fd(), ended.as_fd()]) {
            Some(0) => {
                let mut part = [0; 4096];
                let length = master.read(&mut part).unwrap();
                seen.push_str(&String::from_utf8_lossy(&part[..length]).replace('\r', ""));
                if let Some(keys) = person(&seen[read..]) {
                    read = seen.len();
                    master.write_all(keys.as_bytes()).unwrap();
                }
            }
            Some(_) => return (child.wait().unwrap(), seen),
            None => {
                let _ = child.kill();
                panic!("no further output after: {seen}");
            }
        }
    }
}
