//! Whether imgurctl and imgurd use the same files: their environments may differ.

use std::path::Path;

use imgurd_proto::{Finding, Findings};

use crate::files::Files;

/// A finding for each path that differs. Empty if an older imgurd does not report its paths.
pub(super) fn compare(daemon: &Findings) -> Vec<Finding> {
    let Ok(files) = Files::from_env() else { return Vec::new() };
    let state = files.grants.parent().unwrap_or(Path::new("/"));
    let pairs = [
        ("XDG_CONFIG_HOME", daemon.config_file.as_deref(), &*files.config),
        ("XDG_STATE_HOME", daemon.state_directory.as_deref(), state),
    ];
    pairs.into_iter().filter_map(|(variable, theirs, ours)| of(variable, theirs?, ours)).collect()
}

fn of(variable: &str, theirs: &str, ours: &Path) -> Option<Finding> {
    let is_same = Path::new(theirs) == ours
        || ours.canonicalize().is_ok_and(|ours| Path::new(theirs).canonicalize().is_ok_and(|it| it == ours));
    if is_same {
        return None;
    }
    let detail = format!("imgurd uses {theirs}, but {variable} of this shell leads to {}", ours.display());
    let hint = format!(
        "give both the same {variable}: set it in ~/.config/environment.d/imgurd.conf and log in again, or unset it in this \
         shell"
    );
    Some(Finding::warn("environment", detail, &hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_differing_path_and_its_variable() {
        let theirs = "/home/me/.config/imgurd/config.toml";
        assert!(of("XDG_CONFIG_HOME", theirs, Path::new(theirs)).is_none());
        let found = of("XDG_CONFIG_HOME", theirs, Path::new("/other/imgurd/config.toml")).expect("a finding");
        assert!(found.detail.contains(theirs) && found.detail.contains("/other/imgurd/config.toml"));
        assert!(found.hint.is_some_and(|hint| hint.contains("XDG_CONFIG_HOME")));
    }
}
