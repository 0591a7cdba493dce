//! Notices when a file changes or appears, without polling.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// As many links as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// How often imgurd sets a watch again because a link changed meanwhile.
const MOST_TRIES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Content,
    Appearance,
}

/// Reports changes to a file, by `inotify(7)` on its directory: editors replace a file rather than write into it. The
/// file may be behind symbolic links, and the links may change: their directories are watched too.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    wanted: Wanted,
    inotify: AsyncFd<OwnedFd>,
    names: Names,
}

/// The directory watches, each with the name to look for.
type Names = Vec<(i32, OsString)>;

impl FileWatch {
    /// Watches for new content at `path`.
    ///
    /// # Errors
    /// If the system has no more watches.
    pub fn for_content(path: &Path) -> io::Result<Self> {
        Self::new(path, Wanted::Content)
    }

    /// Watches for a file, such as a socket, to appear at `path`.
    ///
    /// # Errors
    /// If the system has no more watches.
    pub fn for_appearance(path: &Path) -> io::Result<Self> {
        Self::new(path, Wanted::Appearance)
    }

    fn new(path: &Path, wanted: Wanted) -> io::Result<Self> {
        let (mut steps, mut tries) = (steps(path), 0);
        loop {
            let (inotify, names) = watch(&steps, wanted)?;
            let now = self::steps(path);
            tries += 1;
            if now == steps || tries == MOST_TRIES {
                return Ok(Self { path: path.to_owned(), wanted, inotify, names });
            }
            steps = now;
        }
    }

    /// Returns when the file has changed since the last call. Then it sets the watch again, because a link may lead
    /// elsewhere now. A missing file is not a change.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut guard = self.inotify.readable().await?;
            match self.read() {
                Ok(true) => {}
                Ok(false) => continue,
                Err(Errno::AGAIN) => {
                    guard.clear_ready();
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            drop(guard);
            *self = Self::new(&self.path, self.wanted)?;
            if self.path.exists() {
                return Ok(());
            }
        }
    }

    fn read(&self) -> Result<bool, Errno> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut concerns_us = false;
        loop {
            let event = reader.next()?;
            concerns_us |= match event.file_name() {
                Some(name) => {
                    let name = OsStr::from_bytes(name.to_bytes());
                    let is_ours = self.names.iter().any(|(watch, ours)| *watch == event.wd() && ours == name);
                    is_ours && (!event.events().contains(ReadFlags::CREATE) || self.is_whole())
                }
                // The file itself was written, or its directory was moved or removed.
                None => true,
            };
            if reader.is_buffer_empty() {
                return Ok(concerns_us);
            }
        }
    }

    /// Whether a new file is complete. It is not while another program is still writing it.
    fn is_whole(&self) -> bool {
        let is_new =
            |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|it| it.is_file() && it.nlink() == 1);
        self.wanted == Wanted::Appearance || !steps(&self.path).last().is_some_and(is_new)
    }
}

fn watch(steps: &[PathBuf], wanted: Wanted) -> io::Result<(AsyncFd<OwnedFd>, Names)> {
    // Do not react to a deletion: a program may delete the file while it saves it, and there would be no file to
    // read.
    let events = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF;
    let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let mut names = Vec::new();
    for step in steps {
        let directory = step.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The next attempt notices a directory that was just removed.
        let watch = match inotify::add_watch(&inotify, directory, events) {
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            watch => watch?,
        };
        names.extend(step.file_name().map(|name| (watch, name.to_owned())));
    }
    if let Some(file) = steps.last().filter(|file| wanted == Wanted::Content && file.is_file()) {
        // The file may be written under another name, in another directory.
        let _ = inotify::add_watch(&inotify, file, WatchFlags::CLOSE_WRITE);
    }
    #[expect(deprecated, reason = "its successor is unsafe for types that may change their descriptor")]
    let inotify = AsyncFd::new(inotify)?;
    Ok((inotify, names))
}

/// Each symlink on the way to `path`, then the file itself or the first missing part.
fn steps(path: &Path) -> Vec<PathBuf> {
    let (mut steps, mut path) = (Vec::new(), path.to_owned());
    while steps.len() <= MOST_LINKS {
        let Some((link, beyond)) = first_link(&path) else { break };
        let target = fs::read_link(&link).unwrap_or_default();
        path = link.parent().unwrap_or(Path::new("")).join(target).join(beyond);
        steps.push(link);
    }
    let missing = path.ancestors().filter(|path| !path.as_os_str().is_empty());
    let missing = missing.take_while(|path| fs::symlink_metadata(path).is_err()).last();
    steps.push(missing.map_or(path.clone(), Path::to_owned));
    steps
}

