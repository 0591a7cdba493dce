//! Logs that no program reads. They delay no caller and do not fill the memory.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use imgurd_proto::GetToken;
use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Scene, Testbed, needs_root};

/// So many calls log more at `trace` than a pipe or journald's queue takes.
const CALLS: usize = 500;

/// Far more than a call takes on a busy machine, and far less than it would wait for a stopped reader.
const PROMPT: Duration = Duration::from_secs(1);

/// A daemon that this script starts. The script's first argument is a path for the test.
fn scene(path: &str, script: &str, arguments: &[&str]) -> Scene {
    let bed = Testbed::file();
    let path = bed.root().join(path).display().to_string();
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    assert!(scene.stop().success());
    scene.bed.launch_by(["sh", "-c", script, &path]);
    scene.start_with(arguments);
    scene
}

fn calls_are_prompt(scene: &Scene) {
    let mut client = scene.bed.client();
    for _ in 0..CALLS {
        let begin = Instant::now();
        client.call(&GetToken::default()).unwrap();
        assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
    }
    assert!(scene.fake.is_live(&scene.refresh()));
}

#[test]
fn a_stopped_reader_of_standard_error_delays_no_caller() {
    let scene = scene("stderr", "rm -f \"$0\" && mkfifo \"$0\" && exec \"$@\" 2<>\"$0\"", &[]);
    calls_are_prompt(&scene);
}

#[test]
fn a_full_or_closed_standard_error_delays_no_caller() {
    for script in ["exec \"$@\" 2>/dev/full", "exec \"$@\" 2>&-"] {
        let scene = scene("unused", script, &[]);
        calls_are_prompt(&scene);
    }
}

#[test]
fn a_stopped_journald_delays_no_caller() {
    if !needs_root("a mount namespace") {
        return;
    }
    let bed = Testbed::file();
    let directory = bed.root().join("journal");
    std::fs::create_dir(&directory).unwrap();
    let _journald = UnixDatagram::bind(directory.join("socket")).unwrap();
    let script =
        "mount -t tmpfs none /run && mkdir /run/systemd && ln -s \"$0\" /run/systemd/journal && exec \"$@\"";
    let mut scene = Scene::new(bed, Behaviour::default()).signed_in();
    assert!(scene.stop().success());
    let directory = directory.display().to_string();
    scene.bed.launch_by(["unshare", "--mount", "sh", "-c", script, &directory]);
    scene.start_with(&["--log-format", "journald"]);
    calls_are_prompt(&scene);
}
