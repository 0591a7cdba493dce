//! The address of a bus (D-Bus Specification, "Server Addresses").

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::paths::runtime_directory;

/// The usual address of the system bus.
const SYSTEM_BUS: &str = "/var/run/dbus/system_bus_socket";

/// An address of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusAddress {
    /// A socket in the file system.
    Path(PathBuf),
    /// A socket with an abstract name (unix(7)).
    Abstract(OsString),
    /// Another transport, such as `tcp:host=localhost,port=1234`, unparsed.
    Other(String),
}

/// The addresses of the user's bus, in the order of attempts: `DBUS_SESSION_BUS_ADDRESS`, or else
/// `$XDG_RUNTIME_DIR/bus`.
///
/// # Errors
/// If the variable has no usable address. The text is the beginning of a sentence.
pub fn session_bus() -> Result<Vec<BusAddress>, String> {
    addresses("DBUS_SESSION_BUS_ADDRESS", runtime_directory().join("bus"))
}

/// The addresses of the system bus: `DBUS_SYSTEM_BUS_ADDRESS`, or else the usual one.
///
/// # Errors
/// Like [`session_bus`].
pub fn system_bus() -> Result<Vec<BusAddress>, String> {
    addresses("DBUS_SYSTEM_BUS_ADDRESS", SYSTEM_BUS.into())
}

fn addresses(variable: &str, default: PathBuf) -> Result<Vec<BusAddress>, String> {
    match env::var_os(variable).as_deref().map(OsStr::to_string_lossy) {
        Some(text) if !text.is_empty() => parse(&text).map_err(|why| format!("{variable} {why}")),
        _ => Ok(vec![BusAddress::Path(default)]),
    }
}

/// Parses a list of addresses. Skips those that cannot be used, unless there is no other.
fn parse(list: &str) -> Result<Vec<BusAddress>, String> {
    let parsed: Vec<_> = list.split(';').filter(|entry| !entry.is_empty()).map(address).collect();
    let usable: Vec<_> = parsed.iter().filter_map(|it| it.as_ref().ok().cloned()).collect();
    if usable.is_empty() {
        let why = parsed.into_iter().find_map(Result::err);
        return Err(why.unwrap_or_else(|| "contains no address".to_owned()));
    }
    Ok(usable)
}

fn address(entry: &str) -> Result<BusAddress, String> {
    let (transport, parameters) = entry.split_once(':').ok_or("contains text that is not an address")?;
    let value = |wanted: &str| {
        let pairs = parameters.split(',').filter_map(|pair| pair.split_once('='));
        let found = pairs.filter(|(key, _)| *key == wanted).map(|(_, value)| value).next()?;
        Some(OsString::from_vec(percent_decode_str(found).collect()))
    };
    match transport {
        "unix" => value("path")
            .map(|path| BusAddress::Path(path.into()))
            .or_else(|| value("abstract").map(BusAddress::Abstract))
            .ok_or_else(|| "has a unix address with neither path nor abstract".to_owned()),
        "autolaunch" => Err("asks for a bus to be launched, which imgurd does not do".to_owned()),
        _ => Ok(BusAddress::Other(entry.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> BusAddress {
        BusAddress::Path(path.into())
    }

    #[test]
    fn parses_a_list_of_addresses_in_order() {
        for (list, expected) in [
            ("unix:path=/run/bus", vec![path("/run/bus")]),
            ("unix:path=/a;unix:path=/b,guid=00112233;", vec![path("/a"), path("/b")]),
            ("unix:guid=00,path=/a%20b%2cc%3b", vec![path("/a b,c;")]),
            ("unix:abstract=/run/dbus-x,guid=00", vec![BusAddress::Abstract("/run/dbus-x".into())]),
            ("autolaunch:;unix:path=/a", vec![path("/a")]),
            ("tcp:host=localhost,port=1", vec![BusAddress::Other("tcp:host=localhost,port=1".to_owned())]),
        ] {
            assert_eq!(parse(list), Ok(expected), "{list}");
        }
    }

    #[test]
    fn says_why_an_address_cannot_be_used() {
        for (list, why) in [
            ("autolaunch:", "launched"),
            ("/run/bus", "not an address"),
            ("unix:dir=/tmp", "neither"),
            (";", "contains"),
        ] {
            assert!(parse(list).is_err_and(|said| said.contains(why)), "{list}");
        }
    }
}
