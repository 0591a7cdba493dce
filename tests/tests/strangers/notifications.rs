//! Notification servers of other projects: each shows the text of imgurd, and its user can answer.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, PATIENCE};
use imgurd_tests::testbed::{Bus, Display, Running, Scene, Testbed, wait_for_owner};

const NAME: &str = "org.freedesktop.Notifications";

/// For how long the daemon is watched in each state. Nothing is waited for: this is the measurement.
const WATCHED: Duration = Duration::from_secs(2);

/// A server, and how its user acts.
struct Server {
    start: fn(&Testbed) -> Command,
    display: fn(&Testbed) -> Display,
    is_shown: fn(&Testbed) -> bool,
    press: fn(&Testbed),
}

/// A desktop with such a server, and an account without a grant.
struct Desktop {
    // In this order, so that what is ended first does not miss the rest.
    scene: Scene,
    running: Option<Running>,
    server: Server,
    _display: Display,
    _bus: Bus,
}

impl Desktop {
    fn new(server: Server) -> Self {
        let bed = Testbed::memory();
        let bus = bed.bus();
        let display = (server.display)(&bed);
        let opener = bed.root().join("browser");
        let script = format!("#!/bin/sh\nprintf '%s' \"$1\" >{0}.new && mv {0}.new {0}\n", opened(&bed));
        fs::write(&opener, script).unwrap();
        fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
        bed.set_env("BROWSER", opener);
        let scene = Scene::new(bed, Behaviour::default());
        Self { scene, running: None, server, _display: display, _bus: bus }
    }

    fn start(&mut self) {
        self.running = Some(Running::start((self.server.start)(&self.scene.bed)));
        wait_for_owner(&self.scene.bed, NAME);
    }

    fn wait_until_shown(&self, is_shown: bool, step: &str) {
        let end = Instant::now() + PATIENCE;
        while (self.server.is_shown)(&self.scene.bed) != is_shown {
            assert!(Instant::now() < end, "{step}: shown is not {is_shown}");
        }
        self.scene.bed.screenshot(step);
    }

    /// Returns when imgurd has been idle in this state: under 1 % of a processor, and ten lines a minute.
    fn expect_calm(&mut self, state: &str) {
        let lines = |log: String| {
            log.lines().filter(|line| !line.contains("TRACE") && !line.contains("DEBUG")).count()
        };
        let before = (self.scene.daemon().processor_time(), lines(self.scene.daemon().log()));
        wait(WATCHED);
        let spent = self.scene.daemon().processor_time().saturating_sub(before.0);
        let logged = lines(self.scene.daemon().log()) - before.1;
        assert!(spent <= WATCHED / 100, "{state}: {spent:?} of {WATCHED:?}");
        assert!(logged <= 1, "{state}: {logged} lines");
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is that nothing happens")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

fn opened(bed: &Testbed) -> String {
    bed.root().join("opened").display().to_string()
}

/// Shown, after a crash too, pressed, and withdrawn.
fn is_served_by(name: &str, server: Server) {
    let mut desktop = Desktop::new(server);
    desktop.scene.ctl(&["token"]).exits(4);
    desktop.expect_calm("without a server");
    desktop.start();
    desktop.wait_until_shown(true, &format!("{name}-shown"));
    desktop.expect_calm("shown");
    desktop.running = None;
    desktop.expect_calm("the server has crashed");
    desktop.start();
    desktop.wait_until_shown(true, &format!("{name}-shown-again"));

    (desktop.server.press)(&desktop.scene.bed);
    desktop.scene.wait_until(|account| account.login_pending);
    let end = Instant::now() + PATIENCE;
    let url = loop {
        match fs::read_to_string(opened(&desktop.scene.bed)) {
            Ok(url) => break url,
            Err(_) => assert!(Instant::now() < end, "the button opens no browser"),
        }
    };
    browser::allow(&url, "alice");
    desktop.scene.wait_until(|account| account.state == State::Fresh);
    desktop.wait_until_shown(true, &format!("{name}-signed-in"));
    desktop.wait_until_shown(false, &format!("{name}-withdrawn"));
    desktop.expect_calm("withdrawn");
}

fn has_window(bed: &Testbed) -> bool {
    !bed.windows().is_empty()
}

fn run(bed: &Testbed, program: &str, arguments: &[&str]) -> String {
    String::from_utf8(bed.command(program).args(arguments).output().unwrap().stdout).unwrap()
}

/// Clicks on this place of the notification: hundredths of its width and height.
fn click(bed: &Testbed, across: u32, down: u32) {
    let windows = run(bed, "xdotool", &["search", "--onlyvisible", "--name", "."]);
    let window = windows.lines().last().expect("a notification is shown");
    let geometry = run(bed, "xdotool", &["getwindowgeometry", "--shell", window]);
    let number = |name: &str| -> u32 {
        let line = geometry.lines().find_map(|line| line.strip_prefix(name)).expect("its geometry");
        line.parse().unwrap()
    };
    let at = |share: u32, size: &str| (number(size) * share / 100).to_string();
    run(bed, "xdotool", &["mousemove", "--window", window, &at(across, "WIDTH="), &at(down, "HEIGHT=")]);
    run(bed, "xdotool", &["click", "1"]);
}

#[test]
fn dunst_serves_it() {
    is_served_by(
        "dunst",
        Server {
            start: |bed| {
                let mut command = bed.command("dunst");
                command.args(["-conf", "/dev/null"]);
                command
            },
            display: Testbed::display,
            is_shown: has_window,
            press: |bed| drop(run(bed, "dunstctl", &["action", "0"])),
        },
    );
}

#[test]
fn xfce4_notifyd_serves_it() {
    is_served_by(
        "xfce4-notifyd",
        Server {
            start: |bed| {
                let directories = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
                let mut programs = directories.map(|directory| directory.join("xfce4/notifyd/xfce4-notifyd"));
                bed.command(programs.find(|path| path.exists()).expect("xfce4-notifyd is installed"))
            },
            display: Testbed::display,
            is_shown: has_window,
            press: |bed| click(bed, 62, 80),
        },
    );
}

#[test]
fn notification_daemon_serves_it() {
    is_served_by(
        "notification-daemon",
        Server {
            start: |bed| bed.command("/usr/lib/notification-daemon/notification-daemon"),
            display: Testbed::display,
            is_shown: has_window,
            press: |bed| click(bed, 68, 80),
        },
    );
}

#[test]
fn mako_serves_it() {
    is_served_by(
        "mako",
        Server {
            start: |bed| bed.command("mako"),
            display: Testbed::wayland,
            is_shown: |bed| run(bed, "makoctl", &["list"]).contains("imgurd"),
            press: |bed| drop(run(bed, "makoctl", &["invoke", "sign-in"])),
        },
    );
}
