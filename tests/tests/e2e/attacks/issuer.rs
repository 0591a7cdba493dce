//! Servers that would get what another server was to get.
