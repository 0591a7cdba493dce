//! Callers and servers that take more than their share.
