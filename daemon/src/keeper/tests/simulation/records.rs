//! The content of a record, for the checks.

use std::collections::BTreeSet;

use super::server::family_of;
use crate::grant::Record;

/// The consents whose grants were replaced.
pub(super) fn displaced(record: &Record) -> BTreeSet<u64> {
    let tokens = record.displaced.iter().filter_map(|it| it.grant.refresh_token.as_ref());
    tokens.filter_map(|token| family_of(token.expose())).collect()
}

/// The refresh tokens of grants in `record`.
pub(super) fn grants(record: &Record) -> impl Iterator<Item = String> + '_ {
    let grants = record.grants();
    grants.filter_map(|grant| grant.refresh_token.as_ref()).map(|token| token.expose().to_owned())
}

/// Whether `token` can still be used, restored or sent.
pub(super) fn holds(record: &Record, token: &str) -> bool {
    let grants = record.grants();
    let mut tokens =
        grants.filter_map(|grant| grant.refresh_token.as_ref()).chain(&record.previous_refresh_token);
    tokens.any(|held| held.expose() == token)
}

/// Whether `record` has the access token.
pub(super) fn has_access(record: &Record, token: &str) -> bool {
    let mut grants = record.grants();
    grants.any(|grant| grant.access.as_ref().is_some_and(|access| access.token.expose() == token))
}
