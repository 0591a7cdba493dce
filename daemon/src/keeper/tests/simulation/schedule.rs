//! The schedule of a seed: what callers, the user, the server, the store, the clock and the machine do next.

use std::time::Duration;

use imgurd_proto::Secret;
use tokio::task::JoinHandle;

use super::calls::{Change, Kind, call, change, wait};
use super::chance::Chance;
use super::life::look;
use super::server::Mood as ServerMood;
use super::store::Mood as StoreMood;
use super::world::{NAMES, Shared};
use crate::keeper::Keeper;
use crate::provider::TokenRequest;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// How a life of the daemon ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its tasks disappear in an instant.
    Crash,
    /// It was told to stop, and had time for it.
    Stopped,
    /// The schedule is over.
    Finished,
}

/// Makes the events of one life happen.
pub(super) struct Driver {
    world: Shared,
    keeper: Keeper,
    chance: Chance,
    callers: Vec<(u64, JoinHandle<()>)>,
}

impl Driver {
    pub(super) fn new(world: Shared, keeper: Keeper, chance: Chance) -> Self {
        Self { world, keeper, chance, callers: Vec::new() }
    }

    /// Makes up to `many` events happen.
    pub(super) async fn run(mut self, mut many: u32) -> (End, u32) {
        while many > 0 {
            many -= 1;
            let pause = self.pause();
            wait(&self.world, pause).await;
            let end = self.happen().await;
            // Twice, because a new task may send its message after the first look's.
            look(&self.world, &self.keeper).await;
            look(&self.world, &self.keeper).await;
            self.world.lock().unwrap().note_rejected();
            if end != End::Finished {
                return (end, many);
            }
        }
        self.calm().await;
        (End::Finished, 0)
    }

    fn pause(&mut self) -> Duration {
        let longest = match self.world.lock().unwrap().server.expires_in {
            Some(..600) => 3,
            _ => 240,
        };
        let longest = Duration::from_mins(longest);
        let typical = [20, 200, 3_000, 3_000, 70_000, 70_000, 400_000].map(Duration::from_millis);
        let span = if self.chance.one_in(30) { longest } else { self.chance.pick(&typical) };
        self.chance.span(span.min(longest))
    }

