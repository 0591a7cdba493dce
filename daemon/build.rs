//! Has what every run of the daemon executes lie together in the program (`often.ld`), where the linker can do that, and
//! the program's relocations be short.
//!
//! A page of a program is in memory from when it is first touched, and its neighbours with it. Strewn over the whole of
//! it, the third that is executed has nearly all in memory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=often.ld");
    // Programs for tests are to be linked soon.
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let layout = Path::new(&variable("CARGO_MANIFEST_DIR")).join("often.ld");
        for flag in [format!("-Wl,-T,{}", layout.display()), "-Wl,-z,pack-relative-relocs".to_owned()] {
            if works(&flag) {
                println!("cargo::rustc-link-arg-bins={flag}");
            }
        }
    }
}

/// Whether a program can be linked so and, where it is one for this machine, be started: linkers differ, and so do C
/// libraries (`DT_RELR` needs glibc 2.36).
fn works(flag: &str) -> bool {
    let room = PathBuf::from(variable("OUT_DIR"));
    let (source, program) = (room.join("probe.rs"), room.join("probe"));
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.arg(&source).arg("-o").arg(&program).args(["--target", &variable("TARGET"), "-C", "panic=abort"]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty())).arg(format!("-Clink-arg={flag}"));
    let is_linked = fs::write(&source, "fn main() {}").is_ok() && succeeds(&mut rustc);
    is_linked && (variable("HOST") != variable("TARGET") || succeeds(&mut Command::new(program)))
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
