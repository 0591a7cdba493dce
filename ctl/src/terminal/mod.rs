//! Output and input.

pub(crate) mod advice;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod passphrase;
mod password_input;
mod qr_code;
pub(crate) mod table;
pub(crate) mod time;

pub(crate) use self::password_input::PasswordInput;
