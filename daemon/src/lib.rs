//! The keeper of a person's Imgur OAuth 2.0 tokens. ARCHITECTURE.md has the map.

pub mod clock;
pub mod config;
pub mod grant;
pub mod keeper;
pub mod provider;
pub mod store;
