//! Identifies callers and decides what they may do.

mod ancestry;
mod application;
mod bus;
mod caller;
mod callers;
pub(crate) mod cgroup;
mod far_end;
mod gate;
mod gateway_clients;
mod identification;
pub mod journal;
mod peer;
mod permits;
mod policy;
pub(crate) mod process;
mod prompts;
mod quota;
mod rejections;
pub(crate) mod sandbox;
mod service;
mod user_namespace;

use std::time::{SystemTime, UNIX_EPOCH};

pub use application::Application;
pub use bus::{Admitted, BusCallers, bus_caller};
pub use caller::Caller;
pub(crate) use caller::{gateway_title, may_be_title};
pub use callers::Callers;
pub(crate) use far_end::may_be_sandboxed;
pub use gate::{Gate, Pass, Requested};
pub use gateway_clients::{GatewayClients, Handle, Rotated};
pub use journal::Journal;
pub use permits::Permits;
pub use policy::{Needs, needs};
pub use prompts::{Decision, Prompts, Question, Questions};
pub use quota::{Quota, QuotaExceeded, Slot};
pub use rejections::Rejections;

/// The time, in Unix seconds.
pub(crate) fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
