//! Runs the Rust code block at this place in a document, such as `README.md:123`.
#![allow(clippy::print_stdout, reason = "the blocks print")]

use std::env;

type Run = fn() -> Result<(), Box<dyn std::error::Error>>;

include!(concat!(env!("OUT_DIR"), "/readme.rs"));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted = env::args().nth(1).ok_or("say which block, as FILE:LINE")?;
    let (_, run) = BLOCKS.iter().find(|(place, _)| *place == wanted).ok_or("there is no such block")?;
    run()
}
