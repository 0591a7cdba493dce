//! Programs in containers that share the directory of the socket, as systemd/README.md describes. bubblewrap stands
//! for Podman and Docker.

use std::process::Command;

use imgurd_tests::fake::Behaviour;
use imgurd_tests::testbed::{Output, Scene, Testbed, binary};

/// Gets a token in Python, with only the socket.
const PYTHON: &str = "import json, os, socket\n\
    s = socket.socket(socket.AF_UNIX)\n\
    s.connect(os.environ['IMGURD_SOCKET'])\n\
    s.sendall(b'{\"method\":\"org.imgurd.Keeper1.GetToken\",\"parameters\":{}}\\0')\n\
    print(json.loads(s.recv(65536).rstrip(b'\\0'))['parameters']['token']['access_token'])\n";

/// The same in JavaScript.
const JAVASCRIPT: &str = "const s = require('net').connect(process.env.IMGURD_SOCKET);\
    s.write('{\"method\":\"org.imgurd.Keeper1.GetToken\",\"parameters\":{}}\\0');\
    s.once('data', d => {\
        console.log(JSON.parse(d.toString().replace('\\0', '')).parameters.token.access_token);\
        s.destroy();\
    });";

/// A daemon whose configuration allows all sandboxes.
fn scene() -> Scene {
    let bed = Testbed::file();
    let config = std::fs::read_to_string(bed.config_file()).unwrap_or_default();
    bed.configure(&format!("{config}\n[access]\nsandboxed = \"allow\"\n"));
    Scene::new(bed, Behaviour::default()).signed_in()
}

/// A command in its own PID and mount namespaces, with the directory of the socket at `/run/imgurd`.
fn container(bed: &Testbed, words: &[&str]) -> Command {
    let mut command = bed.command("bwrap");
    let directory = bed.socket().parent().unwrap().to_owned();
    command.args(["--dev-bind", "/", "/", "--proc", "/proc", "--tmpfs", "/run", "--unshare-pid", "--bind"]);
    command.arg(directory).args(["/run/imgurd", "--setenv", "IMGURD_SOCKET", "/run/imgurd/socket"]);
    command.args(words);
    command
}

fn run(scene: &Scene, words: &[&str]) -> Output {
    scene.bed.start(container(&scene.bed, words)).finish().success()
}

#[test]
fn clients_in_a_container_get_tokens_before_and_after_a_restart() {
    let mut scene = scene();
    let imgurctl = binary("imgurctl").display().to_string();
    let clients: [&[&str]; 3] =
        [&[&imgurctl, "token"], &["/usr/bin/python3", "-c", PYTHON], &["node", "-e", JAVASCRIPT]];
    for client in clients {
        assert_eq!(run(&scene, client).line(), scene.token(), "{client:?}");
    }
    // This container keeps running while imgurd creates a new socket.
    let script = "\"$0\" token && read -r _ && \"$0\" token";
    let mut container = scene.bed.start(container(&scene.bed, &["sh", "-c", script, &imgurctl]));
    assert_eq!(container.line(), Some(scene.token()));
    scene.restart();
    container.write("\n");
    assert_eq!(container.line(), Some(scene.token()));
    container.finish().success();
}

#[test]
fn a_client_in_a_container_learns_that_it_is_sandboxed() {
    let scene = Scene::memory(Behaviour::default()).signed_in();
    let imgurctl = binary("imgurctl").display().to_string();
    let output = scene.bed.start(container(&scene.bed, &[&imgurctl, "token", "--wait", "0s"])).finish();
    assert_eq!(output.code, Some(5), "{}", output.stderr);
    assert!(output.stderr.contains("sandbox"), "{}", output.stderr);
}
