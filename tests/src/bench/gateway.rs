//! A refresh at the gateway, and what the gateway costs other callers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Extent;
use super::caller::{CALL, Caller, alternate};
use super::core::on_one_core;
use super::figure::{Figure, Unit};
use super::process::Memory;
use super::site::Site;
use super::static_http::StaticHttp;
use super::table::{Goal, Row};
use crate::testbed::gateway::Gateway;

/// The most refresh tokens that a client has.
const HANDLES: usize = 64;
/// The number of refreshes, which is below the limit for a minute.
const REFRESHES: usize = 5;

pub(super) fn rows(extent: Extent) -> Vec<Row> {
    on_one_core(|| {
        let mut rows = vec![refresh(extent)];
        rows.extend(open_beside_closed(extent));
        rows
    })
}

/// A client's refresh after imgurd's own, so that imgurd sends nothing to the server.
fn refresh(extent: Extent) -> Row {
    let gateway = Gateway::new(Site::memory().scene);
    let address: SocketAddr = gateway.listen.parse().unwrap();
    let requests: Vec<_> =
        (0..extent.calls.min(HANDLES)).map(|_| request(&gateway, &gateway.tokens().1)).collect();
    let (_, answer) = ask(address, &requests[0]);
    assert!(answer.contains("access_token"), "{answer}");
    let limit = StaticHttp::start(answer.split("\r\n\r\n").nth(1).unwrap().len());
    let ours = || {
        gateway.scene.refresh();
        requests.iter().map(|request| ask(address, request).0).collect()
    };
    let limits = || requests.iter().map(|request| ask(limit.address, request).0).collect();
    let (ours, limits) = alternate(extent.rounds.min(REFRESHES), ours, limits);
    Row::alone("refresh at the gateway", Figure::of(&ours), Goal::Ratio(2.0))
        .against("static answer of hyper", Figure::of(&limits))
}

fn request(gateway: &Gateway, handle: &str) -> String {
    let form = format!(
        "grant_type=refresh_token&refresh_token={handle}&client_id=postman&client_secret={}",
        gateway.secret
    );
    format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        gateway.listen,
        form.len()
    )
}

/// Sends the request on a new connection, and returns the duration and the answer.
fn ask(address: SocketAddr, request: &str) -> (Duration, String) {
    let (begin, mut answer) = (Instant::now(), String::with_capacity(2048));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.read_to_string(&mut answer).unwrap();
    (begin.elapsed(), answer)
}

fn open_beside_closed(extent: Extent) -> [Row; 2] {
    let (mut closed, mut open) = (Site::memory().scene, Gateway::new(Site::memory().scene));
    let (mut with, mut without) =
        (Caller::connect(&open.scene.bed.socket()), Caller::connect(&closed.bed.socket()));
    let calls = |caller: &mut Caller| (0..extent.calls).map(|_| caller.time(CALL)).collect();
    let (with, without) = alternate(extent.rounds, || calls(&mut with), || calls(&mut without));
    let pss = |id| Figure::once(Memory::of(id).pss, Unit::Bytes);
    let (with_pss, without_pss) = (pss(open.scene.daemon().id()), pss(closed.daemon().id()));
    [
        Row::alone("`GetToken`, gateway on", Figure::of(&with), Goal::Ratio(1.1))
            .against("gateway off", Figure::of(&without)),
        Row::alone("PSS, gateway on", with_pss, Goal::Open).against("gateway off", without_pss),
    ]
}