/// The first symbolic link in `path`, and the path after it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut way = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        way.push(component);
        if way.is_symlink() {
            return Some((way, components.as_path().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn notices_a_replaced_file_and_ignores_other_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let mut watch = FileWatch::for_content(&path).unwrap();
        fs::write(directory.path().join("neighbour"), "").unwrap();
        assert_eq!(watch.read(), Ok(false));
        fs::write(directory.path().join("new"), "store = \"memory\"\n").unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn notices_a_new_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bus");
        let mut watch = FileWatch::for_appearance(&path).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn notices_a_change_behind_a_symlink() {
        let directory = tempfile::tempdir().unwrap();
        let dotfiles = tempfile::tempdir().unwrap();
        let target = dotfiles.path().join("imgurd.toml");
        fs::write(&target, "").unwrap();
        let path = directory.path().join("config.toml");
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let mut watch = FileWatch::for_content(&path).unwrap();
        fs::write(&target, "store = \"memory\"\n").unwrap();
        watch.changed().await.unwrap();
    }

    /// A file at the end of a symlink, in a directory that is a symlink, as `stow` makes them.
    struct Links {
        root: tempfile::TempDir,
    }

    impl Links {
        fn new() -> Self {
            let links = Self { root: tempfile::tempdir().unwrap() };
            for version in ["one", "two"] {
                fs::create_dir_all(links.path(version)).unwrap();
                fs::write(links.path(version).join("real.toml"), version).unwrap();
                links.link("real.toml", &format!("{version}/config.toml"));
            }
            links.link("one", "imgurd");
            links
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn link(&self, target: &str, name: &str) {
            let _ = fs::remove_file(self.path(name));
            std::os::unix::fs::symlink(target, self.path(name)).unwrap();
        }

        fn watch(&self) -> FileWatch {
            FileWatch::for_content(&self.path("imgurd/config.toml")).unwrap()
        }
    }

    #[tokio::test]
    async fn notices_changed_symlinks_and_edits_of_their_new_targets() {
        let links = Links::new();
        let mut watch = links.watch();
        links.link("two", "imgurd");
        watch.changed().await.unwrap();
        fs::write(links.path("two/real.toml"), "edited").unwrap();
        watch.changed().await.unwrap();
        fs::write(links.path("two/other.toml"), "other").unwrap();
        assert!(!watch.read().unwrap_or(false));
        links.link("other.toml", "two/config.toml");
        watch.changed().await.unwrap();
        fs::write(links.path("two/other.toml"), "edited").unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn notices_recreated_symlinks_and_directories() {
        let links = Links::new();
        let mut watch = links.watch();
        fs::remove_file(links.path("imgurd")).unwrap();
        fs::rename(links.path("one"), links.path("away")).unwrap();
        fs::create_dir(links.path("imgurd")).unwrap();
        let restored = async {
            tokio::task::yield_now().await;
            links.link("../away/real.toml", "imgurd/config.toml");
        };
        tokio::join!(watch.changed(), restored).0.unwrap();
        fs::remove_file(links.path("imgurd/config.toml")).unwrap();
        fs::write(links.path("imgurd/config.toml"), "new").unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn notices_edits_through_a_hard_link_and_new_hard_links() {
        let links = Links::new();
        let path = links.path("config.toml");
        fs::hard_link(links.path("two/real.toml"), &path).unwrap();
        let mut watch = FileWatch::for_content(&path).unwrap();
        fs::write(links.path("two/real.toml"), "edited").unwrap();
        watch.changed().await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::hard_link(links.path("one/real.toml"), &path).unwrap();
        watch.changed().await.unwrap();
    }

    #[tokio::test]
    async fn ignores_a_file_until_it_is_completely_written() {
        let links = Links::new();
        let path = links.path("config.toml");
        let watch = FileWatch::for_content(&path).unwrap();
        let file = fs::File::create(&path).unwrap();
        assert_eq!(watch.read(), Ok(false));
        drop(file);
        assert_eq!(watch.read(), Ok(true));
    }

    #[test]
    fn circular_symlinks_end_the_search() {
        let links = Links::new();
        links.link("b", "a");
        links.link("a", "b");
        assert!(steps(&links.path("a")).len() <= MOST_LINKS + 2);
    }
}
