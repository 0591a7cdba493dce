//! A virtual display, and screenshots of it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::Testbed;
use crate::fake::PATIENCE;

/// An `Xvfb` display for the programs of its [`Testbed`]. Dropping it kills it.
#[derive(Debug)]
pub struct Display(Child);

impl Testbed {
    /// Starts an X display.
    pub fn display(&self) -> Display {
        let number = self.root().join("display");
        let script =
            format!("exec Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp 3>{}", number.display());
        let mut command = self.command("sh");
        command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let display = Display(command.spawn().expect("sh is installed"));
        let end = Instant::now() + PATIENCE;
        let number = loop {
            match fs::read_to_string(&number) {
                Ok(text) if text.ends_with('\n') => break text,
                _ => assert!(Instant::now() < end, "Xvfb is installed (Debian: xvfb) and starts in time"),
            }
            std::thread::yield_now();
        };
        self.set_env("DISPLAY", format!(":{}", number.trim()));
        display
    }

    /// Starts a Wayland compositor without a screen. sway refuses to run as root, so the test's root is another user
    /// there.
    pub fn wayland(&self) -> Display {
        let mut command = self.command("unshare");
        if rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-user=1000", "--map-group=1000"]);
        }
        command
            .args(["sway", "-c", "/dev/null"])
            .envs([
                ("WLR_BACKENDS", "headless"),
                ("WLR_RENDERER", "pixman"),
                ("WLR_LIBINPUT_NO_DEVICES", "1"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let display = Display(command.spawn().expect("unshare is installed"));
        let end = Instant::now() + PATIENCE;
        while !self.runtime_dir().join("wayland-1").exists() {
            assert!(Instant::now() < end, "sway is installed and starts in time");
            std::thread::yield_now();
        }
        self.set_env("WAYLAND_DISPLAY", "wayland-1");
        display
    }

    /// Saves a screenshot in the directory `IMGURD_SCREENSHOTS`, if that is set.
    pub fn screenshot(&self, name: &str) {
        let Some(directory) = std::env::var_os("IMGURD_SCREENSHOTS") else { return };
        let picture = Path::new(&directory).join(format!("{name}.png"));
        let is_wayland = self.environment.lock().unwrap().contains_key(OsStr::new("WAYLAND_DISPLAY"));
        let mut command = self.command(if is_wayland { "grim" } else { "import" });
        command.args(["-window", "root"].iter().filter(|_| !is_wayland));
        assert!(
            command.arg(picture).status().is_ok_and(|status| status.success()),
            "cannot take a picture of {name}"
        );
    }

    /// A screenshot of the only window, as a PNG, taken once the window has stopped changing.
    pub fn picture_of_window(&self) -> Vec<u8> {
        let run = |program: &str, arguments: &[&str]| {
            let output = self.command(program).args(arguments).output();
            output.expect("the program is installed: see tests/packages").stdout
        };
        let (mut last, end) = (Vec::new(), Instant::now() + PATIENCE);
        loop {
            let found =
                String::from_utf8(run("xdotool", &["search", "--onlyvisible", "--name", "."])).unwrap();
            if let Some(window) = found.lines().last() {
                // Without the time of the screenshot.
                let picture = run("import", &["-window", window, "-strip", "png:-"]);
                if !picture.is_empty() && picture == last {
                    return picture;
                }
                last = picture;
            }
            assert!(Instant::now() < end, "no window is shown, or it keeps changing");
            std::thread::yield_now();
        }
    }

    /// The titles of the visible windows.
    pub fn windows(&self) -> Vec<String> {
        let found = self.xdotool(&["search", "--onlyvisible", "--name", "."]);
        let title = |window| self.xdotool(&["getwindowname", window]).trim().to_owned();
        found.lines().map(title).filter(|title| !title.is_empty()).collect()
    }

    fn xdotool(&self, arguments: &[&str]) -> String {
        let output = self.command("xdotool").args(arguments).output();
        String::from_utf8(output.expect("xdotool is installed").stdout).unwrap()
    }

    /// Types `text` and presses Return in the focused window.
    pub fn type_line(&self, text: &str) {
        self.xdotool(&["type", text]);
        self.press("Return");
    }

    /// Presses this key.
    pub fn press(&self, key: &str) {
        self.xdotool(&["key", key]);
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A background process. Dropping it kills it.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Starts `command` and discards its output.
    pub fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the program is installed: see tests/packages"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a program owns this name on the bus.
pub fn wait_for_owner(bed: &Testbed, name: &str) {
    let end = Instant::now() + PATIENCE;
    while !bed.command("busctl").args(["--user", "status", name]).output().unwrap().status.success() {
        assert!(Instant::now() < end, "{name} has no owner in time");
    }
}
