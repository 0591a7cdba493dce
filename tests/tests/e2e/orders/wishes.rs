//! What a person asks for while the store or the server does not answer.
