//! Learns from the kernel (`rtnetlink(7)`) that the network may be back. It listens only while an account waits for the network.
//!
//! It listens to addresses and routes, not to links: a radio reports its link every few seconds. It ignores messages that are not
//! from the kernel.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::keeper::Keeper;

/// `NETLINK_ROUTE` is number 0, the default.
const NETLINK_ROUTE: Option<Protocol> = None;
/// Addresses and routes of IPv4 and IPv6 (`RTMGRP_*`). Not links, because a radio reports its link all the time.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;
/// `RTM_NEWADDR` and `RTM_NEWROUTE`.
const ARRIVALS: [u16; 2] = [20, 24];
/// The length of a message's header, which begins with the length and the type (`struct nlmsghdr`).
const HEADER: usize = 16;

/// Tells the keeper when an address or a route appears while an account waits. Runs as long as it is polled.
pub async fn watch_connectivity(keeper: Keeper) {
    let mut waits = keeper.waits();
    while wait_until(&mut waits, true).await {
        let routes = Routes::open().inspect_err(|error| {
            tracing::debug!(%error, "imgurd cannot see when the network returns, and retries by the clock");
        });
        loop {
            tokio::select! {
                _ = wait_until(&mut waits, false) => break,
                () = arrival(routes.as_ref().ok()) => keeper.online().await,
            }
        }
    }
}

async fn wait_until(waits: &mut watch::Receiver<bool>, wanted: bool) -> bool {
    waits.wait_for(|waits| *waits == wanted).await.is_ok()
}

async fn arrival(routes: Option<&Routes>) {
    match routes {
        Some(routes) if routes.arrival().await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

struct Routes {
    socket: AsyncFd<OwnedFd>,
}

impl Routes {
    fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, NETLINK_ROUTE)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        #[expect(deprecated, reason = "its successor is unsafe for types that may change their descriptor")]
        let socket = AsyncFd::new(socket)?;
        Ok(Self { socket })
    }

    /// Returns when an address or a route was added since the last call.
    async fn arrival(&self) -> io::Result<()> {
        loop {
            let mut guard = self.socket.readable().await?;
            match self.read() {
                // If messages were lost, an arrival may have been among them.
                Ok(true) | Err(Errno::NOBUFS) => return Ok(()),
                Ok(false) => {}
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self) -> Result<bool, Errno> {
        let mut buffer = [0; 8192];
        let (_, length, sender) = recvfrom(self.socket.get_ref(), &mut buffer, RecvFlags::empty())?;
        // Any process may write to this socket. Only messages of the kernel count; its port is 0.
        let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
        Ok(sender.is_some_and(|sender| sender.pid() == 0)
            && tells_of_an_arrival(&buffer[..length.min(buffer.len())]))
    }
}

/// Whether one of these messages reports a new address or route.
fn tells_of_an_arrival(mut messages: &[u8]) -> bool {
    while let Some((header, _)) = messages.split_first_chunk::<HEADER>() {
        let [a, b, c, d, kind_a, kind_b, ..] = *header;
        if ARRIVALS.contains(&u16::from_ne_bytes([kind_a, kind_b])) {
            return true;
        }
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        // Each message is aligned to four bytes.
        messages = messages.get(length.max(HEADER).next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: usize) -> Vec<u8> {
        let mut message = u32::try_from(HEADER + body).unwrap().to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.resize((HEADER + body).next_multiple_of(4), 0);
        message
    }

    #[test]
    fn notices_new_addresses_and_routes_among_other_messages() {
        let (gone, come) = (message(21, 13), message(20, 24));
        assert!(!tells_of_an_arrival(&gone));
        assert!(tells_of_an_arrival(&come));
        assert!(tells_of_an_arrival(&[gone.clone(), message(24, 0)].concat()));
        assert!(!tells_of_an_arrival(&[gone, message(25, 7)].concat()));
    }

    #[test]
    fn survives_invalid_netlink_messages() {
        for text in [&[][..], &[0; 7], &[0; 16], &[0xff; 40]] {
            assert!(!tells_of_an_arrival(text));
        }
    }

    #[tokio::test]
    async fn ignores_messages_that_are_not_from_the_kernel() {
        let routes = Routes::open().unwrap();
        let name = rustix::net::getsockname(routes.socket.get_ref()).unwrap();
        let flags = SocketFlags::CLOEXEC;
        let other = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, NETLINK_ROUTE).unwrap();
        let sent = rustix::net::sendto(&other, &message(20, 8), rustix::net::SendFlags::empty(), &name);
        if sent.is_ok() {
            let _ = routes.socket.readable().await.unwrap();
            assert_eq!(routes.read(), Ok(false));
        }
    }
}
