//! Tests with servers and clients of other projects, which `make test` installs first.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in the functions it shares as well")]

mod clients;
mod dbus;
mod gateway;
mod keyrings;
mod nginx;
mod notifications;
mod oidc;
mod packages;
mod servers;
mod varlink;
