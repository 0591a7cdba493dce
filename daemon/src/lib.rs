//! The daemon that keeps a user's Imgur OAuth 2.0 tokens. ARCHITECTURE.md describes its modules.

pub mod access;
pub mod bus;
pub mod clock;
pub mod config;
pub mod consent;
mod durable;
pub mod file_watch;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod gateway;
pub mod grant;
pub mod ipc;
pub mod keeper;
pub mod logging;
mod loopback;
pub mod memory;
mod mutex;
pub mod network;
pub mod notify;
pub mod ownership;
pub mod probe;
pub mod provider;
pub mod random;
pub mod service;
pub mod sleep;
pub mod store;
mod supervisor;
