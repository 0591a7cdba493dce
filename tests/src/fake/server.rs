//! The HTTP server of the fake, in its own thread, so that blocking tests can use it.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body};
use futures_util::stream;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::sync::oneshot;

use super::connection::{Answering, Connection};
use super::fault::Fault;
use super::gate::Place;
use super::record::Recorded;
use super::{Endpoint, Shared, api, authorize, standards, token};

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("fake-imgur".into()).spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, shared) => {}
                }
            });
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, it has printed that itself.
            let _ = thread.join();
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/oauth2/authorize", get(authorize::page).post(authorize::decide))
        .route("/oauth2/token", post(token::token))
        .route("/3/account/me", get(api::account))
        .route("/3/account/me/images", get(api::images))
        .route("/3/credits", get(api::credits))
        .route("/3/gallery/hot", get(api::gallery))
        .route("/3/image", post(api::upload))
        .route("/.well-known/openid-configuration", get(standards::metadata))
        .route("/.well-known/oauth-authorization-server", get(standards::metadata))
        .route("/oauth2/device", post(standards::device))
        .route("/oauth2/revoke", post(standards::revoke))
        .route("/oauth2/userinfo", get(standards::userinfo))
        .layer(from_fn_with_state(Arc::clone(&shared), exchange))
        .with_state(shared)
}

/// Marks a response that is never sent: the connection ends instead.
#[derive(Clone, Copy)]
struct HangUp;

/// The number of the request that a response answers.
#[derive(Clone, Copy)]
struct Number(usize);

/// A request in progress. It is dropped when the client no longer waits for the answer.
struct UnderWay<'a>(&'a Shared, usize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.log.abandon(self.1);
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let router = router(Arc::clone(&shared));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let inner = TowerToHyperService::new(router.clone());
        let answering = Answering::default();
        let stream = Connection::new(stream, Arc::clone(&shared), answering.clone());
        let service = service_fn(move |request| {
            let answer = inner.call(request);
            let answering = answering.clone();
            async move {
                let Ok(response) = answer.await;
                answering.set(response.extensions().get().map(|Number(number)| *number));
                if response.extensions().get::<HangUp>().is_some() {
                    return Err(io::Error::other("the fault says to hang up"));
                }
                Ok(response)
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Records a request, and applies gates and faults.
async fn exchange(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some(endpoint) = Endpoint::of(request.method(), request.uri().path()) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let body = body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let number = shared.log.arrive(record(endpoint, &parts, &body));
    let _under_way = UnderWay(&shared, number);
    shared.gates.pass(endpoint, Place::Request).await;
    let request = Request::from_parts(parts, Body::from(body));
    let mut response = match shared.faults.take(endpoint) {
        Some(fault) => spoil(&fault, request, next).await,
        None => next.run(request).await,
    };
    shared.gates.pass(endpoint, Place::Answer).await;
    let answered = response.extensions().get::<HangUp>().is_none();
    shared.log.finish(number, answered.then(|| response.status().as_u16()));
    response.extensions_mut().insert(Number(number));
    response
}

fn record(endpoint: Endpoint, parts: &axum::http::request::Parts, body: &Bytes) -> Recorded {
    Recorded {
        endpoint,
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        authorization: parts
            .headers
            .get(header::AUTHORIZATION)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        form: url::form_urlencoded::parse(body).into_owned().collect(),
        status: None,
        at: Instant::now(),
        sent: None,
        finished: false,
    }
}

async fn spoil(fault: &Fault, request: Request, next: Next) -> Response {
    let (path, method) = (request.uri().path().to_owned(), request.method().to_string());
    if let Some(answer) = fault.answer(&path, &method) {
        return answer.into_response();
    }
    match fault {
        Fault::DropBeforeAnswer => return hang_up(),
        Fault::Delay(span) => tokio::time::sleep(*span).await,
        _ => {}
    }
    let response = next.run(request).await;
    match fault {
        Fault::DelayAfterProcessing(span) => {
            tokio::time::sleep(*span).await;
            response
        }
        Fault::DropAfterProcessing => hang_up(),
        Fault::DropMidBody => rewrite(response, |body| interrupted(&body)).await,
        Fault::TruncatedJson => rewrite(response, |body| (half(&body).into(), None)).await,
        Fault::NoAccessToken => rewrite(response, |body| (without_access_token(&body).into(), None)).await,
        Fault::Compressed(coding) => compressed(response, coding).await,
        Fault::Trickle(every) => rewrite(response, |body| trickle(body, *every)).await,
        _ => response,
    }
}

fn hang_up() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(HangUp);
    response
}

/// Replaces the body and sets its `Content-Length`, if it has one.
async fn rewrite(response: Response, with: impl FnOnce(Bytes) -> (Body, Option<usize>)) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let (body, length) = with(body);
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = length {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, body)
}

/// Garbles the body, because a client without this coding cannot read it anyway.
async fn compressed(response: Response, coding: &'static str) -> Response {
    let garble = |body: Bytes| body.iter().map(|byte| byte ^ 0xff).collect::<Vec<_>>();
    let mut response = rewrite(response, |body| (garble(body).into(), None)).await;
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    response
}

fn without_access_token(body: &[u8]) -> String {
    let mut body: serde_json::Value = serde_json::from_slice(body).unwrap();
    body["access_token"] = "".into();
    body.to_string()
}

fn half(body: &Bytes) -> Bytes {
    body.slice(..body.len() / 2)
}

/// Half of the body, then an error instead of the rest.
fn interrupted(body: &Bytes) -> (Body, Option<usize>) {
    let first = half(body);
    let parts = stream::unfold(Some(first), |part| async move {
        match part {
            Some(part) if !part.is_empty() => Some((Ok(part), Some(Bytes::new()))),
            // Let the first half be sent before the connection ends.
            Some(_) => {
                tokio::task::yield_now().await;
                Some((Err(io::Error::other("the fault says to stop here")), None))
            }
            None => None,
        }
    });
    (Body::from_stream(parts), Some(body.len()))
}

fn trickle(body: Bytes, every: Duration) -> (Body, Option<usize>) {
    let length = body.len();
    let parts = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let byte = rest.split_to(1);
        Some((Ok::<_, io::Error>(byte), rest))
    });
    (Body::from_stream(parts), Some(length))
}
