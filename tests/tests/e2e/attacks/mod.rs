//! Attacks on the real programs. Each test is one attack, and fails if the attack succeeds. SECURITY.md names them.

mod callback;
mod callers;
mod clicks;
mod curl;
mod files;
mod floods;
mod issuer;
mod limits;
mod paste;
mod services;
pub(crate) mod signals;
mod text;
