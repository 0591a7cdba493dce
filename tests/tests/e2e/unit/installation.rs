//! `make install` and `make uninstall` below `DESTDIR`, without a service manager.

use std::env::consts::ARCH;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use imgurd_tests::testbed::{Testbed, binary};

use super::{contents, install, make, make_as_it_is};

/// The paths of the files that are installed below `DESTDIR`.
fn installed(below: &Path) -> Vec<String> {
    let files = contents(below).into_iter().filter(|path| path.is_file());
    files.map(|path| path.strip_prefix(below).unwrap().display().to_string()).collect()
}

fn below(destination: &Path) -> String {
    format!("DESTDIR={}", destination.display())
}

#[test]
fn each_file_is_installed_where_its_readers_look() {
    let bed = Testbed::new();
    let room = bed.root().join("room");
    install(&bed, &["install", "PREFIX=/usr", &below(&room)]);
    let installed = installed(&room);
    for file in [
        "usr/bin/imgurctl",
        "usr/bin/imgurd",
        "usr/share/bash-completion/completions/imgurctl",
        "usr/share/dbus-1/interfaces/org.imgurd.Keeper1.xml",
        "usr/share/dbus-1/services/org.imgurd.Keeper1.service",
        "usr/share/doc/imgurd/LICENSE-APACHE",
        "usr/share/doc/imgurd/LICENSE-MIT",
        "usr/share/doc/imgurd/README.md",
        "usr/share/doc/imgurd/proto/README.md",
        "usr/share/doc/imgurd/systemd/README.md",
        "usr/share/fish/vendor_completions.d/imgurctl.fish",
        "usr/share/man/man1/imgurctl.1",
        "usr/share/man/man1/imgurctl-token.1",
        "usr/share/man/man1/imgurd.1",
        "usr/share/man/man5/imgurd-config.5",
        "usr/share/man/man7/org.imgurd.Keeper1.7",
        "usr/share/systemd/user/imgurd-remote.socket",
        "usr/share/systemd/user/imgurd.service",
        "usr/share/systemd/user/imgurd.socket",
        "usr/share/applications/imgurd.desktop",
        "usr/share/varlink/org.imgurd.Keeper1.varlink",
        "usr/share/zsh/site-functions/_imgurctl",
    ] {
        assert!(installed.iter().any(|it| it == file), "{file} is not among {installed:#?}");
    }
    for (file, line) in [
        ("usr/share/systemd/user/imgurd.service", "ExecStart=/usr/bin/imgurd"),
        ("usr/share/dbus-1/services/org.imgurd.Keeper1.service", "Exec=/usr/bin/imgurd"),
    ] {
        let text = fs::read_to_string(room.join(file)).unwrap();
        assert!(text.lines().any(|it| it == line) && !text.contains("@BINDIR@"), "{text}");
    }
    let program = fs::read(room.join("usr/bin/imgurd")).unwrap();
    assert!(
        program == fs::read(binary("imgurd")).unwrap(),
        "the installed program is the one that was built"
    );
}

/// Stand-ins for Rust: a compiler that links only with these options, and a cargo whose programs contain the name of
/// their directory.
fn write_stand_ins(bed: &Testbed, links: &str) {
    let programs = binary("imgurd").parent().unwrap().display().to_string();
    let cargo = format!(
        r#"words="$*" && built=${{words#* --target }} && built=${{built%% *}}
        case "$words" in *' --target '*) built=$built/release ;; *) built=release ;; esac
        mkdir -p "$CARGO_TARGET_DIR/$built"
        for program in imgurd imgurctl; do
            case "$* " in *" --package $program "*) ;; *) continue ;; esac
            file=$CARGO_TARGET_DIR/$built/$program
            printf '#!/bin/sh\n# %s %s\nexec "{programs}/%s" "$@"\n' "$built" "$RUSTFLAGS" "$program" >"$file"
            chmod 755 "$file"
        done"#
    );
    let rustc = format!(
        r#"case "$*" in '--version --verbose') echo 'host: {ARCH}-unknown-linux-gnu' ;; *'{links}'*) ;; *) exit 1 ;; esac"#
    );
    for (name, text) in [("cargo", cargo), ("rustc", rustc)] {
        let file = bed.root().join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }
}

