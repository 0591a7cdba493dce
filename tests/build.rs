//! Turns the Rust of README.md into functions, which `src/bin/readme-rust.rs` runs.

use std::path::Path;
use std::{env, fs};

#[allow(dead_code, reason = "the tests read more of a block")]
#[path = "tests/docs/blocks.rs"]
mod blocks;

fn main() {
    let readme = "../README.md";
    println!("cargo::rerun-if-changed={readme}");
    let text = fs::read_to_string(readme).expect("README.md is there");
    let blocks = blocks::blocks(&text).into_iter().filter(|block| block.language == "rust");
    let functions: Vec<_> = blocks
        .map(|block| format!("    ({}, || {{\n{}        Ok(())\n    }}),\n", block.line, block.text))
        .collect();
    let file = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("readme.rs");
    let table = format!(
        "/// The blocks, by the line that they begin in.\nconst BLOCKS: &[(usize, Run)] = &[\n{}];\n",
        functions.concat()
    );
    fs::write(file, table).expect("the directory is there");
}
