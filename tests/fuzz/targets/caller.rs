//! The caller's data in `/proc`. A sandbox's cgroup counts in any line, and names are printable.
#![no_main]

mod bounds;

use bounds::bounded;
use imgurd::fuzzing::{application, read_process};
use imgurd_proto::text::is_printable;
use libfuzzer_sys::fuzz_target;

/// Lines with the cgroup of a sandbox or container.
const MARKERS: [&str; 3] = [
    "0::/app.slice/app-flatpak-org.example.App-7.scope",
    "12:cpu:/docker/0f1e2d",
    "0::/machine.slice/libpod-1.scope",
];

fuzz_target!(|text: &[u8]| bounded(|| look(text)));

fn look(text: &[u8]) {
    read_process(text);
    let cgroups = String::from_utf8_lossy(text);
    let plain = application(&cgroups, "");
    assert!(is_printable(plain.name()), "{plain:?}");
    for marker in MARKERS {
        let marked = application(&format!("{cgroups}\n{marker}\n"), "");
        assert!(marked.is_sandboxed(), "{marker} after {cgroups:?}");
    }
}
