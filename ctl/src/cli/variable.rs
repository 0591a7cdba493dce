//! Names of environment variables.

/// The variable for a token, unless the user names another.
pub(super) const DEFAULT: &str = "IMGUR_ACCESS_TOKEN";

/// A name as POSIX defines it; a shell cannot read any other.
pub(super) fn variable(name: &str) -> Result<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() || !name.chars().all(is_word) {
        return Err("use letters, digits and `_`, and no digit first".into());
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_posix_variable_names() {
        for name in ["TOKEN", "_t1", DEFAULT] {
            assert_eq!(variable(name).as_deref(), Ok(name));
        }
        for name in ["", "1T", "A=B", "A B", "A\0"] {
            assert!(variable(name).is_err(), "{name}");
        }
    }
}
