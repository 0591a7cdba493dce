//! What the documentation says, tried: the examples for other applications, each code block of README.md, and the way
//! over SSH.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in the functions it shares as well")]

mod blocks;
mod examples;
mod install;
mod readme;
mod ssh;
mod world;
