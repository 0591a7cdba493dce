//! The wires. They only translate calls and answers.

mod api;
mod arguments;
pub mod dbus;
pub(crate) mod fairness;
mod gateway;
mod refusal;
mod socket;
pub(crate) mod varlink;

pub use api::Api;
pub use refusal::{Refusal, refuse};
pub use socket::{LocalSocket, remote_path, remove_former_remote};
pub use varlink::serve;
