//! Two servers, a store, and the daemon.

use std::fmt;
use std::time::{Duration, Instant};

use imgurd_proto::{Account, ListAccounts};

use super::operation::{Issuer, Spoil};
use crate::fake::{Behaviour, Endpoint, Fake, Fault, Gate, Rotation};
use crate::testbed::{ACCOUNT, Bus, Daemon, Disk, Keyring, Testbed, account_arguments};

/// The size of the disk that operations fill, in pages.
const PAGES: u64 = 512;

/// The store of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The encrypted file, on a small disk.
    File,
    /// GNOME Keyring.
    Keyring,
    /// Memory.
    Memory,
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::File => "file store",
            Self::Keyring => "GNOME Keyring",
            Self::Memory => "memory store",
        })
    }
}

/// The daemon and what it needs.
pub(super) struct Site {
    // Fields drop in order: the daemon ends before its keyring, its bus and its directories.
    daemon: Option<Daemon>,
    keyring: Option<Keyring>,
    disk: Option<Disk>,
    _bus: Option<Bus>,
    pub(super) bed: Testbed,
    fakes: [Fake; 2],
    holds: Vec<Gate>,
    pub(super) store: Store,
    pub(super) rotation: Rotation,
    is_store_down: bool,
    is_down: [bool; 2],
    disturbed: Instant,
}

impl Site {
    /// A daemon with one account at server A, without a grant.
    pub(super) fn new(store: Store, rotation: Rotation) -> Self {
        let bed = match store {
            Store::File | Store::Keyring => Testbed::new(),
            Store::Memory => Testbed::memory(),
        };
        bed.set_env("RUST_LOG", "debug");
        let disk = (store == Store::File).then(|| bed.disk(PAGES));
        if store == Store::File {
            bed.ctl(&["init", "--store", "file"]).success();
        }
        let bus = (store == Store::Keyring).then(|| bed.bus());
        let keyring = bus.is_some().then(|| {
            let mut keyring = bed.keyring();
            keyring.start(&bed);
            keyring
        });
        let fakes = ["a", "b"].map(|name| Fake::start(behaviour(name, rotation)));
        let daemon = Some(bed.daemon());
        let mut site = Self {
            daemon,
            keyring,
            disk,
            _bus: bus,
            bed,
            fakes,
            holds: Vec::new(),
            store,
            rotation,
            is_store_down: false,
            is_down: [false; 2],
            disturbed: Instant::now(),
        };
        site.bed.account(&site.fakes[0], ACCOUNT);
        let callback = site.fakes[0].behaviour().callback;
        site.fakes[1].configure(|behaviour| behaviour.callback = callback);
        let reuse =
            if matches!(rotation, Rotation::Off | Rotation::Grace(_)) { "tolerated" } else { "revokes" };
        site.bed.ctl(&["account", "set", ACCOUNT, "--refresh-reuse", reuse]).success();
        site.settle();
        site
    }

    pub(super) fn fake(&self, issuer: Issuer) -> &Fake {
        &self.fakes[issuer as usize]
    }

    /// The arguments that set the account to this server. The client secret goes to standard input.
    pub(super) fn switch(&self, issuer: Issuer) -> Vec<String> {
        let mut arguments = account_arguments(self.fake(issuer), ACCOUNT);
        "set".clone_into(&mut arguments[1]);
        let reuse = arguments
            .iter()
            .position(|it| it == "--refresh-reuse")
            .expect("the arguments include --refresh-reuse");
        arguments.drain(reuse..reuse + 2);
        arguments
    }

    /// The account's state, if the daemon answers.
    pub(super) fn account(&self) -> Option<Account> {
        let call = ListAccounts { account: Some(ACCOUNT.to_owned()) };
        imgurd_proto::Client::connect_to(&self.bed.socket())
            .ok()?
            .call(&call)
            .ok()?
            .accounts
            .into_iter()
            .next()
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("the daemon runs")
    }

    /// Kills or stops the daemon, and starts another.
    pub(super) fn restart(&mut self, kill: bool) {
        self.disturbed = Instant::now();
        let daemon = self.daemon.take().expect("the daemon runs");
        if kill {
            daemon.kill()
        } else {
            daemon.terminate()
        };
        self.daemon = Some(self.bed.daemon());
        self.disturbed = Instant::now();
    }

