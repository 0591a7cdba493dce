//! The resources of an idle process (`proc(5)`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::soak::number;

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Private memory, and the process's share of shared memory.
    pub(super) pss: f64,
    /// Memory that is not backed by a file: heap, stacks and changed data of the program.
    pub(super) anonymous: f64,
}

impl Memory {
    pub(super) fn of(pid: u32) -> Self {
        let field = |name| number(pid, "smaps_rollup", name).expect("the process runs") * 1024.0;
        Self { pss: field("Pss:"), anonymous: field("Anonymous:") }
    }
}

/// The number of context switches of each thread. A thread has at least one for each time it wakes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Threads(BTreeMap<PathBuf, u64>);

impl Threads {
    pub(super) fn of(pid: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs").flatten();
        let switches = tasks.map(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let lines = status.lines().filter(|line| line.contains("_ctxt_switches:"));
            let counts = lines.filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok());
            (task.path(), counts.sum())
        });
        Self(switches.collect())
    }

    /// The number of wake-ups since `before`, of the threads that still exist.
    pub(super) fn wake_ups_since(&self, before: &Self) -> u64 {
        self.0.iter().map(|(thread, count)| count - before.0.get(thread).copied().unwrap_or(0)).sum()
    }
}
