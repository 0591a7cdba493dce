//! The format of every message on the local socket: JSON objects, each ended by a NUL byte
//! (<https://varlink.org/Method-Call>).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The largest message that either side accepts, in bytes, including its NUL.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The buffer size for a usual message, in bytes. An outgrown buffer would be copied, and wiped.
const USUAL: usize = 512;

/// Encodes `message` as JSON and a NUL byte.
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
    /// The caller accepts a stream of answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// The caller wants no answer at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oneway: bool,
}

/// An answer that is not an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply<P> {
    /// The result of the method.
    pub parameters: P,
    /// Whether another answer follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

/// The protocol's own errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum ServiceError {
    /// There is no such interface.
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    #[error("the daemon has no interface {interface}")]
    InterfaceNotFound {
        /// The requested interface.
        interface: String,
    },
    /// The interface has no such method.
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    #[error("the daemon has no method {method}; update imgurd if it is older than this client")]
    MethodNotFound {
        /// The requested method.
        method: String,
    },
    /// A parameter is missing or has the wrong type.
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    #[error("the daemon rejects the parameter {parameter}")]
    InvalidParameter {
        /// The name of the parameter.
        parameter: String,
    },
    /// The method returns a stream, but the call did not contain `more`.
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    #[error("the method returns a stream; call it with `more`")]
    ExpectedMore {},
}

/// The answer of `org.varlink.service.GetInfo`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// The vendor of the service.
    pub vendor: String,
    /// The name of the service.
    pub product: String,
    /// The version of the service.
    pub version: String,
    /// The address of its documentation.
    pub url: String,
    /// Its interfaces.
    pub interfaces: Vec<String>,
}
