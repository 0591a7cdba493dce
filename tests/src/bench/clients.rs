//! Whole processes, measured by `hyperfine`: the installed client, and the one that plain cargo builds, compared with
//! a program that prints one word and with another project's client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Extent;
use super::core::on_one_core;
use super::figure::{Figure, Unit};
use super::oidc_agent::OidcAgent;
use super::site::Site;
use super::table::{Goal, Row};
use crate::testbed::{Testbed, binary};

/// A program without the dynamic loader's work, for comparison.
const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    on_one_core(|| measure(extent))
}

fn measure(extent: Extent) -> Vec<Row> {
    let site = Site::memory();
    let bed = &site.scene.bed;
    // All programs are copied to the same directory, as an installation does. Where a file is, and how it came into
    // the page cache, affects how fast it starts.
    let built = binary("imgurctl");
    let place = tempfile::tempdir_in(built.parent().expect("the program is in a directory")).unwrap();
    let hello = hello(place.path());
    let beside = |program: PathBuf, name: &str| {
        let copy = place.path().join(name);
        fs::copy(program, &copy).unwrap();
        format!("{} token", copy.display())
    };
    let plain = beside(built, "plain");
    let installed = installed().map(|(program, link)| (beside(program, "installed"), link));
    let agent = OidcAgent::start(bed, &site.scene.fake);
    let commands = [
        Some(hello.display().to_string()),
        Some(plain),
        installed.as_ref().map(|(command, _)| command.clone()),
    ];
    let commands: Vec<_> =
        commands.into_iter().flatten().chain(agent.iter().map(|_| OidcAgent::TOKEN.to_owned())).collect();
    let mut spans = vec![Vec::new(); commands.len()];
    for _ in 0..extent.rounds {
        for (all, more) in spans.iter_mut().zip(times(bed, agent.as_ref(), &commands, extent)) {
            all.extend(more);
        }
    }
    let mut figures = spans.iter().map(|spans| Figure::of_seconds(spans));
    let hello = figures.next().expect("there is a measurement of the first program");
    let mut rows = Vec::new();
    let mut row = |what: &str, figure: Option<Figure>, goal| {
        rows.extend(
            figure.map(|figure| Row::alone(what, figure, goal).against("a static \"hello\" in C", hello)),
        );
    };
    row("`imgurctl token`, plain `cargo build --release`", figures.next(), Goal::Ratio(2.1));
    if let Some((_, link)) = installed {
        row(&format!("`imgurctl token`, {link} as installed"), figures.next(), Goal::Ratio(1.7));
    }
    row("`oidc-token` (oidc-agent)", figures.next(), Goal::Open);
    rows
}

/// The client as `make install` installs it, and how it is linked. `None` if it was not built.
fn installed() -> Option<(PathBuf, String)> {
    let directory = binary("imgurctl").ancestors().nth(2)?.join("client");
    let libc = match fs::read_to_string(directory.join("libc")).ok()?.trim() {
        "dynamic" => "dynamic".to_owned(),
        libc => format!("static ({libc})"),
    };
    Some((directory.join("imgurctl"), libc))
}

fn hello(directory: &Path) -> PathBuf {
    let (source, program) = (directory.join("hello.c"), directory.join("hello"));
    fs::write(&source, HELLO).unwrap();
    let compiled = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(&source).status();
    assert!(compiled.expect("cc is installed (Debian: gcc)").success(), "a static C library is installed");
    program
}

/// The run times of each command, in seconds.
fn times(bed: &Testbed, agent: Option<&OidcAgent>, commands: &[String], extent: Extent) -> Vec<Vec<f64>> {
    let report = bed.root().join("hyperfine.json");
    let mut hyperfine = bed.command("hyperfine");
    hyperfine.args(["--shell=none", "--warmup=5", "--style=none", "--export-json"]).arg(&report);
    hyperfine.arg(format!("--runs={}", extent.calls.div_ceil(8))).args(commands);
    if let Some(agent) = agent {
        agent.introduce(&mut hyperfine);
    }
    let output = hyperfine.output().expect("hyperfine is installed (Debian: hyperfine)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let results = report["results"].as_array().expect("hyperfine has a result for each command");
    let times = |result: &Value| {
        result["times"]
            .as_array()
            .expect("a result has the time of each run")
            .iter()
            .filter_map(Value::as_f64)
            .collect()
    };
    results.iter().map(times).collect()
}

/// The sizes of the stripped programs.
pub(super) fn sizes() -> Vec<Row> {
    let row = |what: &str, program: PathBuf, most: f64| {
        #[expect(clippy::cast_precision_loss, reason = "there are some millions")]
        let size = fs::metadata(program).unwrap().len() as f64;
        Row::alone(what, Figure::once(size, Unit::Bytes), Goal::most(most, Unit::Bytes))
    };
    let mut rows = vec![
        row("size of `imgurd`", binary("imgurd"), 8e6),
        row("size of `imgurctl`, dynamic", binary("imgurctl"), 1.5e6),
    ];
    rows.extend(
        installed().map(|(program, link)| row(&format!("size of `imgurctl`, {link}"), program, 2.5e6)),
    );
    rows
}
