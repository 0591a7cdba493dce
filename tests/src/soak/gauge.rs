//! The resources of a process.

use std::fs;

/// The resources of a process, from `/proc` (proc_pid_status(5), proc_pid_smaps(5)).
#[derive(Clone, Copy, Debug)]
pub(super) struct Gauge {
    /// In KiB.
    pub(super) rss: f64,
    /// In KiB. Unlike the proportional set size, it does not depend on other processes with the same program.
    pub(super) anonymous: f64,
    pub(super) descriptors: f64,
    pub(super) threads: f64,
}

impl Gauge {
    /// The resources of the process with this ID.
    pub(super) fn of(id: u32) -> anyhow::Result<Self> {
        let descriptors = u32::try_from(fs::read_dir(format!("/proc/{id}/fd"))?.count())?;
        Ok(Self {
            rss: number(id, "status", "VmRSS:")?,
            anonymous: number(id, "smaps_rollup", "Anonymous:")?,
            descriptors: f64::from(descriptors),
            threads: number(id, "status", "Threads:")?,
        })
    }
}

/// The number after this name in a file of the process.
pub(crate) fn number(id: u32, file: &str, name: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).ok_or_else(|| anyhow::anyhow!("no {name} in {file}"))
}
