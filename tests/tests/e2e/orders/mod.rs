//! Orders of events in which a grant could be lost, sent elsewhere, or used after its end.

mod issuer;
mod requests;
mod superseded;
