//! A month of a laptop, as the programs on it see it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Error, Secret, Token};
use tokio::runtime::Builder;

use super::calls::wait;
use super::chance::Chance;
use super::life::{sign_in, start};
use super::server::{Mood, Rotation};
use super::world::{Shared, World};
use crate::keeper::Keeper;

const ACCOUNT: &str = "a";
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const WAIT: Duration = Duration::from_secs(20);

/// What the programs saw.
#[derive(Debug, Default)]
struct Figures {
    calls: u32,
    kills: u32,
    gaps: u32,
    sleeps: u32,
    /// Calls to the API with a token that another program had invalidated.
    failed_after_a_kill: u32,
    /// Calls to the API with a token whose successor was on its way to the keeper.
    failed_while_replaced: u32,
    /// Tokens that were invalid for another reason when they were handed out.
    dead: u32,
    /// Tokens that were returned after a rejection, and did not work either.
    dead_after_rejection: u32,
    /// Requests for a token that failed temporarily, all while the network or the server was down.
    unavailable: u32,
}

struct Month {
    world: Shared,
    keeper: Keeper,
    chance: Chance,
    figures: Figures,
    /// Tokens that another program has invalidated.
    killed: BTreeSet<String>,
    /// Until when the network or the server is down, in time awake.
    away_until: Duration,
}

impl Month {
    fn truth(&self) -> Duration {
        self.world.lock().unwrap().time.truth()
    }

    fn accepts(&self, token: &str) -> bool {
        let world = self.world.lock().unwrap();
        world.server.accepts(token, world.time.truth())
    }

    async fn live(&mut self) {
        while self.truth() < 30 * DAY {
            let pause = self.chance.span(6 * MINUTE);
            wait(&self.world, pause).await;
            self.recover().await;
            match self.chance.below(240) {
                0 => self.somebody_else_refreshes(),
                1..3 => self.goes_away(),
                3 => self.sleeps().await,
                _ => self.program_calls().await,
            }
        }
    }

    /// Another program of the user with the same client ID invalidates the token.
    fn somebody_else_refreshes(&mut self) {
        let mut world = self.world.lock().unwrap();
        let current = world.knowledge[ACCOUNT].seen.access.as_ref().map(|it| it.token.expose().to_owned());
        if let Some(token) = current {
            world.server.kill(&token);
            self.figures.kills += 1;
            self.killed.insert(token);
        }
    }

    /// The network or the server is down for a while.
    fn goes_away(&mut self) {
        let mood = self.chance.pick(&[Mood::Unreachable, Mood::Unreachable, Mood::Overloaded, Mood::Portal]);
        let span = self.chance.span(HOUR);
        let mut world = self.world.lock().unwrap();
        world.server.mood = mood;
        self.away_until = world.time.awake() + span;
        self.figures.gaps += 1;
    }

    async fn recover(&mut self) {
        let was_unreachable = {
            let mut world = self.world.lock().unwrap();
            if world.server.mood == Mood::Fine || world.time.awake() < self.away_until {
                return;
            }
            std::mem::replace(&mut world.server.mood, Mood::Fine) == Mood::Unreachable
        };
        if was_unreachable {
            self.keeper.online().await;
        }
    }

    async fn sleeps(&mut self) {
        let span = self.chance.pick(&[MINUTE, HOUR, 8 * HOUR, 8 * HOUR]);
        self.keeper.sleep().await;
        self.world.lock().unwrap().time.suspend(span);
        self.keeper.awake().await;
        self.figures.sleeps += 1;
        self.program_calls().await;
    }

    async fn program_calls(&mut self) {
        self.figures.calls += 1;
        let result = self.keeper.token(Some(ACCOUNT), None, WAIT).await;
        let Some(token) = self.expect_token(result) else { return };
        if self.accepts(&token) {
            return;
        }
        // The API answers 401.
        let is_killed = self.killed.remove(&token);
        let is_replaced = self.world.lock().unwrap().wire.is_being_replaced(ACCOUNT);
        match (is_killed, is_replaced) {
            (true, _) => self.figures.failed_after_a_kill += 1,
            (false, true) => self.figures.failed_while_replaced += 1,
            (false, false) => self.figures.dead += 1,
        }
        let another = self.keeper.reject(Some(ACCOUNT), Secret::from(token), WAIT).await;
        if let Some(another) = self.expect_token(another)
            && !self.accepts(&another)
        {
            self.figures.dead_after_rejection += 1;
        }
    }

    fn expect_token(&mut self, result: Result<Arc<Token>, Error>) -> Option<String> {
        match result {
            Ok(token) => Some(token.access_token.expose().to_owned()),
            Err(Error::TemporarilyUnavailable { .. }) if self.is_away() => {
                self.figures.unavailable += 1;
                None
            }
            Err(error) => panic!("at {:?}: {error}", self.truth()),
        }
    }

    /// Whether the server is down, or was until recently, so that imgurd has not retried yet or the server asked for
    /// a pause of up to an hour.
    fn is_away(&self) -> bool {
        let world = self.world.lock().unwrap();
        world.server.mood != Mood::Fine || world.time.awake() < self.away_until + HOUR + 10 * MINUTE
    }
}

#[test]
fn in_a_month_only_tokens_ended_elsewhere_make_calls_fail() {
    let world = World::new(30, false);
    {
        let mut world = world.lock().unwrap();
        world.server.rotation = Rotation::Grace;
        world.server.one_live = true;
        world.server.expires_in = Some(3600);
        world.server.slowest = Duration::from_secs(2);
    }
    sign_in(&world, ACCOUNT);
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let figures = runtime.block_on(async {
        let keeper = start(&world);
        let mut month = Month {
            world: world.clone(),
            keeper,
            chance: Chance::new(30, 7),
            figures: Figures::default(),
            killed: BTreeSet::new(),
            away_until: Duration::ZERO,
        };
        month.live().await;
        month.figures
    });
    let world = world.lock().unwrap();
    println!("{figures:?}, {} requests to the server", world.tally.refreshes);
    assert_eq!(world.violation, None);
    assert!(figures.kills > 10 && figures.gaps > 20 && figures.sleeps > 10, "{figures:?}");
    assert_eq!(figures.dead, 0);
    assert_eq!(figures.dead_after_rejection, 0);
    assert!(figures.failed_after_a_kill <= figures.kills);
}
