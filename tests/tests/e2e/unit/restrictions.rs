//! Each restriction of the unit, tested with and without it.

use super::home::{Home, USER};

/// Something that a process of the user can do, and a process of the service cannot.
struct Probe {
    /// The beginning of the unit's line that forbids it.
    line: &'static str,
    /// Lines that would forbid it too. Both runs leave them out. `=` stands for all lines.
    also: &'static [&'static str],
    /// A shell command that succeeds if it is not forbidden.
    tried: &'static str,
}

const fn probe(line: &'static str, also: &'static [&'static str], tried: &'static str) -> Probe {
    Probe { line, also, tried }
}

const PROBES: [Probe; 18] = [
    probe("PrivateUsers=", &["="], r#"[ "$(stat -c %u /)" = 0 ]"#),
    probe("ProtectHome=", &[], "touch ~/probe"),
    probe("ProtectSystem=", &[], "touch /srv/probes/probe"),
    probe("PrivateTmp=", &[], "cat /tmp/probe"),
    probe("PrivateDevices=", &[], "cat /dev/probe"),
    probe(
        "ProtectControlGroups=",
        &[],
        r#"mkdir "/sys/fs/cgroup$(sed -n s/0:://p /proc/self/cgroup)/probe""#,
    ),
    probe("ProtectKernelModules=", &[], "ls /usr/lib/modules"),
    probe("ProtectHostname=", &[], r#"[ "$(readlink /proc/self/ns/uts)" = "$(cat /srv/probes/uts)" ]"#),
    probe("CapabilityBoundingSet=", &[], "grep 'CapBnd:.*[1-9a-f]' /proc/self/status"),
    probe("NoNewPrivileges=", &["="], r#"[ "$(/srv/probes/id -u)" = 0 ]"#),
    probe("RestrictNamespaces=", &[], "unshare --user true"),
    probe(
        "RestrictAddressFamilies=",
        &["RestrictNamespaces="],
        "unshare --user --map-root-user --net /usr/bin/python3 -c \
         'import socket as s; s.socket(s.AF_PACKET, s.SOCK_RAW)'",
    ),
    probe("RestrictSUIDSGID=", &[], "cd ~/.local/state/imgurd && touch suid && chmod u+s suid"),
    probe("LockPersonality=", &[], "setarch --addr-no-randomize true"),
    probe(
        "MemoryDenyWriteExecute=",
        &[],
        "/usr/bin/python3 -c 'import mmap as m; m.mmap(-1, 4096, prot=m.PROT_WRITE | m.PROT_EXEC)'",
    ),
    probe(
        "SystemCallFilter=@system-service",
        &[],
        "/usr/bin/python3 -c 'import ctypes; exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)'",
    ),
    probe("SystemCallFilter=~", &[], "/usr/bin/python3 -c 'import os; os.nice(1)'"),
    probe(
        "UMask=",
        &[],
        r#"cd ~/.local/state/imgurd && rm -f new && touch new && [ "$(stat -c %a new)" != 600 ]"#,
    ),
];

/// Lines with these beginnings do not restrict the process.
const OF_THE_START: [&str; 7] =
    ["SyslogLevel=", "Exec", "Type=", "Restart=", "RestartSec=", "TimeoutStopSec=", "Runtime"];

/// The lines of the installed unit that restrict its process.
fn lines(home: &Home) -> Vec<String> {
    let unit = home.sh("cat ~/.local/share/systemd/user/imgurd.service").success().stdout;
    let section = unit.split("[Service]\n").nth(1).unwrap().split("[Install]").next().unwrap();
    let lines = section.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines = lines.filter(|line| !OF_THE_START.iter().any(|start| line.starts_with(start)));
    // Transient units do not expand specifiers.
    let filled = |line: &str| line.replace("%t/", &home.runtime(""));
    lines.map(filled).collect()
}

/// Whether the command succeeds in a unit with these lines.
fn succeeds_with(home: &Home, lines: &[&String], tried: &str) -> bool {
    let mut command = vec!["systemd-run", "--user", "--quiet", "--wait", "--pipe"];
    for line in lines {
        command.extend(["--property", line]);
    }
    command.extend(["sh", "-c", tried]);
    let output = home.run(&command);
    // Codes from 200 are systemd's own (systemd.exec(5)): the unit did not start, which proves nothing.
    assert!(output.code.is_some_and(|code| code < 200), "{lines:#?}\n{}", output.stderr);
    output.code == Some(0)
}

#[test]
fn each_restriction_of_the_unit_works() {
    let Some(home) = Home::installed() else { return };
    let prepare = "mkdir --mode=1777 /srv/probes && cp /usr/bin/id /srv/probes && chmod u+s /srv/probes/id &&
        mkdir -p /usr/lib/modules/probe && echo probe >/dev/probe &&
        readlink /proc/self/ns/uts >/srv/probes/uts";
    home.machine.run("root", &["sh", "-c", prepare]).success();
    home.machine.write(USER, "/tmp/probe", "probe");
    let all = lines(&home);
    assert!(succeeds_with(&home, &all.iter().collect::<Vec<_>>(), "touch ~/.local/state/imgurd/probe"));
    for Probe { line, also, tried } in PROBES {
        assert!(all.iter().any(|other| other.starts_with(line)), "the unit has no line {line}");
        let is_left_out = |other: &str| also.iter().any(|also| *also == "=" || other.starts_with(also));
        // Keep the order of the lines: it matters for SystemCallFilter=.
        let with: Vec<_> =
            all.iter().filter(|other| other.starts_with(line) || !is_left_out(other)).collect();
        let others: Vec<_> = with.iter().copied().filter(|other| !other.starts_with(line)).collect();
        assert!(succeeds_with(&home, &others, tried), "{line}: `{tried}` fails without the line, too");
        assert!(!succeeds_with(&home, &with, tried), "{line} does not prevent `{tried}`");
        assert!(
            !succeeds_with(&home, &all.iter().collect::<Vec<_>>(), tried),
            "the whole unit prevents it, too"
        );
    }
}
