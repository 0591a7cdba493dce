//! The dictionaries of D-Bus as fuzzers see them.

use imgurd_proto::{AddAccount, Error, Login};
use zbus::wire::LE;
use zbus::wire::serialized::{Context, Data};

use super::dictionary::{Dictionary, arguments};

/// Reads a dictionary from its bytes in a message, for the two methods that take one; what is said of an error, or nothing.
#[must_use]
pub fn dictionary(bytes: &[u8]) -> Option<String> {
    let data = Data::new(bytes.to_vec(), Context::new(LE, 0));
    let (given, _): (Dictionary, usize) = data.deserialize().ok()?;
    let read: Result<(Login, AddAccount), Error> =
        arguments(&given).and_then(|login| Ok((login, arguments(&given)?)));
    read.err().map(|error| error.to_string())
}
