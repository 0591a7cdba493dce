//! How fast a token is handed out, and how little it takes to keep one: each figure beside what the machine can do,
//! measured in the same run.

mod bus;
mod caller;
mod calls;
mod core;
mod crowd;
mod echo;
mod figure;
mod instructions;
mod site;
mod table;

use clap::ValueEnum;

pub use echo::serve as echo;
pub use table::Table;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How often two things take turns.
    pub rounds: usize,
    /// How many calls each makes in its turn.
    pub calls: usize,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Calls over the socket
    Calls,
    /// Calls over D-Bus
    Bus,
    /// Callers who wait
    Crowd,
    /// Instructions instead of time
    Instructions,
}

/// Measures these parts, or all.
#[must_use]
pub fn run(parts: &[Part], extent: Extent) -> Table {
    let mut table = Table::default();
    for part in Part::value_variants().iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        table.add(match part {
            Part::Calls => calls::rows(extent),
            Part::Bus => bus::rows(extent),
            Part::Crowd => crowd::rows(extent),
            Part::Instructions => instructions::rows(),
        });
    }
    table
}
