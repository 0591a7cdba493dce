//! Spares the client a library: of libgcc, a program that aborts on panic, as a release does, needs next to nothing, and
//! loading the whole of it would be a tenth of all that `imgurctl token` does.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    let is_static =
        env::var("CARGO_CFG_TARGET_FEATURE").is_ok_and(|features| features.contains("crt-static"));
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ENV", "gnu") && !is_static && has_archive() {
        // Named before what the standard library names, so that nothing is left to be found in libgcc_s.so.
        println!("cargo::rustc-link-lib=gcc_eh");
    }
}

/// Whether the linker knows of libgcc_eh.a: it then says where, and else repeats the name.
fn has_archive() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let output = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    output.is_ok_and(|output| {
        let path = String::from_utf8_lossy(&output.stdout);
        Path::new(path.trim()).is_absolute()
    })
}
