//! Tokens that are known to be replaced, rejected or unverified.
