//! Names and secrets with characters that a terminal, a header or the bus would obey.
