//! Ports for tests that run at the same time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use crate::fake::PATIENCE;

/// A port of 127.0.0.1 on which nothing listens. The kernel assigns higher ports (`ip_local_port_range`), and
/// simultaneous tests begin their search at different numbers, so no other program takes it by chance.
pub fn free_port() -> u16 {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let begin = u64::from(std::process::id()) * 61 + u64::from(nanoseconds());
    loop {
        let number = begin + TAKEN.fetch_add(1, Ordering::Relaxed) as u64;
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until nothing listens at this port of 127.0.0.1, on which an HTTP server listens now.
pub fn wait_until_free(port: u16) {
    let began = Instant::now();
    while let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        // Waiting for the server's answer is the pause of this loop.
        let _ =
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").and_then(|()| stream.read_to_end(&mut Vec::new()));
        assert!(began.elapsed() < PATIENCE, "a program still listens at port {port}");
    }
}

/// The sub-second part of the time, which is random enough.
fn nanoseconds() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().subsec_nanos()
}
