//! The Rust of README.md as it stands there: runs the block that begins in this line.
#![allow(clippy::print_stdout, reason = "what README.md prints")]

use std::env;

type Run = fn() -> Result<(), Box<dyn std::error::Error>>;

include!(concat!(env!("OUT_DIR"), "/readme.rs"));

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: usize = env::args().nth(1).ok_or("which block?")?.parse()?;
    let (_, run) = BLOCKS.iter().find(|(line, _)| *line == wanted).ok_or("there is no such block")?;
    run()
}
