//! imgurd
