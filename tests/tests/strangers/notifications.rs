//! Notification servers of other projects show imgurd's text and pass the user's answer on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use imgurd_proto::State;
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, PATIENCE};
use imgurd_tests::testbed::{Bus, Display, Running, Scene, Testbed, wait_for_owner};

const NAME: &str = "org.freedesktop.Notifications";

/// For how long the daemon is observed in each state. The test waits for nothing: it measures that nothing happens.
const WATCHED: Duration = Duration::from_secs(2);

/// A notification server, and how its user acts.
struct Server {
    start: fn(&Testbed) -> Command,
    display: fn(&Testbed) -> Display,
    is_shown: fn(&Testbed) -> bool,
    press: fn(&Testbed),
}

/// A desktop with a notification server, and an account without a grant.
struct Desktop {
    // The fields are dropped in this order, so that nothing loses what it depends on.
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
            assert!(Instant::now() < end, "{step}: shown is not {is_shown} in time");
        }
        self.scene.bed.screenshot(step);
    }

    /// Checks that imgurd is idle in this state: it uses less than 1 % of a processor and logs hardly anything.
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

/// Checks that the server shows the notification, shows it again after a crash, passes a click on, and withdraws it.
fn shows_and_withdraws(name: &str, server: Server) {
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

/// Clicks on this position of the notification, in hundredths of its width and height.
fn click(bed: &Testbed, across: u32, down: u32) {
    // A window that is still being drawn ignores clicks.
    bed.picture_of_window();
    let windows = run(bed, "xdotool", &["search", "--onlyvisible", "--name", "."]);
    let window = windows.lines().last().expect("a notification is shown");
    let geometry = run(bed, "xdotool", &["getwindowgeometry", "--shell", window]);
    let number = |name: &str| -> u32 {
        let line =
            geometry.lines().find_map(|line| line.strip_prefix(name)).expect("xdotool prints this value");
        line.parse().unwrap()
    };
    let at = |share: u32, size: &str| (number(size) * share / 100).to_string();
    run(bed, "xdotool", &["mousemove", "--window", window, &at(across, "WIDTH="), &at(down, "HEIGHT=")]);
    run(bed, "xdotool", &["click", "1"]);
}

#[test]
fn dunst_shows_the_notification() {
    shows_and_withdraws(
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
fn xfce4_notifyd_shows_the_notification() {
    shows_and_withdraws(
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
fn notification_daemon_shows_the_notification() {
    shows_and_withdraws(
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
fn mako_shows_the_notification() {
    shows_and_withdraws(
        "mako",
        Server {
            start: |bed| bed.command("mako"),
            display: Testbed::wayland,
            is_shown: |bed| run(bed, "makoctl", &["list"]).contains("imgurd"),
            press: |bed| drop(run(bed, "makoctl", &["invoke", "sign-in"])),
        },
    );
}
