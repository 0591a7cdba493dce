//! Ports for tests that run at the same time.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// A port of 127.0.0.1 where nothing listens just now, and where nothing will by chance: the kernel gives out higher
/// ones (`ip_local_port_range`), and tests that run at the same time begin their search in different places.
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

/// As good as random.
fn nanoseconds() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().subsec_nanos()
}
