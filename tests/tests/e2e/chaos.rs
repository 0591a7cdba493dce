//! A few fixed random sequences; `make chaos` runs new ones.

use imgurd_tests::chaos::{self, Store};

fn break_no_promise(store: Store) {
    for seed in 1..=4 {
        chaos::one(store, seed).unwrap();
    }
}

#[test]
fn random_operations_break_no_promise_with_the_file_store() {
    break_no_promise(Store::File);
}

#[test]
fn random_operations_break_no_promise_with_the_keyring() {
    break_no_promise(Store::Keyring);
}

#[test]
fn random_operations_break_no_promise_with_the_memory_store() {
    break_no_promise(Store::Memory);
}
