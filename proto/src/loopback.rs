//! Recognises the host names of this machine.

use std::net::IpAddr;

/// Whether the host of a URL, as it is written there, can only be this machine: `localhost`, or an address of the loopback
/// network (RFC 8252, section 7.3). IPv6 addresses are in brackets.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let is_address = |address: IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_address)
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn recognises_only_loopback_hosts() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.255.0.9", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.",
            "localhost.example",
            "127.0.0.1.example",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::2]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
