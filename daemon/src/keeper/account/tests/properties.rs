//! Invariants that hold in any sequence of events.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// An event in the world around the account.
#[derive(Clone, Debug)]
enum Happening {
    TimePasses(u64),
    ClockJumps(i64),
    Granted { rotates: bool, expires_in: Option<i64> },
    Refused,
    Misconfigured,
    Transient(Delivery),
    StoreTakes,
    StoreFails,
    StoreIsSlow,
    StoreReads,
    StoreCannotRead,
    Wants(u64),
    WantsNew,
    Rejects,
    SignsIn { other: bool, replace: bool },
    Imports { replace: bool },
    Restores,
    LogsOut,
    ChangesClient(bool),
    Crashes,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        4 => (0..7200_u64).prop_map(TimePasses),
        1 => (-100_000..100_000_i64).prop_map(ClockJumps),
        4 => (any::<bool>(), prop::option::of(-10..100_000_i64))
            .prop_map(|(rotates, expires_in)| Granted { rotates, expires_in }),
        2 => Just(Refused),
        1 => Just(Misconfigured),
        2 => prop_oneof![Just(Delivery::NotSent), Just(Delivery::InDoubt), Just(Delivery::Answered)].prop_map(Transient),
        6 => Just(StoreTakes),
        1 => Just(StoreFails),
        1 => Just(StoreIsSlow),
        1 => Just(StoreReads),
        1 => Just(StoreCannotRead),
        2 => (0..600_u64).prop_map(Wants),
        1 => Just(WantsNew),
        1 => Just(Rejects),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(other, replace)| SignsIn { other, replace }),
        1 => any::<bool>().prop_map(|replace| Imports { replace }),
        1 => Just(Restores),
        1 => Just(LogsOut),
        1 => any::<bool>().prop_map(ChangesClient),
        1 => Just(Crashes),
    ]
}

/// The world, and the facts that the machine must not forget.
struct World {
    bench: Bench,
    /// Refresh tokens that the server issued and the user did not give up.
    good: Vec<String>,
    /// How many tokens were issued, for their names.
    given: u32,
}

impl World {
    fn new() -> Self {
        let mut world = Self { bench: Bench::fresh(), good: vec!["RT".to_owned()], given: 0 };
        world.bench.now.dice = 0.3;
        world
    }

    fn next_name(&mut self) -> String {
        self.given += 1;
        format!("T{}", self.given)
    }

    fn happens(&mut self, happening: &Happening) {
        let bench = &mut self.bench;
        match happening {
            Happening::TimePasses(seconds) => bench.pass(Duration::from_secs(*seconds)),
            Happening::ClockJumps(seconds) => {
                bench.now.at = Timestamp::from_millis(bench.now.at.as_millis() + seconds * 1000);
                bench.feed(Event::Tick);
            }
            Happening::Granted { rotates, expires_in } => self.granted(*rotates, *expires_in),
            Happening::Refused => self.answer(refused()),
            Happening::Misconfigured => self.answer(misconfigured()),
            Happening::Transient(delivery) => self.answer(transient(*delivery)),
            Happening::StoreTakes => bench.save(),
            Happening::StoreFails => {
                if !bench.saves.is_empty() {
                    bench.fail_to_save();
                }
            }
            Happening::StoreIsSlow => {
                if let Some((revision, _)) = bench.saves.front().cloned() {
                    bench.feed(Event::SaveIsSlow { revision });
                }
            }
            Happening::StoreReads => {
                let disk = bench.disk.clone();
                bench.feed(Event::Loaded(Ok(Some(disk))));
            }
            Happening::StoreCannotRead => bench.feed(Event::Loaded(Err(full()))),
            Happening::Wants(seconds) => drop(bench.want_if_read(Want::Valid(Duration::from_secs(*seconds)))),
            Happening::WantsNew => drop(bench.want_if_read(Want::New)),
            Happening::Rejects => {
                if let Some(token) = bench.served() {
                    let _ = bench.want_if_read(Want::AnotherThan(Secret::from(token)));
                }
            }
            Happening::SignsIn { other, replace } => self.signs_in(*other, *replace),
            Happening::Imports { replace } => {
                bench.ask(import_of("IMPORTED", None, *replace));
            }
            Happening::Restores => {
                bench.ask(Ask::Restore);
            }
            Happening::LogsOut => {
                let ticket = bench.ask(Ask::Logout);
                if !matches!(bench.replies.get(&ticket), Some(Err(_))) {
                    self.good.clear();
                }
            }
            Happening::ChangesClient(other) => self.changes_client(*other),
            Happening::Crashes => self.crashes(),
        }
    }

    fn answer(&mut self, answer: Answer) {
        if !self.bench.sends.is_empty() {
            self.bench.answer(answer);
        }
    }

    fn granted(&mut self, rotates: bool, expires_in: Option<i64>) {
        let Some((_, TokenRequest::Refresh(presented))) = self.bench.sends.front().cloned() else { return };
        let (access, refresh) = (self.next_name(), rotates.then(|| self.next_name()));
        let known = self.holds(presented.expose());
        let record = &self.bench.account().record;
        let is_previous = record.previous_refresh_token.as_ref() == Some(&presented);
        let refused = self.bench.refresh_token().filter(|token| is_previous && *token != presented.expose());
        if let Some(refused) = refused.map(str::to_owned) {
            // The refresh token was refused twice and is replaced by the previous one, which has proved valid.
            self.good.retain(|token| *token != refused);
            self.good.push(presented.expose().to_owned());
        }
        self.bench
            .answer(Answer::Granted(TokenResponse { expires_in, ..tokens(&access, refresh.as_deref()) }));
        // A grant that was logged out meanwhile is given up, with the tokens in its answer.
        if known && let Some(refresh) = refresh {
            self.good.retain(|token| *token != presented.expose());
            self.good.push(refresh);
        }
    }

