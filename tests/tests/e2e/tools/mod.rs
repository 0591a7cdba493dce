//! Everyday tools: what is done with a token rather than to it.

mod credits;
mod curl;
mod exec;
mod export;
mod follow;
mod forms;
mod redirect;
