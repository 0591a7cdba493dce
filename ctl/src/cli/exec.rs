//! `imgurctl exec`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  imgurctl exec -- ./upload.py cat.png
  imgurctl exec me --env TOKEN -- sh -c 'echo ${#TOKEN}'

The command replaces imgurctl, so that signals and the exit status are its own; 127 means that it was not found, and 126 \
that it could not be run. It keeps the token that it was started with, and your other programs can read its environment: \
a program that runs for long should ask for tokens itself.")]
pub(crate) struct ExecArgs {
    /// Account [default: the default account]
    pub(crate) account: Option<String>,
    /// The environment variable for the token
    #[arg(long, value_name = "NAME", default_value = "IMGUR_ACCESS_TOKEN", value_parser = variable)]
    pub(crate) env: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

/// A name as POSIX defines it; a shell cannot read any other.
fn variable(name: &str) -> Result<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() || !name.chars().all(is_word) {
        return Err("a variable's name has letters, digits and `_`, and no digit first".into());
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_a_variable_that_a_shell_can_read() {
        for name in ["TOKEN", "_t1"] {
            assert_eq!(variable(name).as_deref(), Ok(name));
        }
        for name in ["", "1T", "A=B", "A B", "A\0"] {
            assert!(variable(name).is_err(), "{name}");
        }
    }
}
