//! Asks the kernel for one TCP socket (`sock_diag(7)`).

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use super::socket::Socket;

/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct inet_diag_req_v2`.
const REQUEST: usize = 56;
/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const IS_REQUEST: u16 = 1;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `INET_DIAG_CGROUP_ID`.
const CGROUP: u16 = 21;
/// `INET_DIAG_NOCOOKIE`, twice.
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// Finds the socket that a segment from `remote` to `local` would be delivered to: the connected one, or else the
/// listening one.
pub(super) fn find(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Socket>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    let message = request(local, remote)?;
    sendto(&kernel, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut buffer = [0_u8; 4096];
    // The kernel answers within the call. No other program can learn this socket's address in time to answer.
    let (_, length) = recv(&kernel, &mut buffer[..], RecvFlags::empty())?;
    answer(&buffer[..length.min(buffer.len())])
}

fn request(local: SocketAddr, remote: SocketAddr) -> io::Result<Vec<u8>> {
    let family = match (local, remote) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => AddressFamily::INET,
        (SocketAddr::V6(_), SocketAddr::V6(_)) => AddressFamily::INET6,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let length = u32::try_from(HEADER + REQUEST).map_err(io::Error::other)?;
    let family = u8::try_from(family.as_raw()).map_err(io::Error::other)?;
    Ok([
        &length.to_ne_bytes()[..],
        &BY_FAMILY.to_ne_bytes(),
        &IS_REQUEST.to_ne_bytes(),
        &[0; 8], // sequence number and port
        &[family, TCP, 0, 0],
        &u32::MAX.to_ne_bytes(), // in any state
        &local.port().to_be_bytes(),
        &remote.port().to_be_bytes(),
        &octets(local.ip()),
        &octets(remote.ip()),
        &[0; 4], // on any interface
        &NO_COOKIE,
    ]
    .concat())
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&address.octets());
            octets
        }
    }
}

/// The value of the attribute for the cgroup, since Linux 5.9 (`netlink(7)`: length, type, value, aligned to 4
/// bytes).
fn cgroup(mut attributes: &[u8]) -> Option<u64> {
    while let [first, second, third, fourth, ..] = *attributes {
        let length = usize::from(u16::from_ne_bytes([first, second]));
        if u16::from_ne_bytes([third, fourth]) == CGROUP {
            return Some(u64::from_ne_bytes(attributes.get(4..length)?.try_into().ok()?));
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

/// Reads a `struct inet_diag_msg`, or an error instead.
fn answer(message: &[u8]) -> io::Result<Option<Socket>> {
    let number = |at: usize| {
        let bytes = message.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_ne_bytes).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    };
    // The length of the message comes first, then its type and flags.
    let kind = message.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    match kind {
        Some(BY_FAMILY) => Ok(Some(Socket {
            state: message.get(HEADER + 1).copied().unwrap_or_default(),
            uid: number(HEADER + 64)?,
            inode: number(HEADER + 68)?.into(),
            cgroup: message.get(HEADER + 72..).and_then(cgroup),
        })),
        Some(ERROR) => match number(HEADER)?.cast_signed().checked_neg() {
            Some(code) if code == Errno::NOENT.raw_os_error() => Ok(None),
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Err(io::ErrorKind::InvalidData.into()),
        },
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
