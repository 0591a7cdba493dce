//! What a client reads. Whatever answers instead of the daemon, the client returns a token or an error.
#![no_main]

mod bounds;

use std::cell::LazyCell;
use std::io::Write as _;
use std::os::unix::net::UnixListener;

use bounds::bounded;
use imgurd_proto::Client;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

thread_local! {
    static SOCKET: LazyCell<(UnixListener, TempDir)> = LazyCell::new(|| {
        let directory = TempDir::new().expect("a directory");
        (UnixListener::bind(directory.path().join("socket")).expect("a socket"), directory)
    });
}

fuzz_target!(|said: &[u8]| bounded(|| SOCKET.with(|socket| hear(said, &socket.0, &socket.1))));

fn hear(said: &[u8], listener: &UnixListener, directory: &TempDir) {
    let mut client = Client::connect_to(&directory.path().join("socket")).expect("the server listens");
    let (mut server, _) = listener.accept().expect("a client");
    server.set_nonblocking(true).expect("a socket");
    // Bytes beyond the socket's buffer do not matter: such a long message is refused.
    let _ = server.write(said);
    let _ = server.shutdown(std::net::Shutdown::Write);
    if let Ok(token) = client.get_token(None) {
        assert!(said.contains(&0), "an answer ends with NUL: {token:?}");
    }
}