    fn signs_in(&mut self, other: bool, replace: bool) {
        let (access, refresh) = (self.next_name(), self.next_name());
        let username = Some(if other { "bob" } else { "alice" }.to_owned());
        let tokens = TokenResponse { username, ..tokens(&access, Some(&refresh)) };
        let ticket = self.bench.ask(Ask::Accept { tokens, replace });
        let held = !matches!(self.bench.replies.get(&ticket), Some(Err(Error::StoreUnavailable { .. })));
        if held {
            self.good.push(refresh);
        }
    }

    fn changes_client(&mut self, other: bool) {
        let client_id = Some(if other { "other" } else { "client" }.to_owned());
        self.bench.feed(Event::Configured(config(Settings { client_id, ..Settings::default() })));
    }

    /// The process dies. Writes and requests in progress are lost, and the store is read again.
    fn crashes(&mut self) {
        let (disk, now) = (self.bench.disk.clone(), self.bench.now);
        self.bench = Bench::new(Settings::default());
        self.bench.now = now;
        self.bench.disk = disk.clone();
        self.bench.feed(Event::Loaded(Ok(Some(disk))));
        let held: Vec<_> = self.good.iter().filter(|token| self.holds(token)).cloned().collect();
        self.good = held;
    }

    fn holds(&self, token: &str) -> bool {
        holds(&self.bench.account().record, token)
    }

    fn check(&self, after: &Happening) {
        let bench = &self.bench;
        let account = bench.account();
        if matches!(account.shelf, super::super::Shelf::Read) {
            for token in &self.good {
                assert!(self.holds(token), "after {after:?}: {token} was dropped from memory");
                let is_durable = !account.revisions.is_clean() || holds(&bench.disk, token);
                assert!(
                    is_durable,
                    "after {after:?}: {token} is not in the store although no save is pending"
                );
            }
        }
        let mut presented: Vec<_> = bench.sends.iter().filter_map(refresh_token).collect();
        presented.sort_unstable();
        assert!(
            presented.windows(2).all(|pair| pair[0] != pair[1]),
            "after {after:?}: {presented:?} are in progress at once"
        );
        let snapshot = account.snapshot(bench.now.at);
        if let Some(served) = bench.served() {
            let stored = bench.disk.grant.as_ref().and_then(|grant| grant.access.as_ref());
            let is_stored = stored.is_some_and(|access| access.token.expose() == served);
            let is_known_unsaved = snapshot.info.unsaved || account.revisions.lags().is_some();
            assert!(
                is_stored || is_known_unsaved,
                "after {after:?}: {served} was served before it was saved"
            );
        }
        assert!(
            snapshot.info.state != State::Fresh || bench.served().is_some(),
            "after {after:?}: the state is fresh, but no token is served"
        );
        let is_explained = snapshot.info.reason.is_some() || snapshot.info.state == State::Fresh;
        assert!(is_explained, "after {after:?}: the state is {} without a reason", snapshot.info.state);
        let wake = account.wake_at(bench.now.at);
        assert!(wake.is_none_or(|at| at > bench.now.at), "after {after:?}: the machine would wake in a loop");
    }
}

impl Bench {
    /// Requests for a token while the store is being read get no immediate answer.
    fn want_if_read(&mut self, want: Want) -> Option<Result<(), Error>> {
        let ticket = self.ask(Ask::Want { want, until: self.now.at + 20 * SECOND });
        self.replies.remove(&ticket)
    }
}

fn refresh_token((_, request): &(u64, TokenRequest)) -> Option<&str> {
    if let TokenRequest::Refresh(token) = request { Some(token.expose()) } else { None }
}

/// Whether `token` can still be used, restored or sent.
fn holds(record: &Record, token: &str) -> bool {
    let grants = record.grant.iter().chain(record.displaced.iter().map(|displaced| &displaced.grant));
    let mut tokens =
        grants.filter_map(|grant| grant.refresh_token.as_ref()).chain(&record.previous_refresh_token);
    tokens.any(|held| held.expose() == token)
}

/// Checks that nothing is sent that would be forgotten by a crash now.
fn check_recorded(world: &World, sent_before: usize) {
    let bench = &world.bench;
    let Some(newest) = bench.sends.back().filter(|_| bench.sends.len() > sent_before) else { return };
    let Some(token) = refresh_token(newest) else { return };
    let kept = bench.account().record.grant.as_ref().is_some_and(|grant| grant.kept >= 2);
    let marked = bench.disk.in_flight.is_some()
        || bench
            .disk
            .displaced
            .iter()
            .any(|it| it.grant.refresh_token.as_ref().is_some_and(|held| held.expose() == token));
    assert!(marked || kept, "{token} was sent without a mark in the store");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keeps_valid_refresh_tokens_and_sends_each_once_at_a_time(happenings in vec(happening(), 1..60)) {
        let mut world = World::new();
        for happening in &happenings {
            let sent = world.bench.sends.len();
            world.happens(happening);
            world.check(happening);
            if !matches!(happening, Happening::Granted { .. } | Happening::Refused | Happening::Crashes) {
                check_recorded(&world, sent);
            }
        }
    }
}
