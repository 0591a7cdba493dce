//! Messages are true in their situation, and name what helps.

mod callback;
mod settings;
mod sign_in;
mod token_endpoint;
