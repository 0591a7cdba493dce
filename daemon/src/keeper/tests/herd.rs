//! A thousand machines after an outage of the server or the network: when each one sends its first request.

use std::time::Duration;

use super::simulation::chance::Chance;
use super::{START, config, record};
use crate::grant::Timestamp;
use crate::keeper::Calls;
use crate::keeper::account::{Effect, Event, Machine, Now};
use crate::provider::{Answer, Delivery, Transient};

const MACHINES: u64 = 1000;
const OUTAGE: Duration = Duration::from_hours(1);

/// One machine, with one account and a clock.
struct Computer {
    account: Machine,
    now: Timestamp,
    chance: Chance,
}

impl Computer {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 0);
        let now = Now { at: START, dice: chance.unit(), calls: Calls::default() };
        let (account, _) = Machine::new("a".to_owned(), config(&["a"]).accounts["a"].clone(), now);
        let mut machine = Self { account, now: START, chance };
        machine.feed(Event::Loaded(Ok(Some(record(Duration::ZERO)))));
        machine
    }

    /// Feeds an event. The store saves everything immediately. Returns the request that is sent, if any.
    fn feed(&mut self, event: Event) -> Option<u64> {
        let now = Now { at: self.now, dice: self.chance.unit(), calls: Calls::default() };
        let (account, effects) = self.account.clone().step(event, now);
        self.account = account;
        let mut sent = None;
        for effect in effects {
            match effect {
                Effect::Save { revision, .. } => {
                    sent = self.feed(Event::Saved { revision, result: Ok(()) }).or(sent);
                }
                Effect::Send { op, .. } => sent = Some(op),
                Effect::Load | Effect::Identify { .. } | Effect::Revoke(_) | Effect::Reply { .. } => {}
            }
        }
        sent
    }

    /// Lives until `end` without reaching the server.
    fn suffer_until(&mut self, end: Timestamp) {
        while let Some(wake) = self.account.wake_at(self.now).filter(|wake| *wake < end) {
            self.now = wake.max(self.now);
            let mut sent = self.feed(Event::Tick);
            // A pause of less than a millisecond counts as none.
            while let Some(op) = sent {
                let reason = "The server cannot be reached".to_owned();
                let answer =
                    Answer::Transient(Transient { reason, retry_after: None, delivery: Delivery::NotSent });
                sent = self.feed(Event::Answered { op, answer });
            }
        }
        self.now = end;
    }

    /// When it sends its next request.
    fn asks(&mut self) -> Timestamp {
        loop {
            self.now = self.account.wake_at(self.now).expect("a due token has a timer").max(self.now);
            if self.feed(Event::Tick).is_some() {
                return self.now;
            }
        }
    }
}

/// How long after the end of an outage each of a thousand machines sends its first request, sorted. With `online`,
/// the machines notice the end.
fn arrivals(online: bool) -> Vec<Duration> {
    let mut arrivals: Vec<_> = (0..MACHINES)
        .map(|seed| {
            let mut machine = Computer::new(seed);
            // The tokens become due throughout the outage, 50 minutes after they were issued.
            let due = Duration::from_mins(51).mul_f64(machine.chance.unit());
            let end = START + Duration::from_mins(51) + OUTAGE.saturating_sub(due);
            machine.suffer_until(end);
            if online && machine.feed(Event::Online).is_some() {
                return Duration::ZERO;
            }
            machine.asks().since(end)
        })
        .collect();
    arrivals.sort();
    arrivals
}

/// The largest number of arrivals within one `span`.
fn peak(arrivals: &[Duration], span: Duration) -> usize {
    let within =
        |first: &Duration| arrivals.iter().filter(|at| **at >= *first && **at < *first + span).count();
    arrivals.iter().map(within).max().unwrap_or_default()
}

fn figure(name: &str, arrivals: &[Duration]) {
    let at = |percent: usize| arrivals[arrivals.len() * percent / 100];
    println!(
        "{name}: of {MACHINES} machines the first asks after {:?}, half by {:?}, 95 % by {:?}, the last after {:?}; at most {} within a second",
        arrivals[0],
        at(50),
        at(95),
        arrivals[arrivals.len() - 1],
        peak(arrivals, Duration::from_secs(1)),
    );
}

#[test]
fn machines_spread_their_retries_after_a_server_outage() {
    let arrivals = arrivals(false);
    figure("the server is back after an hour", &arrivals);
    assert!(
        peak(&arrivals, Duration::from_secs(1)) <= 30,
        "at most 3 % of the requests are within one second"
    );
    assert!(arrivals.iter().all(|at| *at <= Duration::from_mins(15)));
}

#[test]
fn machines_retry_within_seconds_after_a_network_outage() {
    let arrivals = arrivals(true);
    figure("the network is back after an hour", &arrivals);
    assert!(
        peak(&arrivals, Duration::from_millis(100)) <= 120,
        "at most 12 % of the requests are within 100 ms"
    );
    assert!(arrivals.iter().all(|at| *at <= Duration::from_secs(3)));
}
