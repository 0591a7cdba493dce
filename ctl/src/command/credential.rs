//! The file store's key as a credential, which the service manager reads for the service (`systemd.exec(5)`).

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::files::create;

/// The drop-in file of this user's service manager.
pub(super) fn drop_in(config_home: &Path) -> PathBuf {
    config_home.join("systemd/user/imgurd.service.d/key.conf")
}

/// Whether this user's service manager is running.
pub(super) fn has_manager() -> bool {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime.is_some_and(|directory| directory.join("systemd/private").exists())
}

/// Makes the service manager pass the key file to the service. Does not overwrite an existing drop-in. Without a
/// drop-in, imgurd reads the key file itself.
pub(super) fn write(drop_in: &Path, key: &Path) -> bool {
    key.to_str().and_then(text).is_some_and(|text| create(drop_in, &text).is_ok())
}

/// Makes the service manager reload its units. If that fails, it reloads them at the next login.
pub(super) fn reload() {
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["--user", "daemon-reload"]);
    let _ = systemctl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Escapes `%`, which would be a specifier. `None` for a control character, which could end the line
/// (`systemd.syntax(7)`).
fn text(key: &str) -> Option<String> {
    let key = key.replace('%', "%%");
    (!key.contains(char::is_control)).then(|| {
        format!(
            "# Created by `imgurctl init`: systemd passes the key of the file store to imgurd. This overrides `key_file` in\n\
             # config.toml. If you move the key, change the path here or delete this file, and run\n\
             # `systemctl --user daemon-reload`.\n\
             [Service]\n\
             LoadCredential=imgurd.key:{key}\n\
             # The default, an empty line: with a missing key, the service starts anyway and imgurd reports the problem.\n\
             SetCredential=imgurd.key:\\n\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_drop_in_loads_the_key_and_allows_for_its_absence() {
        let home = tempfile::tempdir().expect("a directory");
        let drop_in = drop_in(home.path());
        assert!(write(&drop_in, Path::new("/home/a b/100%/key")));
        let text = fs::read_to_string(&drop_in).expect("written");
        assert!(text.contains("\nLoadCredential=imgurd.key:/home/a b/100%%/key\n"), "{text}");
        assert!(text.ends_with("\nSetCredential=imgurd.key:\\n\n"), "{text}");
        assert!(!write(&drop_in, Path::new("/another/key")), "a drop-in of the user is not overwritten");
        assert_eq!(fs::read_to_string(&drop_in).expect("there"), text);
    }

    #[test]
    fn writes_no_drop_in_for_a_path_with_a_line_break() {
        let home = tempfile::tempdir().expect("a directory");
        assert!(!write(&drop_in(home.path()), Path::new("/home/a\nExecStart=/bin/b/key")));
        assert!(!drop_in(home.path()).exists());
    }
}
