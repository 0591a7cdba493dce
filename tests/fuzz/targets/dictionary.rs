//! Dictionaries in D-Bus arguments. They are read, or refused without repeating a secret.
#![no_main]

mod bounds;

use bounds::{assert_silent, bounded};
use imgurd::fuzzing::dictionary;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bounded(|| {
    if let Some(said) = dictionary(bytes) {
        assert_silent(&said);
    }
}));
