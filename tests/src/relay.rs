//! What is between a client and a server: a plain connection, a proxy, a TLS server or an attacker.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::ServerConfig;

use crate::fake::PATIENCE;
use crate::tls::Tls;

/// What the relay does with a connection.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Forwards it unchanged.
    Plain,
    /// Decrypts it with this certificate, and forwards it in clear.
    Tls(Arc<ServerConfig>),
    /// Answers `CONNECT` with this status, and forwards the rest if the status is 200 (RFC 9110, section 9.3.6).
    Proxy(&'static str),
    /// Resets it once the client has sent something.
    Reset,
    /// Reads it, and never answers.
    Silent,
    /// Answers with the first text, and then repeats the second without end.
    Flood(&'static str, &'static str),
}

/// Accepts connections at one address and forwards them to another.
#[derive(Clone, Debug)]
pub struct Relay(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    manner: Mutex<Manner>,
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    connections: usize,
    ended: usize,
    bytes: Vec<u8>,
    /// The most bytes that a flood sent on one connection, as far as the kernel accepted them.
    longest: usize,
}

impl Relay {
    /// Starts a relay that runs until the test's process ends.
    pub fn start(listener: TcpListener, to: SocketAddr, manner: Manner) -> Self {
        let relay = Self(Arc::new(Shared {
            to,
            manner: Mutex::new(manner),
            seen: Mutex::default(),
            changed: Condvar::new(),
        }));
        let shared = Arc::clone(&relay.0);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let manner = shared.manner.lock().unwrap().clone();
                shared.note(|seen| seen.connections += 1);
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // The client only sees that the connection ended, so the result does not matter.
                    let _ = shared.carry(&stream, manner);
                    shared.note(|seen| seen.ended += 1);
                });
            }
        });
        relay
    }

    /// Changes what happens to later connections.
    pub fn set(&self, manner: Manner) {
        *self.0.manner.lock().unwrap() = manner;
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.0.seen.lock().unwrap().connections
    }

    /// The number of connections that have ended.
    pub fn ended(&self) -> usize {
        self.0.seen.lock().unwrap().ended
    }

    /// All that clients have sent, decrypted if the relay can.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.0.seen.lock().unwrap().bytes).into_owned()
    }

    /// The most bytes that [`Manner::Flood`] sent on one connection, including those in the kernel's buffers.
    pub fn longest(&self) -> usize {
        self.0.seen.lock().unwrap().longest
    }

    /// Waits until there were `count` connections.
    pub fn wait_for_connections(&self, count: usize) {
        self.wait("a connection", |seen| seen.connections >= count);
    }

    /// Waits until clients have sent something that contains `text`.
    pub fn wait_to_see(&self, text: &str) {
        self.wait(text, |seen| String::from_utf8_lossy(&seen.bytes).contains(text));
    }

    /// Waits until `count` connections have ended, twice as long as other waits, because a client may wait just as
    /// long.
    pub fn wait_for_ends(&self, count: usize) {
        self.wait("the end of a connection", |seen| seen.ended >= count);
    }

    fn wait(&self, wanted: &str, enough: impl Fn(&Seen) -> bool) {
        let seen = self.0.seen.lock().unwrap();
        let (seen, _) = self.0.changed.wait_timeout_while(seen, 2 * PATIENCE, |seen| !enough(seen)).unwrap();
        assert!(enough(&seen), "waited too long for {wanted}");
    }
}

impl Shared {
    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }

    fn carry(&self, client: &TcpStream, manner: Manner) -> io::Result<()> {
        match manner {
            Manner::Plain => self.pass_on(client),
            Manner::Tls(config) => self.pass_on(&Tls::accept(client, config)?),
            Manner::Proxy(status) => self.pass_on_as_proxy(client, status),
            Manner::Reset => {
                client.receive(&mut [0])?;
                // Closing with a linger time of zero resets the connection (socket(7)).
                Ok(set_socket_linger(client, Some(Duration::ZERO))?)
            }
            Manner::Silent => self.read_all(client),
            Manner::Flood(begin, again) => self.flood(client, begin, again),
        }
    }

    fn pass_on(&self, client: &impl Side) -> io::Result<()> {
        let server = TcpStream::connect(self.to)?;
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut part = [0; 4096];
                while let Ok(length @ 1..) = (&server).read(&mut part) {
                    if client.send(&part[..length]).is_err() {
                        break;
                    }
                }
                client.hang_up();
            });
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = client.receive(&mut part) {
                self.note(|seen| seen.bytes.extend(&part[..length]));
                if (&server).write_all(&part[..length]).is_err() {
                    break;
                }
            }
            server.shutdown(Shutdown::Both)
        })
    }

    fn pass_on_as_proxy(&self, client: &TcpStream, status: &str) -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            client
                .receive(&mut byte)
                .and_then(|length| length.checked_sub(1).ok_or(io::ErrorKind::UnexpectedEof.into()))?;
            head.extend(byte);
        }
        self.note(|seen| seen.bytes.extend(&head));
        client.send(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())?;
        if status.starts_with("200 ") { self.pass_on(client) } else { Ok(()) }
    }

    fn flood(&self, client: &TcpStream, begin: &str, again: &str) -> io::Result<()> {
        client.receive(&mut [0; 4096])?;
        client.send(begin.as_bytes())?;
        let part = again.repeat(64 * 1024 / again.len());
        let mut sent = begin.len();
        loop {
            client.send(part.as_bytes())?;
            sent += part.len();
            self.note(|seen| seen.longest = seen.longest.max(sent));
        }
    }

    fn read_all(&self, mut client: &TcpStream) -> io::Result<()> {
        let mut part = [0; 4096];
        while let length @ 1.. = client.read(&mut part)? {
            self.note(|seen| seen.bytes.extend(&part[..length]));
        }
        Ok(())
    }
}

/// The client's side of a connection. One thread reads from it and another writes to it.
pub(crate) trait Side: Sync {
    fn receive(&self, part: &mut [u8]) -> io::Result<usize>;
    fn send(&self, bytes: &[u8]) -> io::Result<()>;
    fn hang_up(&self);
}

impl Side for TcpStream {
    fn receive(&self, part: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(part)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }

    fn hang_up(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}