/// What `make install` prints, and how the installed client was built.
fn built_and_installed(bed: &Testbed, links: &str) -> (String, String) {
    write_stand_ins(bed, links);
    let room = bed.root().join("room");
    let mut make = make_as_it_is(bed);
    make.env("CARGO_TARGET_DIR", bed.root().join("target")).args(["install", "PREFIX=/usr", &below(&room)]);
    for (variable, name) in [("CARGO", "cargo"), ("RUSTC", "rustc")] {
        make.arg(format!("{variable}={}", bed.root().join(name).display()));
    }
    let printed = bed.start(make).finish().success().stdout;
    let [daemon, client] = ["imgurd", "imgurctl"].map(|name| {
        let program = fs::read_to_string(room.join("usr/bin").join(name)).unwrap();
        program.lines().nth(1).unwrap().trim_end().to_owned()
    });
    assert_eq!(daemon, "# release", "the daemon is a release build");
    (printed, client)
}

#[test]
fn the_client_is_linked_statically_if_the_toolchain_can() {
    let bed = Testbed::new();
    let musl = format!("{ARCH}-unknown-linux-musl");
    let (printed, client) = built_and_installed(&bed, &format!("--target {musl}"));
    assert_eq!(client, format!("# {musl}/release"));
    assert_eq!(printed, "imgurctl is linked statically, against musl.\n");

    let (printed, client) = built_and_installed(&bed, "+crt-static");
    assert_eq!(client, format!("# {ARCH}-unknown-linux-gnu/release -C target-feature=+crt-static"));
    assert_eq!(printed, "imgurctl is linked statically, against glibc.\n");

    let (printed, client) = built_and_installed(&bed, "no option");
    assert_eq!(client, "# release");
    assert_eq!(
        printed,
        format!("imgurctl is linked dynamically; for one that starts faster: rustup target add {musl}\n")
    );
}

#[test]
fn uninstall_removes_all_that_was_installed() {
    let bed = Testbed::new();
    for prefix in ["/usr", "/usr/local/", "/home/me/.local"] {
        let room = bed.root().join("room");
        fs::create_dir(&room).unwrap();
        let arguments = [format!("PREFIX={prefix}"), below(&room)];
        let arguments = arguments.each_ref().map(String::as_str);
        // Twice, so that an upgrade is tested, too.
        for _ in 0..2 {
            install(&bed, &[&["install"], &arguments[..]].concat());
        }
        install(&bed, &[&["uninstall"], &arguments[..]].concat());
        assert_eq!(contents(&room), [] as [&Path; 0], "{prefix}");
        fs::remove_dir(room).unwrap();
    }
    // `uninstall` also removes a `DESTDIR` that `install` created.
    let room = bed.root().join("made");
    install(&bed, &["install", &below(&room)]);
    install(&bed, &["uninstall", &below(&room)]);
    assert!(!room.exists());
}

#[test]
fn uninstall_keeps_files_of_others() {
    let bed = Testbed::new();
    let room = bed.root().join("room");
    let (before, since) = (room.join("usr/share/man/man1"), room.join("usr/share/fish/mine"));
    fs::create_dir_all(&before).unwrap();
    let arguments = ["PREFIX=/usr", &below(&room)];
    install(&bed, &[&["install"], &arguments[..]].concat());
    fs::write(&since, "").unwrap();
    install(&bed, &[&["uninstall"], &arguments[..]].concat());
    let left = contents(&room);
    assert!(left.contains(&before) && left.contains(&since), "{left:?}");
    assert_eq!(installed(&room), ["usr/share/fish/mine"]);
    assert!(!room.join("usr/bin").exists() && !room.join("usr/share/systemd").exists());
}

#[test]
fn an_upgrade_removes_files_that_the_new_version_lacks() {
    let bed = Testbed::new();
    let room = bed.root().join("room");
    let arguments = ["install", "PREFIX=/usr", &below(&room)];
    install(&bed, &arguments);
    let old = room.join("usr/share/man/man1/imgurctl-old.1");
    fs::write(&old, "").unwrap();
    let list = room.join("usr/share/imgurd/installed");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{text}/usr/share/man/man1/imgurctl-old.1\n")).unwrap();
    install(&bed, &arguments);
    assert!(!old.exists());
    assert!(!fs::read_to_string(&list).unwrap().contains("imgurctl-old"));
}

#[test]
fn uninstall_without_an_installation_does_nothing() {
    let bed = Testbed::new();
    let room = bed.root().join("room");
    fs::create_dir(&room).unwrap();
    let output = bed.start(make(&bed, &["uninstall", &below(&room)])).finish();
    assert!(output.stderr.contains("Nothing was installed"), "{}", output.stderr);
    assert_eq!(contents(&room), [] as [&Path; 0]);
}
