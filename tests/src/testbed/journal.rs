//! A replacement for the system's journal, which records its messages.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::Testbed;

/// The most bytes in a datagram. Longer messages would come as memory files, which no test needs.
const MESSAGE_MAX: usize = 256 * 1024;

/// A message that no daemon sends. It ends the journal.
const END: &[u8] = b"the end";

/// Gives the daemon another `/run` with the journal's socket, because the socket's path is fixed
/// (`systemd-journald.service(8)`).
const LEAD: &str = r#"mount -t tmpfs none /run && mkdir -p /run/systemd/journal && ln -s "$0" /run/systemd/journal/socket &&
exec "$@" --log-format journald"#;

/// A replacement for journald.
#[derive(Debug)]
pub struct Journal {
    address: PathBuf,
    writer: Option<JoinHandle<()>>,
    file: PathBuf,
}

impl Testbed {
    /// Starts a journal for daemons that start later. The search for secrets includes its file.
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
    /// Ends the journal, and returns all messages.
    pub fn end(mut self) -> String {
        UnixDatagram::unbound().unwrap().send_to(END, &self.address).unwrap();
        self.writer.take().unwrap().join().unwrap();
        String::from_utf8_lossy(&fs::read(&self.file).unwrap()).into_owned()
    }
}
