//! The resources of an idle process (`proc(5)`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::soak::number;

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// What it has for itself, and its share of what it shares.
    pub(super) pss: f64,
    /// What is in no file: heap, stacks, and what was changed of the program's own.
    pub(super) anonymous: f64,
}

impl Memory {
    pub(super) fn of(pid: u32) -> Self {
        let field = |name| number(pid, "smaps_rollup", name).expect("the process is there") * 1024.0;
        Self { pss: field("Pss:"), anonymous: field("Anonymous:") }
    }
}

/// How often each thread of a process has been given a core, which it is once it wakes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Threads(BTreeMap<PathBuf, u64>);

impl Threads {
    pub(super) fn of(pid: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there").flatten();
        let switches = tasks.map(|task| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let lines = status.lines().filter(|line| line.contains("_ctxt_switches:"));
            let counts = lines.filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok());
            (task.path(), counts.sum())
        });
        Self(switches.collect())
    }

    /// How often those that are there still have woken since `before`.
    pub(super) fn wake_ups_since(&self, before: &Self) -> u64 {
        self.0.iter().map(|(thread, count)| count - before.0.get(thread).copied().unwrap_or(0)).sum()
    }
}
