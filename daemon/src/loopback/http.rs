//! HTTP on the loopback interface for our own user, for the callback and the gateway.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::is_own;

/// How long a browser or a program may take to send its request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// The longest request head, in bytes. Browsers send all cookies of this host, whichever port has set them (RFC 6265,
/// section 8.5). Chromium and Firefox keep 180 of 4 KiB per host.
const LONGEST_HEAD: usize = 768 * 1024;

/// The longest form, in bytes. A fragment or an OAuth request has a few hundred.
pub(crate) const LONGEST_FORM: usize = 16 * 1024;

/// The next connection of our own user. Requests of other users are not read.
pub(super) async fn accept(sockets: &[impl Borrow<TcpListener>]) -> TcpStream {
    loop {
        let accepts = sockets.iter().map(|socket| Box::pin(socket.borrow().accept()));
        match futures_util::future::select_all(accepts).await.0 {
            Ok((stream, _)) if is_own(&stream) => return stream,
            Ok((stream, _)) => {
                let address = stream.local_addr();
                tracing::debug!(?address, "closed another user's connection");
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections on the loopback interface");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A response with these headers. A header that cannot be written is left out.
pub(crate) fn response(
    status: StatusCode,
    headers: &[(HeaderName, &str)],
    body: String,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Answers the only request of a connection.
pub(crate) async fn serve<F>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    respond: impl Fn(Request<Incoming>) -> F,
) where
    F: Future<Output = Response<Full<Bytes>>>,
{
    let service = service_fn(|request| {
        let response = respond(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection on the loopback interface");
    }
}
