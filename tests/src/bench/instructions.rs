//! Instruction counts (`valgrind --tool=callgrind`), which do not depend on the machine's load.

use std::fs;
use std::path::Path;

use super::caller::{CALL, Caller};
use super::figure::{Figure, Unit};
use super::site::{Site, as_the_service, service_environment};
use super::table::{Goal, Row};
use crate::testbed::{Testbed, binary};

/// The numbers of calls in two runs. The difference excludes the start and the end of the daemon.
const CALLS: (usize, usize) = (1000, 5000);

/// The variable that tunes the C library (`ld.so(8)`).
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Makes the C library copy and wipe memory in the same way on every machine. Otherwise the instruction count depends
/// on the processor.
const ONE_WAY: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX2_Usable,-ERMS,-FSRM";

/// The counts for calls on open and on new connections, and for the client's whole run.
pub(super) fn rows() -> Vec<Row> {
    let open = |socket: &Path, calls| {
        let mut caller = Caller::connect(socket);
        for _ in 0..calls {
            caller.ask(CALL);
            caller.answer();
        }
    };
    let each = |socket: &Path, calls| {
        for _ in 0..calls {
            let mut caller = Caller::connect(socket);
            caller.ask(CALL);
            caller.answer();
        }
    };
    vec![
        row("`imgurd`: `GetToken`, open connection", daemon(open)),
        row("`imgurd`: `GetToken`, a connection each", daemon(each)),
        row("`imgurctl token`, whole process", client()),
    ]
}

fn row(what: &str, instructions: f64) -> Row {
    Row::alone(what, Figure::once(instructions, Unit::Instructions), Goal::Open)
}

/// Instructions of the daemon for each call.
#[expect(clippy::cast_precision_loss, reason = "there are some thousands")]
fn daemon(calls: impl Fn(&Path, usize)) -> f64 {
    let counted = |count| {
        let bed = Testbed::memory();
        tuned(&bed);
        let file = bed.root().join("callgrind");
        bed.launch_by(callgrind(&file));
        let mut site = Site::new(bed);
        calls(&site.socket(), count);
        assert!(site.scene.stop().success(), "a clean end");
        total(&file)
    };
    (counted(CALLS.1) - counted(CALLS.0)) / (CALLS.1 - CALLS.0) as f64
}

/// The environment of the unit, with the C library's one way to copy in addition.
fn tuned(bed: &Testbed) {
    as_the_service(bed);
    let of_the_unit = service_environment().into_iter().find(|(name, _)| *name == TUNABLES);
    let all = of_the_unit.into_iter().map(|(_, value)| value).chain([ONE_WAY]);
    bed.set_env(TUNABLES, all.collect::<Vec<_>>().join(":"));
}

/// Instructions of a run of the client.
fn client() -> f64 {
    let site = Site::memory();
    site.scene.bed.set_env(TUNABLES, ONE_WAY);
    let file = site.scene.bed.root().join("callgrind");
    let [program, arguments @ ..] = callgrind(&file);
    let mut command = site.scene.bed.command(program);
    command.args(arguments).arg(binary("imgurctl")).arg("token");
    site.scene.bed.start(command).finish().success();
    total(&file)
}

fn callgrind(file: &Path) -> [String; 4] {
    let out = format!("--callgrind-out-file={}", file.display());
    ["valgrind".to_owned(), "--tool=callgrind".to_owned(), out, "--quiet".to_owned()]
}

/// The total in callgrind's file.
fn total(file: &Path) -> f64 {
    let text = fs::read_to_string(file).expect("callgrind has written its file");
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line.and_then(|total| total.trim().parse().ok()).expect("callgrind's file has a total")
}
