//! A file that another program replaces.

use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::fake::PATIENCE;

/// Waits until the content of the file is as `wanted`, and returns it.
pub fn wait_for_content(path: &Path, wanted: impl Fn(&str) -> bool) -> String {
    let changes = inotify::init(CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&changes, path.parent().unwrap(), WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE)
        .unwrap();
    loop {
        let content = fs::read_to_string(path).unwrap_or_default();
        if wanted(&content) {
            return content;
        }
        let patience = Timespec { tv_sec: PATIENCE.as_secs().try_into().unwrap(), tv_nsec: 0 };
        let count = poll(&mut [PollFd::new(&changes, PollFlags::IN)], Some(&patience)).unwrap();
        assert_ne!(count, 0, "{} did not get the expected content", path.display());
        let mut buffer = [MaybeUninit::uninit(); 4096];
        inotify::Reader::new(&changes, &mut buffer).next().unwrap();
    }
}
