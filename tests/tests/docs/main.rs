//! What the documentation says, tried: the examples for other applications, each code block of the documents and each example
//! of the manual, and the way over SSH. CONTRIBUTING.md is for those who run these tests, and not among it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in the functions it shares as well")]

mod blocks;
mod environment;
mod examples;
mod install;
mod manual;
mod pictures;
mod plain_words;
mod readme;
mod roff;
mod security;
mod ssh;
