//! The format of every message on the local socket: JSON objects, each ended by a NUL byte
//! (<https://varlink.org/Method-Call>).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The largest message either side takes, in bytes, its NUL included.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Room for a usual message, in bytes: a buffer that is outgrown is copied, and wiped.
const USUAL: usize = 512;

/// `message` as it is sent: JSON and a NUL byte.
pub fn frame(message: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut bytes, message)?;
    bytes.push(0);
    Ok(bytes)
}

/// A method call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call<'a, P> {
    /// Interface and method, such as `org.imgurd.Keeper1.GetToken`.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// The arguments; absent means none.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub parameters: Option<P>,
    /// The caller takes a stream of answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The caller wants no answer at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oneway: bool,
}

/// An answer that is no error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply<P> {
    /// What the method gives back.
    pub parameters: P,
    /// Whether another answer follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

/// The protocol's own errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum ServiceError {
    /// There is no such interface here.
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    #[error("the daemon has no interface {interface}")]
    InterfaceNotFound {
        /// The interface asked for.
        interface: String,
    },
    /// The interface has no such method.
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    #[error("the daemon has no method {method}; update imgurd if it is older than this client")]
    MethodNotFound {
        /// The method asked for.
        method: String,
    },
    /// A parameter is missing or of another type.
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    #[error("the daemon rejects the parameter {parameter}")]
    InvalidParameter {
        /// Which one.
        parameter: String,
    },
    /// The method answers with a stream, and the call did not say `more`.
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    #[error("the method returns a stream; call it with `more`")]
    ExpectedMore {},
}

/// What `org.varlink.service.GetInfo` answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// Who made the service.
    pub vendor: String,
    /// Its name.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Where to read about it.
    pub url: String,
    /// The interfaces it has.
    pub interfaces: Vec<String>,
}
