//! Messages are true in their situation, and name the next step.

mod callback;
mod settings;
mod sign_in;
mod token_endpoint;
