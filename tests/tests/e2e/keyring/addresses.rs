//! The forms that a bus address can have (D-Bus Specification, "Server Addresses").

use std::os::unix::fs::symlink;

use super::{Session, is_saved};

#[test]
fn the_keyring_is_found_with_every_form_of_bus_address() {
    let mut session = Session::start();
    let (root, directory) = (session.scene.bed.root().to_owned(), session.scene.bed.runtime_dir());
    let (root, bus) = (root.display(), directory.join("bus").display().to_string());
    symlink(&bus, format!("{root}/a b,c;d")).unwrap();
    for address in [
        String::new(),
        format!("unix:path={root}/none;unix:path={bus}"),
        format!("autolaunch:;unix:path={bus};"),
        format!("unix:guid=00112233445566778899aabbccddeeff,path={bus}"),
        format!("unix:path={}/%62us", directory.display()),
        format!("unix:path={root}/a%20b%2Cc%3bd"),
        format!("unix:abstract={bus}"),
        format!("unix:path={root}/none,guid=00112233445566778899aabbccddeeff;unix:abstract={bus}"),
    ] {
        println!("{address}");
        assert!(session.scene.stop().success());
        session.scene.bed.set_env("DBUS_SESSION_BUS_ADDRESS", &address);
        session.scene.start();
        session.scene.wait_until(is_saved);
        let token = session.scene.refresh();
        session.expect_kept(&token);
    }
}
