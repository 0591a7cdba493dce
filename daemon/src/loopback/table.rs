//! TCP sockets as `/proc/net/tcp` lists them, for kernels without `tcp_diag`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::socket::{Socket, canonical};

/// The connected socket, or else the listening one; see [`super::diag::find`]. IPv4 connections of IPv6 sockets are
/// in the table for IPv6.
pub(super) fn find(local: SocketAddr, remote: SocketAddr) -> Option<Socket> {
    find_in(read(&["/proc/self/net/tcp", "/proc/self/net/tcp6"])?, local, remote)
}

/// The lines of the tables in `files`; `None` if no file can be read. A kernel without IPv6 has no table for it.
pub(super) fn read(files: &[impl AsRef<Path>]) -> Option<impl Iterator<Item = String>> {
    let opened: Vec<_> = files.iter().filter_map(|file| File::open(file).ok()).collect();
    (!opened.is_empty())
        .then(|| opened.into_iter().flat_map(|file| BufReader::new(file).lines().map_while(Result::ok)))
}

pub(super) fn find_in(
    lines: impl Iterator<Item = String>,
    local: SocketAddr,
    remote: SocketAddr,
) -> Option<Socket> {
    let mut listening = None;
    for entry in lines.filter_map(|line| Entry::read(&line)) {
        if (canonical(entry.local), canonical(entry.remote)) == (local, remote) {
            return Some(entry.socket);
        }
        if entry.socket.state == Socket::LISTEN && receives(entry.local, local) {
            listening = Some(entry.socket);
        }
    }
    listening
}

/// Whether a socket that listens at `address` receives connections to `wanted`. The table does not show whether `::` is
/// closed to IPv4.
fn receives(address: SocketAddr, wanted: SocketAddr) -> bool {
    let is_any = address.ip().is_unspecified() && (address.is_ipv6() || wanted.is_ipv4());
    address.port() == wanted.port() && (is_any || canonical(address).ip() == wanted.ip())
}

struct Entry {
    local: SocketAddr,
    remote: SocketAddr,
    socket: Socket,
}

impl Entry {
    /// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`.
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
        let state = u8::from_str_radix(fields.next()?, 16).ok()?;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Self { local, remote, socket: Socket { state, uid, inode, cgroup: None } })
    }
}

/// An address consists of 32-bit words, each in this machine's byte order.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let words = host.as_bytes().chunks(8).map(|word| {
        let word = str::from_utf8(word).ok()?;
        u32::from_str_radix(word, 16).ok().map(u32::to_ne_bytes)
    });
    let octets = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match octets.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:22D6 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 11 1 0000000000000000 100 0
   1: 0100007F:22D5 0100007F:A000 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0000000000000000 20 4
   2: 0100007F:A001 0100007F:22D5 06 00000000:00000000 03:00001768 00000000     0        0 0 3 0000000000000000
   3: 0000000000000000FFFF00000100007F:A000 0000000000000000FFFF00000100007F:22D5 01 00000000:00000000 00:00000000 00000000 65534 0 13 1";

    fn find_in_list(local: &str, remote: &str) -> Option<Socket> {
        find_in(LISTED.lines().map(ToOwned::to_owned), local.parse().unwrap(), remote.parse().unwrap())
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn finds_each_end_of_a_connection_and_ipv4_on_ipv6_sockets() {
        let found = |local, remote| find_in_list(local, remote).map(|it| (it.state, it.uid, it.inode));
        assert_eq!(found("127.0.0.1:8917", "127.0.0.1:40960"), Some((1, 1000, 12)));
        assert_eq!(found("127.0.0.1:40960", "127.0.0.1:8917"), Some((1, 65534, 13)));
        assert_eq!(found("127.0.0.1:40961", "127.0.0.1:8917"), Some((6, 0, 0)));
        assert_eq!(
            found("127.0.0.1:8918", "0.0.0.0:0"),
            Some((10, 1001, 11)),
            "finds a listener on all addresses"
        );
        assert_eq!(found("127.0.0.1:8917", "0.0.0.0:0"), None);
        assert_eq!(found("[::1]:8918", "[::]:0"), None);
    }

    #[test]
    fn skips_invalid_lines() {
        for line in ["", "0:", "0: x:y z 01", "0: 0100007F:22D5 0100007F:22D5", "0: éé:1 é:2 01 0 0 0 0 0 0"]
        {
            assert!(Entry::read(line).is_none(), "{line}");
        }
    }
}
