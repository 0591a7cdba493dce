use std::net::{IpAddr, TcpListener};

use rustix::net::sockopt::set_socket_linger;
use rustix::process::getuid;

use super::*;

/// A connection to this address: the listener's end, and the end of the program that connected.
fn connection(host: &str) -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind(host).unwrap();
    let mut address = listener.local_addr().unwrap();
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::from([127, 0, 0, 1]));
    }
    let there = std::net::TcpStream::connect(address).unwrap();
    (listener.accept().unwrap().0, there)
}

fn in_tokio(stream: std::net::TcpStream) -> TcpStream {
    stream.set_nonblocking(true).unwrap();
    TcpStream::from_std(stream).unwrap()
}

#[tokio::test]
async fn recognises_our_own_connections_over_ipv4_and_ipv6() {
    for host in ["127.0.0.1:0", "[::1]:0", "[::]:0", "127.8.9.1:0"] {
        let (here, there) = connection(host);
        let (here, there) = (in_tokio(here), in_tokio(there));
        assert!(is_own(&here) && is_own(&there), "{host}");
    }
}

/// Its port is immediately free for another user's connection.
#[tokio::test]
async fn a_closed_or_reset_connection_is_not_our_own() {
    let (here, there) = connection("127.0.0.1:0");
    drop(there);
    assert!(!is_own(&in_tokio(here)), "the connection is closed");
    let (here, there) = connection("127.0.0.1:0");
    set_socket_linger(&there, Some(std::time::Duration::ZERO)).unwrap();
    drop(there);
    assert!(!is_own(&in_tokio(here)), "the connection is reset");
}

#[test]
fn trusts_only_our_own_connected_open_sockets() {
    let own = getuid().as_raw();
    let is_trusted = |state, uid, inode| {
        let socket = Socket { state, uid, inode, cgroup: None };
        socket.is_connected() && socket.is_own()
    };
    assert!(is_trusted(Socket::ESTABLISHED, own, 1));
    assert!(!is_trusted(Socket::ESTABLISHED, own + 1, 1));
    assert!(!is_trusted(Socket::ESTABLISHED, own, 0), "no process has the socket open");
    for state in [0, 2, 3, 6, 7, 10, 12] {
        assert!(!is_trusted(state, own, 1), "{state}");
    }
}

#[test]
fn sock_diag_and_proc_net_tcp_agree() {
    for host in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
        let (here, there) = connection(host);
        let local = canonical(there.local_addr().unwrap());
        let remote = canonical(here.local_addr().unwrap());
        let by_table = table::find(local, remote).unwrap();
        let by_kernel = diag::find(local, remote).unwrap().map(|socket| Socket { cgroup: None, ..socket });
        assert_eq!(by_kernel, Some(by_table), "{host}");
        assert_eq!(by_table.inode, fstat(&there).unwrap().st_ino);
        assert_eq!(by_table.uid, getuid().as_raw());
    }
    assert_eq!(diag::find("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()).unwrap(), None);
}

#[test]
fn finds_the_listener_also_on_wildcard_addresses() {
    for bound in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
        let listener = TcpListener::bind(bound).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
        assert_eq!(holder(at), Some(Holder::Own), "{bound}");
        assert_eq!(table::find(at, "0.0.0.0:0".parse().unwrap()).unwrap().state, Socket::LISTEN, "{bound}");
        drop(listener);
        assert_eq!(holder(at), None, "{bound}");
    }
    assert_eq!(description(0), "user root");
    assert_eq!(description(OVERFLOW_UID), "another user");
    assert_eq!(description(4_000_000_000), "user id 4000000000");
}
