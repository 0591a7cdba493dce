//! Features that other servers have and Imgur does not: metadata, device codes, revocation, issuers in answers, other
//! token types.

mod device;
mod discovery;
mod revocation;
mod sign_in;
