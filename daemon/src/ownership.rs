//! The owners of files and directories. imgurd uses none that another user could replace, and follows no link of another user.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{self, Component, Path, PathBuf};
use std::{env, io};

use anyhow::{Context, bail};
use rustix::fs::{OFlags, getxattr};
use rustix::io::Errno;
use rustix::process::{getgid, getuid};

/// The user ID that the kernel shows for users that a user namespace does not map (`user_namespaces(7)`).
const UNMAPPED: u32 = 65534;

/// As many links as the kernel follows (`path_resolution(7)`).
const LINKS_MAX: usize = 40;

/// Permissions of the group and of all others.
pub const OF_OTHERS: u32 = 0o077;
/// Permission of others to create, rename and remove files.
pub const OTHERS_WRITE: u32 = 0o022;

/// Creates the directory `path` for our user only, if it does not exist. Refuses it if another user owns it, has one of
/// the permissions `closed`, or could replace it.
pub fn own_directory(path: &Path, closed: u32) -> anyhow::Result<()> {
    let shown = path.display();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        let advice = withheld(&error, path).unwrap_or_else(|| "choose a directory that you own".to_owned());
        anyhow::Error::new(error).context(format!("cannot create {shown}; {advice}"))
    })?;
    let look = || format!("cannot examine {shown}");
    // If we created a link, it is as safe as its target.
    let link = fs::symlink_metadata(path).with_context(look)?;
    let real = fs::canonicalize(path).with_context(look)?;
    let directory = fs::metadata(&real).with_context(look)?;
    if !is_ours(&link) || !is_ours(&directory) {
        bail!("{shown} belongs to another user; remove it, or choose a directory that you own");
    }
    if directory.mode() & 0o1000 != 0 {
        bail!("all users can write to {shown}; choose a directory that only you can open");
    }
    if directory.mode() & closed != 0 {
        bail!("other users can open {shown}; run `chmod 700 {shown}`");
    }
    if let Some(theirs) = find_replaceable(path).with_context(look)? {
        let theirs = theirs.display();
        bail!(
            "other users can replace {shown}, because they can write to {theirs}; choose another directory"
        );
    }
    Ok(())
}

/// Refuses the file at `path`, with these metadata, if another user could write or replace it. Follows our own
/// symlinks.
pub fn check_place(path: &Path, metadata: &Metadata) -> io::Result<()> {
    if !is_trusted(metadata) {
        return Err(refused("it belongs to another user"));
    }
    if others_write(path, metadata) {
        return Err(refused("other users can write to it"));
    }
    match find_replaceable(path)? {
        None => Ok(()),
        Some(theirs) => Err(refused(&format!(
            "other users can replace it, because they can write to {}",
            theirs.display()
        ))),
    }
}

/// The first directory or symlink on the way to `path` that another user owns, or in which others may rename files.
fn find_replaceable(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut left: Vec<OsString> = names(&path::absolute(path)?);
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    loop {
        let metadata = match fs::symlink_metadata(&at) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_place = metadata.is_dir() || metadata.is_symlink();
        if is_place && (!is_trusted(&metadata) || is_shared(&at, &metadata)) {
            return Ok(Some(at));
        }
        if metadata.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::LOOP.into());
            }
            let target = fs::read_link(&at)?;
            left.extend(names(&target));
            // An absolute target replaces the whole path.
            at = at
                .parent()
                .unwrap_or(Path::new("/"))
                .join(target.ancestors().last().unwrap_or(Path::new("")));
        }
        match left.pop() {
            None => return Ok(None),
            Some(name) if name == ".." => {
                at.pop();
            }
            Some(name) => at.push(name),
        }
    }
}

/// The names in `path`, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// Opens a file of ours with `options`. Refuses symlinks, and devices and pipes, which could block.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
    let is_link = |error: &io::Error| error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    let file =
        opened.map_err(|error| if is_link(&error) { refused("it is a symbolic link") } else { error })?;
    check_own(&file.metadata()?)?;
    Ok(file)
}

/// The text of a file of ours; `None` if there is none.
pub(crate) fn read_own(path: &Path) -> io::Result<Option<String>> {
    match open_own(path, OpenOptions::new().read(true)).and_then(io::read_to_string) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// What to do if `error` says that `directory` is not writable: by its permissions, its file system, or the unit
/// (`ReadWritePaths=`, `systemd.exec(5)`).
#[must_use]
pub fn withheld(error: &io::Error, directory: &Path) -> Option<String> {
    let is_unit = env::var_os("INVOCATION_ID").is_some();
    let existing = directory.ancestors().find(|directory| directory.is_dir()).unwrap_or(directory);
    let shown = existing.display();
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem if is_unit => Some(format!(
            "the service must not write there: create it, add ReadWritePaths={} below [Service] with `systemctl \
             --user edit imgurd`, and restart imgurd",
            directory.display()
        )),
        io::ErrorKind::ReadOnlyFilesystem => Some(format!(
            "the file system of {shown} is read-only; mount it writable, or choose another directory"
        )),
        // If this module refused it, and not the kernel, the cause is another one.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => Some(format!(
            "you cannot write to {shown}; run `chmod u+rwx {shown}`, or choose another directory"
        )),
        _ => None,
    }
}

/// Refuses everything except our own regular files. If another program will open the path, pass the metadata of the
/// symlink.
pub fn check_own(metadata: &Metadata) -> io::Result<()> {
    match metadata.file_type() {
        kind if kind.is_symlink() => Err(refused("it is a symbolic link")),
        kind if !kind.is_file() => Err(refused("it is not a regular file")),
        _ if !is_ours(metadata) => Err(refused("it belongs to another user")),
        _ => Ok(()),
    }
}

