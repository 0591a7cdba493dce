//! Many accounts, and many idle connections.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Extent;
use super::caller::{CALL, Caller, alternate};
use super::core::on_one_core;
use super::figure::{Figure, Unit};
use super::process::Memory;
use super::site::{as_the_service, server};
use super::table::{Goal, Row};
use crate::fake::Fake;
use crate::testbed::{Daemon, Testbed};

/// The number of accounts and of connections.
const MANY: usize = 1000;

/// A daemon with this many accounts. Only the first has a grant.
struct Site {
    daemon: Daemon,
    bed: Testbed,
    _fake: Fake,
    start: Duration,
}

impl Site {
    fn new(accounts: usize) -> Self {
        let fake = Fake::start(server());
        let bed = Testbed::memory();
        as_the_service(&bed);
        let mut text = "store = \"memory\"\ndefault_account = \"account-0\"\n".to_owned();
        for number in 0..accounts {
            let (client, token, api) = (fake.behaviour().client_id, fake.token_url(), fake.api_url());
            let auth = fake.auth_url();
            let _ = write!(
                text,
                "[accounts.account-{number}]\nclient_id = \"{client}\"\nauth_url = \"{auth}\"\ntoken_url = \"{token}\"\napi_url = \"{api}\"\n"
            );
        }
        bed.configure(&text);
        let begin = Instant::now();
        let daemon = bed.daemon();
        let start = begin.elapsed();
        bed.ctl_with(
            &["account", "set", "account-0", "--client-secret-stdin"],
            &fake.behaviour().client_secret,
        )
        .success();
        let (refresh_token, _) = fake.issue_grant("alice");
        bed.ctl_with(&["import", "account-0"], &refresh_token).success();
        Self { daemon, bed, _fake: fake, start }
    }
}

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    on_one_core(|| measure(extent))
}

fn measure(extent: Extent) -> Vec<Row> {
    let (few, many) = (Site::new(1), Site::new(MANY));
    let (one, all) = (Memory::of(few.daemon.id()), Memory::of(many.daemon.id()));
    let mut rows = vec![per("each further account", one, all, 4.0 * 1024.0)];
    let calls = |caller: &mut Caller| (0..extent.calls).map(|_| caller.time(CALL)).collect();
    let (mut of_many, mut of_few) = (Caller::connect(&many.bed.socket()), Caller::connect(&few.bed.socket()));
    let (ours, limit) = alternate(extent.rounds, || calls(&mut of_many), || calls(&mut of_few));
    let row = |what: &str, ours, limit, goal| Row::alone(what, ours, goal).against("1 account", limit);
    rows.push(row("`GetToken`, 1,000 accounts", Figure::of(&ours), Figure::of(&limit), Goal::Ratio(1.1)));
    let (starts, one_start) = (start(&many), start(&few));
    rows.push(row("start until ready, 1,000 accounts", starts, one_start, Goal::Open));
    rows.push(row("`imgurctl status`, 1,000 accounts", status(&many.bed), status(&few.bed), Goal::Open));
    let before = Memory::of(few.daemon.id());
    let silent = connections(&few.bed.socket());
    rows.push(per("each idle connection", before, Memory::of(few.daemon.id()), 16.0 * 1024.0));
    drop(silent);
    rows
}

fn start(site: &Site) -> Figure {
    Figure::once(site.start.as_secs_f64(), Unit::Seconds)
}

#[expect(clippy::cast_precision_loss, reason = "there are a thousand")]
fn per(what: &str, before: Memory, after: Memory, most: f64) -> Row {
    let each = (after.anonymous - before.anonymous) / (MANY - 1) as f64;
    Row::alone(format!("memory of {what}"), Figure::once(each, Unit::Bytes), Goal::most(most, Unit::Bytes))
}

fn status(bed: &Testbed) -> Figure {
    let spans: Vec<_> = (0..10)
        .map(|_| {
            let begin = Instant::now();
            bed.ctl(&["status"]).success();
            begin.elapsed()
        })
        .collect();
    Figure::median(spans.iter().map(Duration::as_secs_f64), Unit::Seconds)
}

/// Open connections, each of which has got an answer.
fn connections(socket: &Path) -> Vec<Caller> {
    let one = |_| {
        let mut caller = Caller::connect(socket);
        caller.ask(CALL);
        caller.answer_with_token();
        caller
    };
    (1..MANY).map(one).collect()
}
