//! What people are told is true for their case, and names what helps.

mod callback;
mod settings;
mod sign_in;
mod token_endpoint;
