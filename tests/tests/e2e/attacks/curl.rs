//! Arguments of `imgurctl curl` that would take the token elsewhere.
