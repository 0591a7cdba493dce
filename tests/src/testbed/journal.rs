//! A replacement for the system's journal, which records its messages.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::Testbed;

/// More than a message has that is sent as a datagram; longer ones come as memory files, of which there are none here.
const MESSAGE_MAX: usize = 256 * 1024;

/// What no daemon sends.
const END: &[u8] = b"the end";

/// What leads a daemon to it: the socket has one address (`systemd-journald.service(8)`), so the daemon has another
/// `/run`.
const LEAD: &str = r#"mount -t tmpfs none /run && mkdir -p /run/systemd/journal && ln -s "$0" /run/systemd/journal/socket &&
exec "$@" --log-format journald"#;

/// A journal.
#[derive(Debug)]
pub struct Journal {
    address: PathBuf,
    writer: Option<JoinHandle<()>>,
    file: PathBuf,
}

impl Testbed {
    /// Starts a journal, to which the daemons started from now on log. What it writes is searched for secrets like all
    /// other files.
    pub fn journal(&self) -> Journal {
        let (address, file) = (self.root().join("journal-socket"), self.root().join("journal.log"));
        let socket = UnixDatagram::bind(&address).unwrap();
        let mut log = File::create(&file).unwrap();
        let writer = thread::spawn(move || {
            let mut message = vec![0; MESSAGE_MAX];
            while let Ok(length) = socket.recv(&mut message)
                && &message[..length] != END
            {
                log.write_all(&message[..length]).unwrap();
            }
        });
        let namespace = ["unshare", "--map-root-user", "--mount", "sh", "-c", LEAD].map(ToOwned::to_owned);
        self.launch_by(namespace.into_iter().chain([address.display().to_string()]));
        Journal { address, writer: Some(writer), file }
    }
}

impl Journal {
    /// Ends it, and returns all that was sent to it.
    pub fn end(mut self) -> String {
        UnixDatagram::unbound().unwrap().send_to(END, &self.address).unwrap();
        self.writer.take().unwrap().join().unwrap();
        String::from_utf8_lossy(&fs::read(&self.file).unwrap()).into_owned()
    }
}
