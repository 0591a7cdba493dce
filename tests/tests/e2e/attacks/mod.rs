//! Attacks, as they were made: each test is one, made with the real parts, and fails where it succeeds. SECURITY.md names them.

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
