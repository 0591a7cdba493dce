//! The daemon's lives, from a start to a crash or a stop, on a runtime whose time is virtual.

use std::sync::Arc;

use imgurd_proto::Settings;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::chance::Chance;
use super::clock::SimulatedClock;
use super::schedule::{Driver, End};
use super::store::{SimulatedStore, as_written};
use super::wire::SimulatedProvider;
use super::world::{NAMES, Shared, Tally, World, secret_for};
use crate::config::{AccountConfig, RefreshPolicy};
use crate::grant::{Access, Grant, Record};
use crate::keeper::Keeper;
use crate::keeper::actor::{Actor, spawn_with_dice};

/// How many events happen in a run, in addition to the first few.
const HAPPENINGS: u64 = 12;

/// The result of a run.
pub(super) struct Outcome {
    pub(super) tally: Tally,
    pub(super) fingerprint: u64,
    pub(super) violation: Option<String>,
}

/// Runs the schedule of `seed`, and prints its events if `is_told`.
pub(super) fn run(seed: u64, is_told: bool) -> Outcome {
    let world = World::new(seed, is_told);
    let mut chance = Chance::new(seed, 0);
    let mut left = u32::try_from(8 + chance.below(HAPPENINGS)).unwrap();
    furnish(&world, &mut chance);
    loop {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (end, rest) = runtime.block_on(live(&world, Chance::new(chance.next(), 9), left));
        drop(runtime);
        // A crash uses up some of the remaining events, or a run would never end.
        left = rest.min(left.saturating_sub(3));
        let mut guarded = world.lock().unwrap();
        if end == End::Finished || guarded.violation.is_some() {
            return Outcome {
                tally: guarded.tally,
                fingerprint: guarded.fingerprint,
                violation: guarded.violation.clone(),
            };
        }
        guarded.event("ends", 0, || format!("{end:?}"));
        guarded.aftermath();
        if chance.one_in(3) {
            guarded.time.reboot();
            let day = 86_400_000;
            guarded.time.offset = chance.pick(&[0, 0, 0, 3_000, -53 * 365 * day, 12 * 365 * day]);
        }
    }
}

/// Gives most accounts a grant before the first life.
fn furnish(world: &Shared, chance: &mut Chance) {
    for name in NAMES {
        if !chance.one_in(5) {
            sign_in(world, name);
        }
    }
}

/// Signs Alice in before the first life.
pub(super) fn sign_in(world: &Shared, name: &'static str) {
    let mut world = world.lock().unwrap();
    let (client, truth, now) = (world.client(name), world.time.truth(), world.time.wall());
    let tokens = world.server.consent("alice", &client, truth);
    world.knows(name).consented(&tokens);
    let access = Access {
        token: tokens.access_token.unwrap(),
        token_type: tokens.token_type,
        issued_at: now,
        lifetime: tokens.expires_in.map(|secs| std::time::Duration::from_secs(secs.unsigned_abs())),
        dead: false,
        witnessed: false,
    };
    let token_url = world.settings[name].token_url();
    let settings = Settings {
        client_id: Some(world.client_id(name)),
        auth_url: Some(token_url.clone()),
        token_url: Some(token_url.clone()),
        ..Settings::default()
    };
    let issuer = AccountConfig::new(settings, RefreshPolicy::default()).unwrap().issuer();
    let grant = Grant {
        generation: 1,
        issuer: issuer.clone(),
        refresh_token: tokens.refresh_token,
        access: Some(access),
        username: tokens.username,
        account_id: tokens.account_id,
        scope: None,
        granted_at: now,
        kept: 0,
        lacks_new_refresh_token: false,
        refresh_expires_at: None,
        unverified: false,
    };
    let client_secret = Some(secret_for(&token_url));
    let record = Record {
        client_secret,
        client_secret_issuer: Some(issuer),
        grant: Some(grant),
        next_generation: 1,
        ..Record::default()
    };
    world.store.durable.insert(name.to_owned(), as_written(&record));
}

async fn live(world: &Shared, chance: Chance, left: u32) -> (End, u32) {
    let keeper = start(world);
    let death = world.lock().unwrap().death.clone();
    let driver = tokio::spawn(Driver::new(world.clone(), keeper, chance).run(left));
    let end = tokio::select! {
        biased;
        () = death.notified() => (End::Crash, left.saturating_sub(1)),
        end = driver => end.unwrap(),
    };
    world.lock().unwrap().time.end_life();
    end
}

/// Starts the keeper in this world, and a task that looks at it after each event.
pub(super) fn start(shared: &Shared) -> Keeper {
    let (config, stir) = {
        let mut world = shared.lock().unwrap();
        world.begin_life();
        world.event("starts", 0, String::new);
        (world.config(), world.stir.clone())
    };
    let dice = shared.clone();
    let keeper = spawn_with_dice(
        &config,
        Arc::new(SimulatedProvider(shared.clone())),
        Arc::new(SimulatedStore(shared.clone())),
        Arc::new(SimulatedClock(shared.clone())),
        Box::new(move || dice.lock().unwrap().roll()),
    );
    let (auditor, world) = (keeper.clone(), shared.clone());
    tokio::spawn(async move {
        loop {
            stir.notified().await;
            look(&world, &auditor).await;
        }
    });
    keeper
}

/// Looks at the keeper once it has done everything for this instant.
pub(super) async fn look(world: &Shared, keeper: &Keeper) {
    let (seen, done) = oneshot::channel();
    let inspected = world.clone();
    let inspect = Box::new(move |actor: &mut Actor| {
        let mut world = inspected.lock().unwrap();
        if !world.is_dead() {
            world.look(actor.slots.all());
        }
        let _ = seen.send(());
    });
    let _ = keeper.messages.send(inspect).await;
    if done.await.is_err() {
        world.lock().unwrap().judge(Err("the keeper has ended".to_owned()));
    }
}
