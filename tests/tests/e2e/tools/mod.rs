//! Commands that use tokens.

mod credits;
mod curl;
mod exec;
mod export;
mod follow;
mod forms;
mod redirect;
