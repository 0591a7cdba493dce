//! The connection between the keeper and the server, and what may be sent on it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use imgurd_proto::RefreshReuse;

use super::chance::Chance;
use super::clock::{EPOCH, Parity, pass};
use super::records::holds;
use super::server::{Fate, Server, family_of, reading};
use super::world::{Shared, World, go_on, party, secret_for};
use crate::grant::{Record, Secret};
use crate::provider::{Answer, Client, Inquiry, Provider, Reply, TokenOwner, TokenRequest, TokenResponse};

/// Requests in progress.
pub(super) struct Wire {
    chance: Chance,
    sent: BTreeMap<u64, Sent>,
    last: u64,
}

struct Sent {
    account: String,
    client: String,
    request: TokenRequest,
    fate: Fate,
    is_import: bool,
    /// The current token, if the previous one is sent.
    instead_of: Option<String>,
    /// How many logouts had taken effect.
    logouts: u64,
    arrived: bool,
    served: Option<TokenResponse>,
}

impl Wire {
    pub(super) fn new(chance: Chance) -> Self {
        Self { chance, sent: BTreeMap::new(), last: 0 }
    }

    /// Whether the server has replaced the token of `account` and the answer is still on its way.
    pub(super) fn is_being_replaced(&self, account: &str) -> bool {
        self.sent.values().any(|sent| sent.account == account && sent.served.is_some())
    }

    /// The daemon is dead. Some requests still arrive, and nothing receives the answers.
    pub(super) fn aftermath(&mut self, server: &mut Server, truth: Duration) {
        for sent in std::mem::take(&mut self.sent).into_values() {
            if !sent.arrived && reaches(sent.fate) && self.chance.one_in(2) {
                server.serve(&sent.client, &sent.request, truth);
            }
        }
    }
}

fn reaches(fate: Fate) -> bool {
    matches!(fate, Fate::Served | Fate::LostOnTheWayBack)
}

impl World {
    fn sends(&mut self, client: &Client, request: TokenRequest) -> (u64, Duration, Duration) {
        let (fate, there, back) = self.server.plan();
        let account = client.id.split('-').next().unwrap_or_default().to_owned();
        let (mut is_import, mut instead_of) = (false, None);
        let token_url = client.token_url.as_str();
        let has_secret = has_secret_for(&self.durable(&account), token_url);
        let knows = self.knows(&account);
        if has_secret && client.secret.is_none() && !knows.unreadable && !knows.secretless {
            self.judge(Err(format!("{account}: a request was sent without the client's secret")));
        }
        if client.secret.as_ref().is_some_and(|secret| *secret != secret_for(token_url)) {
            self.judge(Err(format!(
                "{account}: a client secret was sent to {token_url}, which is not its server"
            )));
        }
        if let TokenRequest::Refresh(token) = &request {
            let token = token.expose();
            let knows = &self.knowledge[account.as_str()];
            let in_use = knows.seen.in_use.as_deref();
            is_import = knows.importing.contains_key(token) && in_use != Some(token);
            if !is_import && knows.seen.previous.as_deref() == Some(token) && in_use != Some(token) {
                instead_of = in_use.map(str::to_owned);
            }
            let verdict = self.may_send(&account, client, token, is_import, instead_of.is_some());
            self.judge(verdict);
            self.tally.refreshes += 1;
        }
        self.wire.last += 1;
        let (number, client) = (self.wire.last, party(&client.id, token_url));
        self.event("sends", number, || format!("{client}: {}, {fate:?}", shown(&request)));
        let logouts = self.knows(&account).logouts_done();
        let sent = Sent {
            account,
            client,
            request,
            fate,
            is_import,
            instead_of,
            logouts,
            arrived: false,
            served: None,
        };
        self.wire.sent.insert(number, sent);
        (number, there, back)
    }

    fn may_send(
        &self,
        account: &str,
        client: &Client,
        token: &str,
        is_import: bool,
        is_previous: bool,
    ) -> Result<(), String> {
        let knows = &self.knowledge[account];
        let durable = self.durable(account);
        let is_foreign = self
            .server
            .client_of(token)
            .is_some_and(|issued_to| issued_to != party(&client.id, client.token_url.as_str()));
        // The user may import a token of another client.
        if is_foreign && !knows.imported.contains(token) {
            return Err(format!("{token} was shown for {}, to which it was not issued", client.id));
        }
        if self.sleepy {
            return Err(format!("{token} was sent after sleep had been announced"));
        }
        let mut others = self.wire.sent.values().filter(|sent| sent.account == account);
        if others.any(|sent| match &sent.request {
            // Each grant has one request at a time. The current one does not wait for replaced ones.
            TokenRequest::Refresh(other) => {
                family_of(other.expose()) == family_of(token)
                    && (other.expose() == token || sent.is_import == is_import)
            }
            _ => false,
        }) {
            return Err(format!("{token} is the second refresh on its way"));
        }
        if !is_recorded(&durable, token) && knows.keeps(token) < 2 {
            return Err(format!("{token} was sent, and a crash now would not know of it"));
        }
        if is_previous && (self.reuse == RefreshReuse::Revokes || !is_confirmed(&durable)) {
            return Err(format!("{token}, which was replaced, was sent"));
        }
        if self.reuse == RefreshReuse::Revokes && durable.replaced.contains(&Secret::from(token)) {
            return Err(format!("{token}, which the record says was replaced, was sent"));
        }
        if knows.superseded.contains(token) && !is_previous && !knows.imported.contains(token) {
            return Err(format!("{token}, which was replaced long ago, was sent"));
        }
        Ok(())
    }

