//! Orders of events in which a grant could be lost, sent elsewhere or served when dead.

mod issuer;
mod requests;
mod superseded;