/// Whether its owner is our user, or root, who can do anything anyway.
#[must_use]
pub fn is_trusted(metadata: &Metadata) -> bool {
    // If root is not mapped, other users are not mapped either. The unit also checks this outside its user namespace,
    // before it starts the service.
    let is_unknown = || metadata.uid() == UNMAPPED && !knows_all_users();
    is_ours(metadata) || metadata.uid() == 0 || is_unknown()
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == getuid().as_raw()
}

/// Whether others may rename files there. They may not in `/tmp`.
fn is_shared(path: &Path, metadata: &Metadata) -> bool {
    metadata.is_dir() && metadata.mode() & 0o1000 == 0 && others_write(path, metadata)
}

/// Whether other users may write it, by its mode or an access list (acl(5)).
fn others_write(path: &Path, metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    if metadata.is_symlink() || mode & OTHERS_WRITE == 0 {
        return false;
    }
    // With an access list, the group bits are the maximum that any entry grants.
    let has_list = || getxattr(path, c"system.posix_acl_access", &mut [0_u8; 0]).is_ok();
    mode & 0o002 != 0 || !is_private(metadata.gid()) || has_list()
}

/// Whether a group has no other members, or is root's. Distributions give each user such a group, and some let it
/// write by default. imgurd reads only local files, because a directory service could hang.
fn is_private(group: u32) -> bool {
    if group == 0 || (group == UNMAPPED && !knows_all_users()) {
        return true;
    }
    let own = getuid().as_raw().to_string();
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (passwd, groups) = (read("/etc/passwd"), read("/etc/group"));
    group == getgid().as_raw() && has_no_others(&group.to_string(), &own, &passwd, &groups)
}

/// Whether `passwd(5)` and `group(5)` list only the user `own` in this group.
fn has_no_others(group: &str, own: &str, passwd: &str, groups: &str) -> bool {
    let mut names = Vec::new();
    for user in passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
        match user[..] {
            [name, _, id, ..] if id == own => names.push(name),
            [_, _, _, first, ..] if first == group => return false,
            _ => {}
        }
    }
    let members = groups.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        (fields.next() == Some(group)).then(|| fields.next().unwrap_or_default())
    });
    members.flat_map(|members| members.split(',')).all(|name| name.is_empty() || names.contains(&name))
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
    fn creates_private_directories() {
        let room = TempDir::new().unwrap();
        let directory = room.path().join("a/b");
        own_directory(&directory, OF_OTHERS).unwrap();
        for made in [&directory, &room.path().join("a")] {
            assert_eq!(fs::metadata(made).unwrap().mode() & 0o777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn rejects_directories_open_to_others_with_advice() {
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
    fn rejects_a_directory_below_a_world_writable_one() {
        let room = TempDir::new().unwrap();
        let directory = room.path().join("a");
        fs::set_permissions(room.path(), Permissions::from_mode(0o777)).unwrap();
        let error = own_directory(&directory, OF_OTHERS).unwrap_err().to_string();
        assert!(error.contains("other users can replace"), "{error}");
        // Also through a symlink, whether the symlink or its target is there.
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
    fn rejects_a_file_that_others_can_replace() {
        let room = TempDir::new().unwrap();
        let at = |name: &str| room.path().join(name);
        for directory in ["good", "open"] {
            fs::create_dir(at(directory)).unwrap();
        }
        fs::set_permissions(at("open"), Permissions::from_mode(0o777)).unwrap();
        fs::write(at("good/file"), "").unwrap();
        symlink("../good/file", at("open/link")).unwrap();
        symlink("../open/link", at("good/link")).unwrap();
        symlink("file", at("good/straight")).unwrap();
        let check = |name: &str| check_place(&at(name), &fs::metadata(at(name)).unwrap());
        check("good/file").unwrap();
        check("good/straight").unwrap();
        check("open/../good/file").unwrap_err();
        for name in ["open/link", "good/link"] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.ends_with("/open"), "{name}: {error}");
        }
        for (mode, is_refused) in [(0o644, false), (0o640, false), (0o646, true)] {
            fs::set_permissions(at("good/file"), Permissions::from_mode(mode)).unwrap();
            assert_eq!(check("good/file").is_err(), is_refused, "{mode:o}");
        }
    }

    #[test]
    fn a_group_without_other_members_is_private() {
        const PASSWD: &str =
            "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nbob:x:1001:100::/:/bin/sh\n";
        const GROUPS: &str = "root:x:0:\nalice:x:1000:\nusers:x:100:\nwork:x:50:alice,bob\nown:x:51:alice\n";
        let is_private = |group| has_no_others(group, "1000", PASSWD, GROUPS);
        assert_eq!(["1000", "51", "52"].map(is_private), [true; 3]);
        assert_eq!(["100", "50"].map(is_private), [false; 2]);
    }

    #[test]
    fn accepts_our_own_symlink_to_a_private_directory() {
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
    fn rejects_symlinks_and_pipes_in_place_of_files() {
        let room = TempDir::new().unwrap();
        let (victim, link) = (room.path().join("victim"), room.path().join("link"));
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, &link).unwrap();
        let error = open_own(&link, OpenOptions::new().create(true).append(true)).unwrap_err();
        assert_eq!(error.to_string(), "it is a symbolic link");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        let pipe = room.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        assert_eq!(
            open_own(&pipe, OpenOptions::new().read(true)).unwrap_err().to_string(),
            "it is not a regular file"
        );
        open_own(&victim, OpenOptions::new().read(true)).unwrap();
    }
}