    fn arrives(&mut self, number: u64) {
        let truth = self.time.truth();
        let Some(sent) = self.wire.sent.get_mut(&number) else { return };
        sent.arrived = true;
        if reaches(sent.fate) {
            sent.served = self.server.serve(&sent.client, &sent.request, truth);
        }
        let fate = sent.fate;
        self.event("arrives", number, || format!("{number}: {fate:?}"));
    }

    /// The API's answer about the user of a token.
    fn owner(&self, token: &str) -> TokenOwner {
        match self.server.user_of(token) {
            _ if self.server.mood != super::server::Mood::Fine => {
                TokenOwner::Unknown("it is down".to_owned())
            }
            Some(user) if self.server.accepts(token, self.time.truth()) => TokenOwner::Known(user.into()),
            _ => TokenOwner::Rejected,
        }
    }

    fn delivers(&mut self, number: u64) -> Answer {
        let sent = self.wire.sent.remove(&number).expect("the answer belongs to a request that was sent");
        let answer = reading(sent.fate, sent.served);
        if let Answer::Granted(tokens) = &answer {
            let truth = self.time.awake();
            let knows = self.knows(&sent.account);
            match &sent.request {
                TokenRequest::Refresh(presented) => {
                    knows.delivered(presented.expose(), sent.instead_of.as_deref(), tokens, truth);
                }
                _ => knows.exchanged(tokens, sent.logouts),
            }
        }
        self.event("delivers", number, || match &answer {
            Answer::Granted(tokens) => format!(
                "{number}: {:?} {:?}",
                tokens.access_token.as_ref().map(Secret::expose),
                tokens.refresh_token.as_ref().map(Secret::expose)
            ),
            other => format!("{number}: {other:?}"),
        });
        answer
    }
}

fn has_secret_for(record: &Record, token_url: &str) -> bool {
    let issuers =
        record.client_secret_issuer.iter().chain(record.other_client_secrets.iter().map(|it| &it.issuer));
    issuers.filter_map(|issuer| issuer.token_url.as_deref()).any(|url| url == token_url)
}

fn is_recorded(durable: &Record, token: &str) -> bool {
    let is_set_aside = durable
        .displaced
        .iter()
        .any(|it| it.grant.refresh_token.as_ref().is_some_and(|held| held.expose() == token));
    is_set_aside || (durable.in_flight.is_some() && holds(durable, token))
}

fn is_confirmed(durable: &Record) -> bool {
    durable.refusal.is_some_and(|refusal| refusal.confirmed && !refusal.previous_tried)
}

fn shown(request: &TokenRequest) -> &str {
    match request {
        TokenRequest::Refresh(token) => token.expose(),
        TokenRequest::Code { .. } => "a code",
        TokenRequest::Pin(_) => "a PIN",
        TokenRequest::Device(_) => "a device code",
    }
}

/// The server, for the keeper.
pub(super) struct SimulatedProvider(pub(super) Shared);

impl Provider for SimulatedProvider {
    fn token(&self, client: Client, request: TokenRequest) -> BoxFuture<'static, Reply> {
        let shared = self.0.clone();
        let planned = {
            let mut world = shared.lock().unwrap();
            (!world.is_dead()).then(|| world.sends(&client, request))
        };
        Box::pin(async move {
            go_on(&shared).await;
            let (number, there, back) = planned.expect("a running daemon has sent the request");
            pass(&shared, there, Parity::Even).await;
            go_on(&shared).await;
            shared.lock().unwrap().arrives(number);
            go_on(&shared).await;
            pass(&shared, back, Parity::Even).await;
            go_on(&shared).await;
            let (answer, date) = {
                let mut world = shared.lock().unwrap();
                (world.delivers(number), EPOCH + world.time.truth())
            };
            go_on(&shared).await;
            let is_answer = !matches!(&answer, Answer::Transient(it) if it.delivery != crate::provider::Delivery::Answered);
            Reply { answer, date: is_answer.then_some(date) }
        })
    }

    fn identify(&self, inquiry: Inquiry) -> BoxFuture<'static, TokenOwner> {
        let shared = self.0.clone();
        Box::pin(async move {
            pass(&shared, Duration::from_millis(200), Parity::Even).await;
            go_on(&shared).await;
            let owner = {
                let mut world = shared.lock().unwrap();
                let owner = world.owner(inquiry.access_token.expose());
                world.event("identifies", 0, || format!("{owner:?}"));
                owner
            };
            go_on(&shared).await;
            owner
        })
    }
}
