//! Tests of the examples for other applications in `proto/examples` and `tests/examples`, run as a user runs them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgurd_proto::dbus::{BUS_NAME, PATH};
use imgurd_tests::fake::{Behaviour, Endpoint, Fault};
use imgurd_tests::stranger::node;
use imgurd_tests::testbed::{Bus, Output, Scene, Testbed, binary, in_time, next};
use zbus::MessageStream;
use zbus::fdo::{MonitoringProxy, PeerProxy};
use zbus::names::MemberName;

/// Returns the command that runs an example.
type Example = fn(&Testbed) -> Command;

/// The ID of the fake's first image.
const IMAGE: &str = "xQhKdf1";

/// A daemon on a bus, signed in, with `imgurctl` in `PATH`.
fn scene(behaviour: Behaviour) -> (Scene, Bus) {
    let bed = Testbed::memory();
    let bus = bed.bus();
    let mut path = OsString::from(binary("imgurctl").parent().unwrap());
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    bed.set_env("PATH", path);
    (Scene::new(bed, behaviour).signed_in(), bus)
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The example in Python, with the package in `proto/python`.
fn python(bed: &Testbed) -> Command {
    let mut command = bed.command(file("images.py"));
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("proto").join("python");
    command.env("PYTHONPATH", package).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Compiles the example in C with the command in its first lines.
fn c(bed: &Testbed) -> Command {
    let program = bed.root().join("images");
    let build = r#"cc -Wall -Wextra -Werror -o "$1" "$0" $(pkg-config --cflags --libs gio-2.0)"#;
    let mut compile = bed.command("sh");
    compile.args(["-c", build]).arg(file("images.c")).arg(&program);
    bed.start(compile).finish().success();
    bed.command(program)
}

/// Runs an example to its end against the fake.
fn run(scene: &Scene, example: Example) -> Output {
    let mut command = example(&scene.bed);
    command.arg(scene.fake.api_url().trim_end_matches('/'));
    scene.bed.start(command).finish()
}

/// Runs an example, which must fail with an error that begins like this, and returns its error output.
#[track_caller]
fn fails(scene: &Scene, example: Example, words: &str) -> String {
    let output = run(scene, example);
    assert!(output.code.is_some_and(|code| code != 0), "{output:?}");
    assert_eq!(output.stdout, "");
    assert!(output.stderr.lines().any(|line| line.starts_with(words)), "{}", output.stderr);
    output.stderr
}

#[track_caller]
fn lists_images(example: Example) {
    let (scene, _bus) = scene(Behaviour::default());
    let output = run(&scene, example).success();
    assert!(output.stdout.contains(IMAGE), "{}", output.stdout);
    assert_eq!(scene.refreshes().len(), 0);
    scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
}

/// Imgur rejects a token with 403, other servers do so with 401.
#[track_caller]
fn replaces_a_dead_token_once(example: Example) {
    for rejection in [401, 403] {
        let (scene, _bus) = scene(Behaviour { rejection, ..Behaviour::default() });
        scene.fake.kill_access_token();
        let output = run(&scene, example).success();
        assert!(output.stdout.contains(IMAGE), "{}", output.stdout);
        assert_eq!(scene.refreshes().len(), 1);
        let requests = scene.fake.requests(Endpoint::Images);
        let statuses: Vec<_> = requests.iter().map(|request| request.status).collect();
        assert_eq!(statuses, [Some(rejection), Some(200)]);
        scene.bed.assert_no_secret_in_sight(&scene.fake.secrets(), &[]);
    }
}

/// Other 403 answers say nothing about the token. If the new token is rejected too, a third one would not help.
#[track_caller]
fn keeps_the_token_if_another_would_not_help(example: Example) {
    let (scene, _bus) = scene(Behaviour::default());
    scene.fake.fail_next(Endpoint::Images, Fault::OverCapacity(403));
    fails(&scene, example, "Imgur answers 403");
    assert_eq!(scene.refreshes().len(), 0);
    scene.fake.fail_times(Endpoint::Images, 2, Fault::json(401, "{}"));
    fails(&scene, example, "Imgur answers 401");
    assert_eq!(scene.refreshes().len(), 1);
}

#[track_caller]
fn explains_each_kind_of_error(example: Example) {
    let (mut scene, _bus) = scene(Behaviour::default());
    // This uses up the refreshes of a minute, so that the example's own request is refused.
    (0..6).for_each(|_| drop(scene.refresh()));
    scene.fake.kill_access_token();
    let said = fails(&scene, example, "Try again");
    assert!(said.contains("a minute"), "the error shows imgurd's reason: {said}");

    let before = std::fs::read_to_string(scene.bed.config_file()).unwrap();
    scene.bed.configure(&format!("{before}\n[access]\nunsandboxed = \"deny\"\n"));
    scene.daemon().reload();
    let said = fails(&scene, example, "Not allowed");
    assert!(said.contains("imgurctl permit allow"), "{said}");
    scene.bed.configure(&before);
    scene.daemon().reload();

    scene.ctl(&["logout"]).success();
    let said = fails(&scene, example, "Sign in");
    assert!(said.contains("imgurctl login"), "{said}");
}

/// Makes the four tests for each example.
macro_rules! promises {
    ($($name:ident: $example:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn lists_images() {
                super::lists_images($example);
            }

            #[test]
            fn replaces_a_dead_token_once() {
                super::replaces_a_dead_token_once($example);
            }

            #[test]
            fn keeps_the_token_if_another_would_not_help() {
                super::keeps_the_token_if_another_would_not_help($example);
            }

            #[test]
            fn explains_each_kind_of_error() {
                super::explains_each_kind_of_error($example);
            }
        }
    )*};
}

promises! {
    rust_blocking: |bed| bed.command(binary("examples/blocking"));
    rust_over_dbus: |bed| bed.command(binary("examples/dbus"));
    python_over_dbus: |bed| bed.command(file("images_dbus.py"));
    python: python;
    javascript: |bed| {
        let mut command = node(bed);
        command.arg(file("images.mjs"));
        command
    };
    shell: |bed| bed.command(file("images.sh"));
    c_with_glib: c;
}

#[test]
fn the_socket_clients_say_when_to_retry() {
    let (scene, _bus) = scene(Behaviour::default());
    (0..6).for_each(|_| drop(scene.refresh()));
    scene.fake.kill_access_token();
    let examples: [Example; 2] = [|bed| bed.command(binary("examples/blocking")), python];
    for example in examples {
        let said = fails(&scene, example, "Try again after ");
        let at = said.split(' ').nth(3).unwrap().parse::<i64>().unwrap();
        assert!((at - scene.account().granted_at.unwrap()).abs() < 3600, "{said}");
    }
}

#[test]
fn no_bus_monitor_sees_a_token_sent_by_descriptor() {
    let examples: [Example; 2] =
        [|bed| bed.command(binary("examples/dbus")), |bed| bed.command(file("images_dbus.py"))];
    let (scene, _bus) = scene(Behaviour::default());
    let token = scene.token();
    in_time(async {
        let (monitor, other) = (scene.bed.connect().await, scene.bed.connect().await);
        MonitoringProxy::new(&monitor).await.unwrap().become_monitor(&[], 0).await.unwrap();
        let mut seen = MessageStream::from(monitor);
        for example in examples {
            run(&scene, example).success();
        }
        PeerProxy::new(&other, BUS_NAME, PATH).await.unwrap().ping().await.unwrap();
        let mut calls = 0;
        loop {
            let message = next(&mut seen).await.unwrap();
            let bytes = message.data().bytes();
            assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()));
            match message.header().member().map(MemberName::as_str) {
                Some("GetTokenFd") => calls += 1,
                Some("Ping") => break,
                _ => {}
            }
        }
        assert_eq!(calls, examples.len());
    });
}
