//! Random numbers, from the kernel.

use std::fmt::Write as _;

use rustix::rand::{GetRandomFlags, getrandom};

/// Random bytes. Up to 256 of them arrive in one call (getrandom(2)).
///
/// # Panics
/// On a system without a random number generator.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let length =
        getrandom(&mut bytes, GetRandomFlags::empty()).expect("Linux has had random numbers since 3.17");
    assert_eq!(length, N, "fewer random numbers than asked for");
    bytes
}

/// A number in 0..1, for jitter.
#[must_use]
pub fn fraction() -> f64 {
    f64::from(u32::from_ne_bytes(bytes())) / (f64::from(u32::MAX) + 1.0)
}

/// This many random bytes in hexadecimal, for names that must not be guessed.
#[must_use]
pub fn hex<const N: usize>() -> String {
    hexadecimal(&bytes::<N>())
}

/// These bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
