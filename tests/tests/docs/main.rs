//! Tests of the documentation: examples for other applications, code blocks of README.md, examples of the manual pages,
//! and SSH. CONTRIBUTING.md is not tested, since its readers run these tests.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in the functions it shares as well")]

mod blocks;
mod environment;
mod examples;
mod install;
mod manual;
mod plain_words;
mod readme;
mod roff;
mod security;
mod ssh;
