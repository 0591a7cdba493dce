//! What must be true of an account whenever everything that can happen immediately has happened.

use std::time::Duration;

use imgurd_proto::State;

use super::records::has_access;
use super::store::as_written;
use crate::grant::{Record, Timestamp};
use crate::keeper::account::{Verdict, Want};
use crate::keeper::slots::Slot;

pub(super) fn examine(slot: &Slot, durable: &Record, now: Timestamp) -> Result<(), String> {
    let account = &slot.account;
    let snapshot = account.snapshot(now);
    let state = snapshot.info.state;
    if snapshot.info.reason.is_none() && state != State::Fresh {
        return Err(format!("{state} has no reason"));
    }
    if let Verdict::Token(token) = snapshot.verdict(&Want::Valid(Duration::ZERO), false, None, now)
        && !snapshot.info.unsaved
        && !has_access(durable, token.access_token.expose())
    {
        return Err(format!(
            "{} is published, and neither stored nor `unsaved`",
            token.access_token.expose()
        ));
    }
    if account.wake_at(now).is_some_and(|at| at <= now) {
        return Err("it wants to wake at once, for ever".to_owned());
    }
    let Some(memory) = account.known().filter(|_| account.is_idle()) else { return Ok(()) };
    if account.needs_no_client_secret() && memory.client_secret.is_some() {
        return Err("the client's secret is in memory, and nothing needs it".to_owned());
    }
    let mut memory = memory.clone();
    if account.is_put_away() {
        memory.client_secret.clone_from(&durable.client_secret);
        memory.client_secret_issuer.clone_from(&durable.client_secret_issuer);
        memory.other_client_secrets.clone_from(&durable.other_client_secrets);
    }
    if !is_written(&memory, durable) {
        return Err("the store is said to be abreast, and is not".to_owned());
    }
    Ok(())
}

/// Whether the store has all of it. `next_generation` need not be saved before a grant uses it.
fn is_written(memory: &Record, durable: &Record) -> bool {
    Record { next_generation: durable.next_generation, ..as_written(memory) } == *durable
}
