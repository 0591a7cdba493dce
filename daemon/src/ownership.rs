//! Whose a file or directory is. Nothing of ours lies where another user decides what is there, and no link of theirs is
//! followed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{self, Path};
use std::{env, io};

use anyhow::{Context, bail};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::getuid;

/// What the kernel calls users that a user namespace knows nothing of (`user_namespaces(7)`).
const UNMAPPED: u32 = 65534;

/// Permissions of the group and of all others.
pub const OF_OTHERS: u32 = 0o077;
/// Theirs to make, rename and remove files.
pub const OTHERS_WRITE: u32 = 0o022;

/// Makes the directory `path` for ourselves alone if it is missing, and refuses it where it is another user's, where
/// others have one of the permissions `closed`, or where they could put another one in its place.
pub fn own_directory(path: &Path, closed: u32) -> anyhow::Result<()> {
    let shown = path.display();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        let advice = withheld(&error, path).unwrap_or_else(|| "name a directory of your own".to_owned());
        anyhow::Error::new(error).context(format!("cannot make {shown}; {advice}"))
    })?;
    let look = || format!("cannot look at {shown}");
    // A link is as good as what it leads to, if we have made it.
    let link = fs::symlink_metadata(path).with_context(look)?;
    let real = fs::canonicalize(path).with_context(look)?;
    let directory = fs::metadata(&real).with_context(look)?;
    if !is_ours(&link) || !is_ours(&directory) {
        bail!("{shown} belongs to another user; remove it, or name a directory of your own");
    }
    if directory.mode() & closed != 0 {
        bail!("{shown} is open to others; run `chmod 700 {shown}`");
    }
    let lexical = path::absolute(path).with_context(look)?;
    for above in lexical.ancestors().chain(real.ancestors()) {
        let metadata = fs::symlink_metadata(above).with_context(look)?;
        if !is_trusted(&metadata) || is_anybodys(&metadata) {
            let above = above.display();
            bail!(
                "others can put another directory in the place of {shown}, since {above} is theirs; name another one"
            );
        }
    }
    Ok(())
}

/// Opens a file of ours, as `options` say. A link is refused, and so are devices and pipes, which one might wait for.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    let is_link = |error: &io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    let file =
        opened.map_err(|error| if is_link(&error) { refused("it is a symbolic link") } else { error })?;
    check_own(&file.metadata()?)?;
    Ok(file)
}

/// What to do where `error` says that `directory` is read-only, and it is so by the unit that this runs in
/// (`ReadWritePaths=`, `systemd.exec(5)`).
#[must_use]
pub fn withheld(error: &io::Error, directory: &Path) -> Option<String> {
    let is_unit = env::var_os("INVOCATION_ID").is_some();
    (is_unit && error.kind() == io::ErrorKind::ReadOnlyFilesystem).then(|| {
        format!(
            "the service may not write there: make it, add ReadWritePaths={} below [Service] with `systemctl --user edit \
             imgurd`, and restart imgurd",
            directory.display()
        )
    })
}

/// Refuses what is no file of ours. For a path that somebody else is to open, these are the metadata of its link.
pub fn check_own(metadata: &Metadata) -> io::Result<()> {
    match metadata.file_type() {
        kind if kind.is_symlink() => Err(refused("it is a symbolic link")),
        kind if !kind.is_file() => Err(refused("it is no file")),
        _ if !is_ours(metadata) => Err(refused("it belongs to another user")),
        _ => Ok(()),
    }
}

/// Whether the user it belongs to is us, or one who can do anything anyway.
#[must_use]
pub fn is_trusted(metadata: &Metadata) -> bool {
    // Where root is not among the users that are known, nobody else is either.
    let is_unknown = || metadata.uid() == UNMAPPED && !knows_all_users();
    is_ours(metadata) || metadata.uid() == 0 || is_unknown()
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == getuid().as_raw()
}

/// Whether everybody may rename what others have there, as nobody may in `/tmp`.
fn is_anybodys(metadata: &Metadata) -> bool {
    metadata.is_dir() && metadata.mode() & 0o002 != 0 && metadata.mode() & 0o1000 == 0
}

fn knows_all_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.is_empty() || map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_directory_is_made_for_ourselves_alone() {
        let room = TempDir::new().unwrap();
        let directory = room.path().join("a/b");
        own_directory(&directory, OF_OTHERS).unwrap();
        for made in [&directory, &room.path().join("a")] {
            assert_eq!(fs::metadata(made).unwrap().mode() & 0o777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_directory_that_others_may_use_is_refused_with_what_to_do() {
        let room = TempDir::new().unwrap();
        for (mode, closed, is_refused) in [
            (0o750, OF_OTHERS, true),
            (0o701, OF_OTHERS, true),
            (0o755, OTHERS_WRITE, false),
            (0o770, OTHERS_WRITE, true),
            (0o702, OTHERS_WRITE, true),
        ] {
            fs::set_permissions(room.path(), Permissions::from_mode(mode)).unwrap();
            let outcome = own_directory(room.path(), closed).map_err(|error| error.to_string());
            assert_eq!(outcome.is_err(), is_refused, "{mode:o}");
            assert!(outcome.err().is_none_or(|error| error.contains("run `chmod 700 ")));
        }
    }

    #[test]
    fn a_directory_below_one_that_is_anybodys_is_refused() {
        let room = TempDir::new().unwrap();
        let directory = room.path().join("a");
        fs::set_permissions(room.path(), Permissions::from_mode(0o777)).unwrap();
        let error = own_directory(&directory, OF_OTHERS).unwrap_err().to_string();
        assert!(error.contains("in the place of"), "{error}");
        // By a link as well, whether it lies there or leads there.
        let elsewhere = TempDir::new().unwrap();
        for (from, to) in [
            (room.path().join("link"), elsewhere.path().join("real")),
            (elsewhere.path().join("link"), directory),
        ] {
            let _ = fs::create_dir(&to);
            symlink(&to, &from).unwrap();
            assert!(own_directory(&from.join("b"), OF_OTHERS).is_err(), "{}", from.display());
        }
        fs::set_permissions(room.path(), Permissions::from_mode(0o1777)).unwrap();
        own_directory(&room.path().join("b"), OF_OTHERS).unwrap();
    }

    #[test]
    fn a_link_of_our_own_leads_to_a_directory_of_our_own() {
        let room = TempDir::new().unwrap();
        let (real, link) = (room.path().join("real"), room.path().join("link"));
        fs::create_dir(&real).unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o700)).unwrap();
        symlink(&real, &link).unwrap();
        own_directory(&link, OF_OTHERS).unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o755)).unwrap();
        assert!(own_directory(&link, OF_OTHERS).is_err());
    }

    #[test]
    fn a_link_or_a_pipe_in_the_place_of_a_file_is_neither_followed_nor_waited_for() {
        let room = TempDir::new().unwrap();
        let (victim, link) = (room.path().join("victim"), room.path().join("link"));
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, &link).unwrap();
        let error = open_own(&link, OpenOptions::new().create(true).append(true)).unwrap_err();
        assert_eq!(error.to_string(), "it is a symbolic link");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        let pipe = room.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        assert_eq!(open_own(&pipe, OpenOptions::new().read(true)).unwrap_err().to_string(), "it is no file");
        open_own(&victim, OpenOptions::new().read(true)).unwrap();
    }
}
