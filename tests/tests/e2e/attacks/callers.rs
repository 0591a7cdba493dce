//! Sandboxed programs that would pass for others.
