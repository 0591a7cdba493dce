//! A notification on a desktop.

use std::fs;

use crate::testbed::{Running, Testbed, wait_for_owner};

/// Xfce's notification server with the notification for an account that needs a sign-in.
pub(super) fn notification() -> Vec<u8> {
    let bed = Testbed::memory();
    let _bus = bed.bus();
    let _display = bed.display();
    let _daemon = bed.daemon();
    bed.ctl(&["account", "add", "me", "--client-id", "0123456789abcde"]).success();
    let directories = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut programs = directories.map(|directory| directory.join("xfce4/notifyd/xfce4-notifyd"));
    let program =
        programs.find(|path| path.exists()).expect("xfce4-notifyd is installed: see tests/packages");
    let _server = Running::start(bed.command(program));
    wait_for_owner(&bed, "org.freedesktop.Notifications");
    bed.ctl(&["token"]).exits(4);
    bed.picture_of_window()
}
