//! Turns the Rust code blocks of the documents into functions, which `src/bin/readme-rust.rs` runs.

use std::path::Path;
use std::{env, fs};

#[allow(dead_code, reason = "the tests read more of a block")]
#[path = "tests/docs/blocks.rs"]
mod blocks;

fn main() {
    // The documents are compiled into this program, so cargo runs it again when one of them changes.
    println!("cargo::rerun-if-changed=build.rs");
    let blocks = blocks::all_blocks().into_iter().filter(|block| block.language == "rust");
    let functions: Vec<_> = blocks.map(|block| function(&block)).collect();
    let file = Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("readme.rs");
    let table = format!(
        "/// The blocks, by their places.\nconst BLOCKS: &[(&str, Run)] = &[\n{}];\n",
        functions.concat()
    );
    fs::write(file, table).expect("the directory exists");
}

/// Calls `main` if the block is a whole program.
fn function(block: &blocks::Block) -> String {
    let call = match (block.text.contains("fn main() ->"), block.text.contains("fn main()")) {
        (true, _) => "main()?;",
        (false, true) => "main();",
        (false, false) => "",
    };
    format!("    ({:?}, || {{\n{}        {call}\n        Ok(())\n    }}),\n", block.place(), block.text)
}
