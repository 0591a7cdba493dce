//! Checks the arguments of calls.

use std::time::Duration;

use imgurd_proto::text::{credential, not_a_credential};
use imgurd_proto::{DEFAULT_WAIT_MS, Error, Secret, import};

/// A credential without the white space and quotes around it. Characters that RFC 6749, appendix A, does not allow are
/// refused.
pub(super) fn bare(field: &str, text: &Secret) -> Result<Secret, Error> {
    credential(text.expose()).map(Secret::from).ok_or_else(|| Error::invalid(field, not_a_credential(field)))
}

/// A client secret, bare or after its name: `CLIENT_SECRET="…"`, `{"client_secret": "…"}`.
pub(super) fn client_secret(text: &Secret) -> Result<Secret, Error> {
    import::client_secret(text.expose()).map_or_else(|| bare("client_secret", text), Ok)
}

/// A client secret; an empty one means none.
pub(super) fn secret_or_none(text: Secret) -> Result<Secret, Error> {
    if text.is_empty() { Ok(text) } else { client_secret(&text) }
}

/// An access token, bare, after `Bearer`, or as the whole header.
pub(super) fn access_token(text: &Secret) -> Result<Secret, Error> {
    let text = bare("access_token", text)?;
    let behind = |text: &'_ str, word: &str| -> Option<usize> {
        text.get(..word.len()).filter(|begin| begin.eq_ignore_ascii_case(word)).map(str::len)
    };
    let header = text.expose();
    let header = behind(header, "authorization:").map_or(header, |at| header[at..].trim_start());
    let token = behind(header, "bearer ").map_or(header, |at| &header[at..]);
    let token = bare("access_token", &token.into())?;
    let is_scheme = |token: &Secret| token.expose().eq_ignore_ascii_case("bearer");
    if token.expose().contains(' ') || token.expose().starts_with('{') || is_scheme(&token) {
        let reason =
            "this is not just an access token; pass only the rejected one, as `imgurctl token` prints it";
        return Err(Error::invalid("access_token", reason));
    }
    Ok(token)
}

pub(super) fn patience(wait_ms: Option<i64>) -> Result<Duration, Error> {
    span("wait_ms", wait_ms.unwrap_or(DEFAULT_WAIT_MS), Duration::from_millis)
}

pub(super) fn span(field: &str, number: i64, unit: impl Fn(u64) -> Duration) -> Result<Duration, Error> {
    let number = u64::try_from(number).map_err(|_| {
        Error::invalid(field, format!("{field} is negative; give 0 or more, or leave it out"))
    })?;
    Ok(unit(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reads_its_own_output_and_never_quotes_rejected_text(
            text in "(Authorization: ?)?([Bb]earer )?[\"' ]?([!-~]{6,60}|\\PC{6,60}|.{6,60})",
        ) {
            match access_token(&text.as_str().into()) {
                Ok(token) => prop_assert_eq!(access_token(&token).ok(), Some(token)),
                Err(error) => prop_assert!(!error.to_string().contains(&text), "{}", error),
            }
        }
    }

    #[test]
    fn reads_a_client_secret_after_its_name() {
        let read = |text: &str| client_secret(&text.into()).ok().map(|secret| secret.expose().to_owned());
        for text in [
            "fake=secret:1",
            "CLIENT_SECRET=fake=secret:1",
            "export IMGUR_CLIENT_SECRET=\"fake=secret:1\"",
            "client_secret: fake=secret:1\n",
            "\"clientSecret\": \"fake=secret:1\",",
            "{\"client_id\":\"cid\",\"client_secret\":\"fake=secret:1\"}",
            "CLIENT_ID=cid\nCLIENT_SECRET='fake=secret:1' # mine\n",
        ] {
            assert_eq!(read(text).as_deref(), Some("fake=secret:1"), "{text}");
        }
    }

    #[test]
    fn reads_a_rejected_token_from_a_header_or_alone() {
        let read = |text: &str| access_token(&text.into()).ok().map(|token| token.expose().to_owned());
        for text in [
            "T0k.en~-",
            " T0k.en~-\r\n",
            "\"T0k.en~-\"",
            "Bearer T0k.en~-",
            "bearer  T0k.en~-",
            "Authorization: Bearer T0k.en~-",
            "authorization:Bearer T0k.en~-\n",
            "\u{feff}T0k.en~-",
            "'Bearer T0k.en~-'",
        ] {
            assert_eq!(read(text).as_deref(), Some("T0k.en~-"), "{text:?}");
        }
        for text in [
            "",
            "\"\"",
            "Bearer",
            "Bearer ",
            "two words",
            "T\nX: y",
            "T\0",
            "{\"access_token\":\"T\"}",
            "\u{e9}",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
