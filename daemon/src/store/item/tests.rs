use std::time::Duration;

use imgurd_proto::text::printable_name;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::grant::{
    Access, ClientSecret, Displaced, Fingerprints, Grant, Issuer, Refusal, Secret, Timestamp,
};

fn timestamps() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_millis)
}

fn secrets() -> impl Strategy<Value = Secret> {
    any::<String>().prop_map(Secret::from)
}

fn accesses() -> impl Strategy<Value = Access> {
    (secrets(), any::<String>(), timestamps(), option::of(any::<Duration>()), any::<bool>()).prop_map(
        |(token, token_type, issued_at, lifetime, dead)| Access {
            token,
            token_type,
            issued_at,
            lifetime,
            dead,
            witnessed: false,
        },
    )
}

fn issuers() -> impl Strategy<Value = Issuer> {
    let optional = || any::<Option<String>>();
    (any::<String>(), any::<String>(), optional(), optional()).prop_map(
        |(client_id, origin, token_url, identifier)| Issuer { client_id, origin, token_url, identifier },
    )
}

fn grants() -> impl Strategy<Value = Grant> {
    let issuers = issuers();
    // Names are cleaned when they arrive, and again when a record is read.
    let name = || option::of(any::<String>().prop_map(|name| printable_name(&name)));
    let user = (name(), name());
    (any::<u64>(), issuers, option::of(secrets()), option::of(accesses()), user, timestamps(), any::<u32>())
        .prop_map(|(generation, issuer, refresh_token, access, (username, account_id), granted_at, kept)| {
            Grant {
                generation,
                issuer,
                refresh_token,
                access,
                username,
                account_id,
                scope: (kept % 3 == 1).then(|| "read write".to_owned()),
                granted_at,
                kept,
                refresh_expires_at: None,
                lacks_new_refresh_token: false,
                unverified: kept % 2 == 1,
            }
        })
}

fn fingerprints(secret: Option<&Secret>) -> Fingerprints {
    let mut fingerprints = Fingerprints::default();
    if let Some(secret) = secret {
        fingerprints.note(secret, 8);
    }
    fingerprints
}

fn records() -> impl Strategy<Value = Record> {
    let displaced = (grants(), timestamps()).prop_map(|(grant, at)| Displaced { grant, at });
    let refusals =
        (timestamps(), any::<bool>(), any::<bool>()).prop_map(|(first_at, confirmed, previous_tried)| {
            Refusal { first_at, confirmed, previous_tried, witnessed: false }
        });
    let others = (issuers(), secrets()).prop_map(|(issuer, secret)| ClientSecret { issuer, secret });
    (
        option::of(secrets()),
        option::of(grants()),
        option::of(secrets()),
        prop::collection::vec(displaced, 0..3),
        option::of(timestamps()),
        option::of(refusals),
        any::<u64>(),
        (option::of(issuers()), prop::collection::vec(others, 0..3)),
    )
        .prop_map(
            |(
                client_secret,
                grant,
                previous_refresh_token,
                displaced,
                in_flight,
                refusal,
                next_generation,
                (client_secret_issuer, other_client_secrets),
            )| Record {
                proven: fingerprints(client_secret.as_ref()),
                client_secret,
                grant,
                replaced: fingerprints(previous_refresh_token.as_ref()),
                previous_refresh_token,
                displaced,
                in_flight,
                refusal,
                next_generation,
                client_secret_issuer,
                other_client_secrets,
                saved_at: in_flight,
                is_outdated: false,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decodes_what_it_encoded(record in records()) {
        prop_assert_eq!(decode("mytoken", &encode(&record).unwrap()), Ok(record));
    }

    #[test]
    fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode("mytoken", &bytes);
    }
}

#[test]
fn ignores_unknown_fields() {
    let item = br#"{"version":1,"next_generation":7,"added_later":{"x":1}}"#;
    assert_eq!(decode("mytoken", item), Ok(Record { next_generation: 7, ..Record::default() }));
}

#[test]
fn refuses_an_item_of_a_newer_version() {
    let item = br#"{"version":2,"grant":"in another shape"}"#;
    assert!(
        matches!(decode("mytoken", item), Err(StoreError::Newer(reason)) if reason.ends_with("update imgurd"))
    );
    assert!(may_replace("mytoken", item).is_err());
}

#[test]
fn errors_do_not_quote_a_damaged_item() {
    for item in [
        &b"hunter2"[..],
        br#"{"version":"hunter2"}"#,
        br#"{"version":1,"grant":"hunter2"}"#,
        b"{}",
        b"",
        b"\xff",
    ] {
        let Err(StoreError::Unavailable(reason)) = decode("mytoken", item) else {
            panic!("a damaged item is refused")
        };
        assert!(reason.contains("damaged") && !reason.contains("hunter2"), "{reason}");
        assert!(may_replace("mytoken", item).is_err());
    }
}

/// A record of the first version (commit 1589e42), before there were optional fields.
const FIRST_VERSION: &str = include_str!("first-version.json");

#[test]
fn reads_the_format_of_the_first_version_without_loss() {
    let record = decode("mytoken", FIRST_VERSION.as_bytes()).unwrap();
    let grant = record.grant.as_ref().unwrap();
    assert_eq!(grant.access.as_ref().unwrap().lifetime, Some(Duration::from_hours(1)));
    assert_eq!((grant.generation, grant.kept, grant.refresh_expires_at), (7, 3, None));
    let written = encode(&record).unwrap();
    assert_eq!(std::str::from_utf8(&written).unwrap(), FIRST_VERSION.trim_end());
}
