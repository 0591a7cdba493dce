//! The wires. They translate, nothing more.

mod api;
pub mod dbus;
#[cfg(fuzzing)]
pub mod fuzzing;
mod refusal;
mod socket;
mod turns;
mod varlink;

pub use api::Api;
pub use refusal::{Refusal, refuse};
pub use socket::{LocalSocket, remote_path, remove_former_remote, socket_path};
pub use varlink::serve;
