//! Tests of the documentation: the examples for other applications, each code block of the documents, each example of
//! the manual, and the setup for SSH. CONTRIBUTING.md is not tested: it is for those who run these tests.
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
