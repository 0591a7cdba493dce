//! Measures how fast imgurd returns a token, and what keeping tokens costs. Each figure is compared with what the
//! machine can do, measured in the same run.

mod bus;
mod caller;
mod calls;
mod clients;
mod cold;
mod core;
mod crowd;
mod echo;
mod fairness;
mod figure;
mod gateway;
mod idle;
mod instructions;
mod many;
mod oidc_agent;
mod process;
mod site;
mod static_http;
mod table;

use std::time::Duration;

use clap::ValueEnum;

pub use echo::serve as echo;
pub use fairness::{Flood, flood};
use idle::Idle;
pub use static_http::serve as static_http;
pub use table::Table;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How often two compared things take turns.
    pub rounds: usize,
    /// The number of calls in each turn.
    pub calls: usize,
    /// How long a daemon stays idle.
    pub idle: Duration,
}

/// The parts that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The client's whole process
    Clients,
    /// Calls over the socket
    Calls,
    /// Calls over D-Bus
    Bus,
    /// Callers who wait
    Crowd,
    /// Calls beside a program that floods the daemon
    Fairness,
    /// Refreshes at the gateway, and what it costs other callers
    Gateway,
    /// A start by the socket
    Cold,
    /// A thousand accounts and connections
    Many,
    /// Memory and wake-ups while nobody asks
    Idle,
    /// Sizes of the programs
    Sizes,
    /// Instructions instead of time
    Instructions,
}

/// Measures these parts, or all.
#[must_use]
pub fn run(parts: &[Part], extent: Extent) -> Table {
    let is_wanted = |part: &Part| parts.is_empty() || parts.contains(part);
    let mut table = Table::default();
    // These daemons are idle while everything else is measured.
    let mut idle = if is_wanted(&Part::Idle) { vec![Idle::file(), Idle::keyring()] } else { Vec::new() };
    for part in Part::value_variants().iter().filter(|part| is_wanted(part)) {
        table.add(match part {
            Part::Clients => clients::rows(extent),
            Part::Calls => calls::rows(extent),
            Part::Bus => bus::rows(extent),
            Part::Crowd => crowd::rows(extent),
            Part::Fairness => fairness::rows(extent),
            Part::Gateway => gateway::rows(extent),
            Part::Cold => cold::rows(extent),
            Part::Many => many::rows(extent),
            Part::Idle => idle.iter_mut().flat_map(Idle::memory).collect(),
            Part::Sizes => clients::sizes(),
            Part::Instructions => instructions::rows(),
        });
    }
    table.add(idle.into_iter().map(|idle| idle.wake_ups(extent)));
    table
}
