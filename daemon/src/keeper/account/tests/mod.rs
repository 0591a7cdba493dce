//! The state machine on a test bench, which feeds it events, collects its effects and controls its clock.

mod client_secret;
mod environment;
mod found;
mod granting;
mod inspection;
mod orders;
mod properties;
mod rate_limit;
mod refreshing;
mod revoking;
mod saving;
mod scope;
mod superseded;
mod table;
mod without_access_token;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use imgurd_proto::{Error, RefreshReuse, Settings, State};

use super::{Ask, Effect, Event, Machine, Now, Ticket, Want};
use crate::config::{AccountConfig, RefreshPolicy};
use crate::grant::{Access, Displaced, Grant, Issuer, Record, Refusal, Secret, Timestamp};
use crate::keeper::Calls;
use crate::provider::{Answer, Delivery, TokenKind, TokenOwner, TokenRequest, TokenResponse, Transient};
use crate::store::{IfMissing, StoreError};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// An account, its clock, and the effects that are not carried out yet.
pub(super) struct Bench {
    account: Option<Machine>,
    now: Now,
    saves: VecDeque<(u64, Record)>,
    /// The condition of the last write, for a store that does not show the earlier item.
    if_missing: Option<IfMissing>,
    sends: VecDeque<(u64, TokenRequest)>,
    /// The client secret in the last request.
    client_secret: Option<Secret>,
    loads: usize,
    /// The API's answer about the user of every token; `None` while the API does not answer.
    api: Option<TokenOwner>,
    asked_whose: Vec<u64>,
    /// Tokens that were revoked without a request.
    revoked: Vec<(TokenKind, Secret)>,
    replies: BTreeMap<Ticket, Result<(), Error>>,
    last_ticket: Ticket,
    /// The content of the store.
    disk: Record,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let now = Now { at: START, dice: 0.0, calls: Calls::default() };
        let (account, effects) = Machine::new("mine".to_owned(), config(settings), now);
        let mut bench = Self {
            account: Some(account),
            now,
            saves: VecDeque::new(),
            if_missing: None,
            sends: VecDeque::new(),
            client_secret: None,
            loads: 0,
            api: Some(TokenOwner::Known("alice".into())),
            asked_whose: Vec::new(),
            revoked: Vec::new(),
            replies: BTreeMap::new(),
            last_ticket: 0,
            disk: Record::default(),
        };
        bench.catch(effects);
        bench
    }

    /// An account whose store contained `record`.
    fn with(record: Record) -> Self {
        let mut bench = Self::new(Settings::default());
        bench.disk = record.clone();
        bench.feed(Event::Loaded(Ok(Some(record))));
        bench
    }

    /// An account with a token that was just issued for an hour.
    fn fresh() -> Self {
        Self::with(record(grant(Some(3600))))
    }

    fn account(&self) -> &Machine {
        self.account.as_ref().expect("every step returns the machine")
    }

    fn feed(&mut self, event: Event) {
        self.step(event);
        while let Some(owner) = self.api.clone()
            && let Some(generation) = self.asked_whose.pop()
        {
            self.step(Event::Identified { generation, owner });
        }
    }

    fn step(&mut self, event: Event) {
        let account = self.account.take().expect("every step returns the machine");
        let (account, effects) = account.step(event, self.now);
        self.account = Some(account);
        self.catch(effects);
    }

    fn catch(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Load => self.loads += 1,
                Effect::Save { revision, record, if_missing } => {
                    self.if_missing = Some(if_missing);
                    self.saves.push_back((revision, *record));
                }
                Effect::Send { op, client, request } => {
                    self.client_secret = client.secret;
                    self.sends.push_back((op, request));
                }
                Effect::Revoke(revocation) => self.revoked.extend(revocation.tokens),
                Effect::Identify { generation, .. } => self.asked_whose.push(generation),
                Effect::Reply { ticket, result } => {
                    assert!(
                        self.replies.insert(ticket, result).is_none(),
                        "ticket {ticket} was answered twice"
                    );
                }
            }
        }
    }

    /// The store saves everything that it was given.
    fn save(&mut self) {
        while let Some((revision, record)) = self.saves.pop_front() {
            self.disk = record;
            self.feed(Event::Saved { revision, result: Ok(()) });
        }
    }

    /// The store fails to save.
    fn fail_to_save(&mut self) {
        let (revision, _) = self.saves.pop_front().expect("there is a record to save");
        self.feed(Event::Saved { revision, result: Err(full()) });
    }

    fn ask(&mut self, ask: Ask) -> Ticket {
        self.last_ticket += 1;
        self.feed(Event::Asked { ticket: self.last_ticket, ask, began: None });
        self.last_ticket
    }

    fn want(&mut self, want: Want) -> Result<(), Error> {
        let ticket = self.ask(Ask::Want { want, until: self.now.at + 20 * SECOND });
        self.replies.remove(&ticket).expect("a request for a token has a reply at once")
    }

    /// Answers the oldest request in progress.
    fn answer(&mut self, answer: Answer) {
        let (op, _) = self.sends.pop_front().expect("a request is in progress");
        self.feed(Event::Answered { op, answer });
    }

    /// A complete refresh, from the mark to the publication.
    fn refreshed(&mut self, tokens: TokenResponse) {
        self.save();
        self.answer(Answer::Granted(tokens));
        self.save();
    }

    /// Lets time pass, with a tick whenever the machine asked for one. Nothing else happens.
    fn pass(&mut self, span: Duration) {
        let end = self.now.at + span;
        while let Some(wake) = self.account().wake_at(self.now.at).filter(|wake| *wake <= end) {
            assert!(wake > self.now.at || self.now.at == START, "the machine wakes in a loop at {wake:?}");
            self.now.at = wake.max(self.now.at);
            self.feed(Event::Tick);
        }
        self.now.at = end;
    }

    fn state(&self) -> State {
        self.account().snapshot(self.now.at).info.state
    }

    fn reason(&self) -> String {
        self.account().snapshot(self.now.at).info.reason.clone().unwrap_or_default()
    }

    fn retry_in(&self) -> Option<Duration> {
        let at = self.account().next_try(self.now.at)?;
        Some(at.since(self.now.at))
    }

    /// The token that callers get now.
    fn served(&self) -> Option<String> {
        let snapshot = self.account().snapshot(self.now.at);
        match snapshot.verdict(&Want::Valid(MINUTE), false, None, self.now.at) {
            super::Verdict::Token(token) => Some(token.access_token.expose().to_owned()),
            _ => None,
        }
    }

    /// The refresh token in the last request.
    fn presented(&self) -> &str {
        match self.sends.back() {
            Some((_, TokenRequest::Refresh(token))) => token.expose(),
            other => panic!("expected a refresh in progress, found {other:?}"),
        }
    }

    fn refresh_token(&self) -> Option<&str> {
        self.account().record.grant.as_ref()?.refresh_token.as_ref().map(Secret::expose)
    }
}