    /// Whether the daemon was stopped at any time since `begun`.
    pub(super) fn is_disturbed_since(&self, begun: Instant) -> bool {
        self.disturbed >= begun
    }

    pub(super) fn is_store_down(&self) -> bool {
        self.is_store_down
    }

    /// Lets the store work or fail. The memory store always works.
    pub(super) fn set_store(&mut self, works: bool) {
        if works != self.is_store_down {
            return;
        }
        match (&self.disk, &self.keyring) {
            (Some(disk), _) if works => disk.clear(),
            (Some(disk), _) => disk.fill_but(0),
            (_, Some(keyring)) if works => keyring.resume(),
            (_, Some(keyring)) => keyring.hang(),
            (None, None) => return,
        }
        self.is_store_down = !works;
    }

    pub(super) fn set_network(&mut self, issuer: Issuer, works: bool) {
        let index = issuer as usize;
        if works == self.is_down[index] {
            if works {
                self.fakes[index].come_back();
            } else {
                self.fakes[index].go_down();
            }
            self.is_down[index] = !works;
        }
    }

    pub(super) fn is_down(&self, issuer: Issuer) -> bool {
        self.is_down[issuer as usize]
    }

    pub(super) fn hold(&mut self, issuer: Issuer) {
        let gate = self.fake(issuer).hold_answer(Endpoint::Token);
        self.holds.push(gate);
    }

    /// Releases all held answers, and returns whether there were any.
    pub(super) fn release(&mut self) -> bool {
        !std::mem::take(&mut self.holds).is_empty()
    }

    pub(super) fn is_holding(&self) -> bool {
        !self.holds.is_empty()
    }

    pub(super) fn spoil(&self, issuer: Issuer, spoil: Spoil) {
        self.fake(issuer).fail_next(
            Endpoint::Token,
            match spoil {
                Spoil::OverCapacity => Fault::OverCapacity(403),
                Spoil::CaptivePortal => Fault::CaptivePortal,
                Spoil::DropBefore => Fault::DropBeforeAnswer,
                Spoil::DropAfter => Fault::DropAfterProcessing,
                Spoil::Truncated => Fault::TruncatedJson,
                Spoil::Slow => Fault::DelayAfterProcessing(Duration::from_millis(400)),
                Spoil::Refused => Fault::invalid_refresh_token(),
            },
        );
    }

    /// Ends all faults and releases all answers.
    pub(super) fn heal(&mut self) {
        self.release();
        self.set_store(true);
        for issuer in Issuer::BOTH {
            self.set_network(issuer, true);
            self.fake(issuer).clear(Endpoint::Token);
        }
    }

    /// Waits until the daemon has read the store.
    fn settle(&mut self) {
        self.bed.wait_until(ACCOUNT, |account| account.state != imgurd_proto::State::Refreshing);
        let _ = self.daemon();
    }

    /// The grant of the current token, by server and number.
    pub(super) fn newest_grant(&self) -> Option<(Issuer, usize)> {
        let token = self.bed.ctl(&["token", ACCOUNT, "--wait", "0s"]);
        self.grant_of(token.stdout.trim())
    }

    /// The grant that a token belongs to.
    pub(super) fn grant_of(&self, token: &str) -> Option<(Issuer, usize)> {
        Issuer::BOTH.into_iter().find_map(|issuer| Some((issuer, self.fake(issuer).standing(token)?.grant)))
    }

    /// Whether this server got a token request lately, or may be handling one.
    pub(super) fn asked_lately(&self, issuer: Issuer) -> bool {
        let lately = Instant::now().checked_sub(Duration::from_secs(5)).unwrap_or_else(Instant::now);
        !self.fake(issuer).requests_since(Endpoint::Token, lately).is_empty() || self.is_holding()
    }
}

fn behaviour(name: &str, rotation: Rotation) -> Behaviour {
    let client_secret = format!("fake-client-secret-of-{name}");
    Behaviour { client_secret, rotation, ..Behaviour::default() }
}