    fn account(&mut self) -> &'static str {
        if self.chance.one_in(4) { NAMES[1] } else { NAMES[0] }
    }

    async fn happen(&mut self) -> End {
        match self.chance.below(100) {
            0..30 => self.callers_come(),
            30..34 => self.one_leaves(),
            34..52 => {
                self.user_acts();
            }
            52..54 => self.user_acts_and_reconfigures().await,
            54..58 => {
                let (account, what) = (self.account(), self.chance.below(4));
                self.configures(account, what).await;
            }
            58..70 => self.server_turns(),
            70..82 => self.store_turns(),
            82..88 => self.clock_is_set(),
            88..92 => self.machine_sleeps().await,
            92 => self.keeper.online().await,
            93 => self.login_is_pending().await,
            94 => self.unlocks(),
            95 => return self.stops().await,
            96 => self.world.lock().unwrap().die(),
            _ => {
                let events = u32::try_from(self.chance.below(12) + 1).unwrap();
                self.world.lock().unwrap().dies_after = Some(events);
            }
        }
        End::Finished
    }

    fn callers_come(&mut self) {
        let account = self.account();
        let several = if self.chance.one_in(6) { 4 } else { 1 };
        for _ in 0..several {
            let patience = self.chance.pick(&[0, 1, 5, 20, 20, 20, 60, 900]);
            let kind = self.kind(account);
            self.callers.push(call(&self.world, &self.keeper, account, kind, patience * SECOND));
        }
    }

    fn kind(&mut self, account: &'static str) -> Kind {
        let least = self.chance.pick(&[None, None, Some(Duration::ZERO), Some(60 * SECOND), Some(HOUR)]);
        let (one, other) = (self.chance.below(10), self.chance.one_in(3));
        let world = self.world.lock().unwrap();
        let current =
            world.knowledge[account].seen.access.as_ref().map(|access| access.token.expose().to_owned());
        match (one, current) {
            (0..6, _) | (8.., None) => Kind::Get { min_valid: least },
            (6..8, _) => Kind::Refresh,
            (8.., Some(current)) => {
                // A token of a replaced grant, if there is one.
                let durable = world.durable(account);
                let older = durable.displaced.last().and_then(|it| it.grant.access.as_ref());
                let older = older.map_or("nonsense".to_owned(), |access| access.token.expose().to_owned());
                Kind::Reject(if other { older } else { current })
            }
        }
    }

    fn one_leaves(&mut self) {
        if self.callers.is_empty() {
            return;
        }
        let index = usize::try_from(self.chance.below(u64::try_from(self.callers.len()).unwrap())).unwrap();
        let (number, caller) = self.callers.swap_remove(index);
        caller.abort();
        self.world.lock().unwrap().calls.leave(number);
    }

    /// Makes a request, and changes the configuration before it is done.
    async fn user_acts_and_reconfigures(&mut self) {
        let account = self.user_acts();
        look(&self.world, &self.keeper).await;
        look(&self.world, &self.keeper).await;
        let pause = self.chance.span(SECOND);
        wait(&self.world, pause).await;
        let what = self.chance.below(4);
        self.configures(account, what).await;
    }

    fn user_acts(&mut self) -> &'static str {
        let account = self.account();
        let user = if self.chance.one_in(4) { "bob" } else { "alice" };
        let (replace, other) = (self.chance.one_in(2), self.chance.one_in(2));
        let wanted = match self.chance.below(20) {
            0..4 => {
                let mut world = self.world.lock().unwrap();
                let (client, truth) = (world.client(account), world.time.truth());
                Change::Accept(world.server.consent(user, &client, truth), replace)
            }
            4..8 => {
                let code = TokenRequest::Code {
                    code: Secret::from(user),
                    verifier: None,
                    redirect_uri: None,
                    nonce: None,
                };
                Change::Exchange(code, replace)
            }
            8..13 => self.import(account, user, replace, other),
            13..16 => Change::Restore,
            16..18 => Change::Logout,
            _ => Change::Secret,
        };
        change(&self.world, &self.keeper, account, wanted);
        account
    }

    /// A grant from elsewhere, or one of the account's own.
    fn import(
        &mut self,
        account: &'static str,
        user: &'static str,
        replace: bool,
        with_access: bool,
    ) -> Change {
        let is_own = self.chance.one_in(4);
        let mut world = self.world.lock().unwrap();
        let knows = &world.knowledge[account];
        let own =
            if with_access { knows.good.first() } else { knows.superseded.last().or(knows.good.last()) };
        let own = own.filter(|_| is_own).cloned();
        if let Some(token) = own {
            return Change::Import { token, access: None, replace };
        }
        let (client, truth) = (world.client(account), world.time.truth());
        let tokens = world.server.consent(user, &client, truth);
        let text = |secret: Secret| secret.expose().to_owned();
        let access = tokens.access_token.map(text).filter(|_| with_access);
        Change::Import { token: tokens.refresh_token.map_or_else(String::new, text), access, replace }
    }

    async fn configures(&mut self, account: &'static str, what: u64) {
        let other_server = self.chance.one_in(2);
        let config = {
            let mut world = self.world.lock().unwrap();
            let setting = world.settings.get_mut(account).unwrap();
            match what {
                0 => setting.auto_refresh = !setting.auto_refresh,
                1 if other_server => setting.server = 1 - setting.server,
                1 => setting.client = 1 - setting.client,
                _ => setting.listed = !setting.listed,
            }
            let shown = *setting;
            world.knows(account).begins(u64::MAX, &super::knowledge::Wish::Configure);
            world.event("configures", 0, || format!("{account}: {shown:?}"));
            world.config()
        };
        let _ = self.keeper.configure(config.into()).await;
        look(&self.world, &self.keeper).await;
        let mut world = self.world.lock().unwrap();
        let durable = world.durable(account);
        let verdict = world.knows(account).ends(u64::MAX, &super::knowledge::Wish::Configure, true, &durable);
        world.judge(verdict);
    }

    fn server_turns(&mut self) {
        use ServerMood::*;
        let mood = self.chance.pick(&[
            Fine,
            Fine,
            Fine,
            Unreachable,
            Flaky,
            Flaky,
            Overloaded,
            Portal,
            Refusing,
            Misconfigured,
        ]);
        let (account, other) = (self.account(), self.chance.below(8));
        let mut world = self.world.lock().unwrap();
        let access =
            world.knowledge[account].seen.access.as_ref().map(|access| access.token.expose().to_owned());
        match (other, access) {
            (0, Some(token)) => world.server.revoke(&token),
            (1..3, Some(token)) => world.server.kill(&token),
            _ => world.server.mood = mood,
        }
        world.event("server", other, || format!("{mood:?} ({other})"));
    }

    fn store_turns(&mut self) {
        use StoreMood::*;
        let mood = self.chance.pick(&[Fine, Fine, Fine, Fine, Slow, Failing, Locked, Lying, Hanging, Empty]);
        let mut world = self.world.lock().unwrap();
        world.store.turn(mood);
        world.event("store", 0, || format!("{mood:?}"));
    }

    fn clock_is_set(&mut self) {
        let day = 86_400_000;
        let far = [
            0,
            0,
            0,
            2_000,
            -500,
            700,
            60_000,
            -60_000,
            day,
            -day,
            40 * day,
            -40 * day,
            12 * 365 * day,
            -53 * 365 * day,
        ];
        let offset = self.chance.pick(&far);
        let mut world = self.world.lock().unwrap();
        world.time.set(offset);
        world.event("clock", 0, || format!("{offset} ms ahead"));
    }

    /// logind announces suspend, and waits until all inhibitors are released or five seconds have passed. Sometimes
    /// there is no announcement.
    async fn machine_sleeps(&mut self) {
        let span = self.chance.pick(&[5 * SECOND, 600 * SECOND, 9 * HOUR, 72 * HOUR, 31 * 24 * HOUR]);
        let is_announced = !self.chance.one_in(4);
        if is_announced {
            let keeper = self.keeper.clone();
            tokio::spawn(async move { keeper.sleep().await });
            look(&self.world, &self.keeper).await;
            look(&self.world, &self.keeper).await;
            self.world.lock().unwrap().sleepy = true;
            let notice = self.chance.pick(&[SECOND, 5 * SECOND]);
            wait(&self.world, notice).await;
        }
        {
            let mut world = self.world.lock().unwrap();
            world.event("sleeps", 0, || format!("for {span:?}"));
            world.time.suspend(span);
            if is_announced {
                world.sleepy = false;
            }
        }
        if is_announced {
            self.keeper.awake().await;
        }
    }

    async fn login_is_pending(&mut self) {
        let account = self.account();
        let login = self.chance.one_in(2).then_some("login");
        let _ = self.keeper.login(account, login).await;
    }

    fn unlocks(&self) {
        let keeper = self.keeper.clone();
        tokio::spawn(async move { keeper.unlock_store().await });
    }

    /// SIGTERM: requests in progress have 30 s.
    async fn stops(&mut self) -> End {
        let quiet = tokio::time::timeout(30 * SECOND, self.keeper.drain()).await;
        let mut world = self.world.lock().unwrap();
        world.event("stops", 0, || format!("{quiet:?}"));
        End::Stopped
    }

    /// All faults end. After some time every account with a valid grant must work.
    async fn calm(&mut self) {
        let config = {
            let mut world = self.world.lock().unwrap();
            world.server.mood = ServerMood::Fine;
            world.server.expires_in = world.server.expires_in.filter(|secs| *secs >= 3600).or(Some(36_000));
            world.time.set(0);
            world.dies_after = None;
            for name in NAMES {
                world.settings.get_mut(name).unwrap().listed = true;
                world.settings.get_mut(name).unwrap().auto_refresh = true;
                world.knows(name).begins(u64::MAX, &super::knowledge::Wish::Configure);
            }
            world.event("calm", 0, String::new);
            world.store.turn(StoreMood::Fine);
            world.config()
        };
        let _ = self.keeper.configure(config.into()).await;
        for name in NAMES {
            let _ = self.keeper.login(name, None).await;
        }
        let mut left = 27 * HOUR;
        while let Err(complaint) = self.is_well().await {
            if left.is_zero() || self.world.lock().unwrap().violation.is_some() {
                self.world.lock().unwrap().judge(Err(complaint));
                return;
            }
            let pause = if left > 26 * HOUR { 60 * SECOND } else { HOUR };
            left = left.saturating_sub(pause);
            wait(&self.world, pause).await;
        }
    }

    async fn is_well(&mut self) -> Result<(), String> {
        look(&self.world, &self.keeper).await;
        for name in NAMES {
            let in_use = {
                let world = self.world.lock().unwrap();
                let knows = &world.knowledge[name];
                let fits = knows.seen.client.as_deref() == Some(&world.client(name));
                knows.seen.in_use.clone().filter(|_| fits)
            };
            let info = self.keeper.account(Some(name)).map_err(|error| error.to_string())?;
            if info.unsaved {
                return Err(format!("{name} is still unsaved"));
            }
            let is_good = {
                let world = self.world.lock().unwrap();
                in_use.is_some_and(|token| world.server.would_refresh(&world.client(name), &token))
            };
            // A request may take half a minute, and so may an earlier one.
            if is_good && let Err(error) = self.keeper.token(Some(name), None, 90 * SECOND).await {
                return Err(format!("{name} still gets no token: {error}"));
            }
        }
        Ok(())
    }
}