/// An account whose token is due for a refresh.
fn due() -> Bench {
    let mut bench = Bench::fresh();
    bench.pass(51 * MINUTE);
    bench
}

fn config(settings: Settings) -> Arc<AccountConfig> {
    let client_id = settings.client_id.or(Some("client".to_owned()));
    let settings = Settings { client_id, auth_url: settings.token_url.clone(), ..settings };
    Arc::new(AccountConfig::new(settings, RefreshPolicy::default()).unwrap())
}

fn issuer() -> Issuer {
    config(Settings::default()).issuer()
}

/// Alice's grant with refresh token `RT` and access token `AT`, issued at the start.
fn grant(expires_in: Option<i64>) -> Grant {
    Grant {
        generation: 1,
        issuer: issuer(),
        refresh_token: Some(Secret::from("RT")),
        access: Some(Access {
            token: Secret::from("AT"),
            token_type: "Bearer".to_owned(),
            issued_at: START,
            lifetime: crate::keeper::policy::lifetime(expires_in),
            dead: false,
            witnessed: false,
        }),
        username: Some("alice".to_owned()),
        account_id: None,
        scope: None,
        granted_at: START,
        kept: 0,
        lacks_new_refresh_token: false,
        refresh_expires_at: None,
        unverified: false,
    }
}

fn record(grant: Grant) -> Record {
    Record { grant: Some(grant), next_generation: 1, ..Record::default() }
}

/// The server's response: `access` for an hour, and a new refresh token if it rotates them.
fn tokens(access: &str, refresh: Option<&str>) -> TokenResponse {
    TokenResponse {
        access_token: Some(Secret::from(access)),
        token_type: "Bearer".to_owned(),
        refresh_token: refresh.map(Secret::from),
        expires_in: Some(3600),
        username: Some("alice".to_owned()),
        account_id: None,
        scope: None,
        refresh_expires_in: None,
        has_odd_refresh_token: false,
        id_token: None,
    }
}

fn refused() -> Answer {
    Answer::Refused { reason: "Invalid refresh token".to_owned() }
}

fn misconfigured() -> Answer {
    Answer::Misconfigured {
        setting: "client_secret",
        reason: "The client credentials are invalid".to_owned(),
    }
}

fn transient(delivery: Delivery) -> Answer {
    Answer::Transient(Transient { reason: "Imgur is over capacity".to_owned(), retry_after: None, delivery })
}

fn pause_of(seconds: u64) -> Answer {
    let retry_after = Some(Duration::from_secs(seconds));
    Answer::Transient(Transient { reason: "Too many".to_owned(), retry_after, delivery: Delivery::Answered })
}

fn full() -> StoreError {
    StoreError::Unavailable("The disk is full; make room".to_owned())
}

fn code() -> TokenRequest {
    TokenRequest::Code { code: Secret::from("CODE"), verifier: None, redirect_uri: None, nonce: None }
}

fn import_of(refresh_token: &str, username: Option<&str>, replace: bool) -> Ask {
    Ask::Import {
        refresh_token: Secret::from(refresh_token),
        access_token: None,
        username: username.map(str::to_owned),
        replace,
    }
}

fn reuse(refresh_reuse: RefreshReuse) -> Settings {
    Settings { refresh_reuse: Some(refresh_reuse), ..Settings::default() }
}

fn sign_in(bench: &mut Bench, access: &str, refresh: &str) -> Result<(), Error> {
    let ticket = bench.ask(Ask::Accept { tokens: tokens(access, Some(refresh)), replace: false });
    bench.save();
    bench.replies.remove(&ticket).expect("the login has a reply")
}

fn displaced(bench: &Bench) -> Vec<&str> {
    let tokens = bench.disk.displaced.iter().map(|it| it.grant.refresh_token.as_ref().unwrap().expose());
    tokens.collect()
}
