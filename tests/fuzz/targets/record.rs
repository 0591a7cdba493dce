//! The record of an account in the store. It is read, or counts as damaged. A record that is read can be saved again,
//! and the keeper works with it, whatever its dates are.
#![no_main]

mod bounds;

use std::sync::Arc;

use bounds::{assert_silent, bounded};
use imgurd::config::{AccountConfig, RefreshPolicy};
use imgurd::fuzzing::{decode_item, encode_item};
use imgurd::grant::{Record, Timestamp};
use imgurd::keeper::Calls;
use imgurd::keeper::account::{Event, Machine, Now};
use imgurd_proto::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|item: &[u8]| bounded(|| read(item)));

fn read(item: &[u8]) {
    match decode_item(item) {
        Ok(record) => {
            let kept = encode_item(&record).expect("a record that was read can be encoded");
            assert_eq!(decode_item(&kept).as_ref(), Ok(&record));
            live_with(record);
        }
        Err(error) => assert_silent(&error.to_string()),
    }
}

fn live_with(record: Record) {
    let settings = Settings { client_id: Some("fuzz".to_owned()), ..Settings::default() };
    let config = AccountConfig::new(settings, RefreshPolicy::default()).expect("the settings are valid");
    let at = Timestamp::from_millis(1_700_000_000_000);
    let mut now = Now { at, dice: 0.5, calls: Calls::default() };
    let (account, _) = Machine::new("fuzz".to_owned(), Arc::new(config), now);
    let (mut account, _) = account.step(Event::Loaded(Ok(Some(record))), now);
    for _ in 0..3 {
        let _ = account.snapshot(now.at);
        if let Some(at) = account.wake_at(now.at) {
            now.at = at;
        }
        (account, _) = account.step(Event::Tick, now);
    }
}
