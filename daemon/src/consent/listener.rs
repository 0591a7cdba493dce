//! The loopback address that the authorization page redirects to (RFC 8252, section 7.3), open while a login is.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use imgurd_proto::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::{Host, Url};

use super::answer::Answer;
use super::callback::Callback;
use super::page::Page;
use super::visitors::{Asked, Visitors};

/// How long a browser may take to send its request, and we to hand the last page over.
const PATIENCE: Duration = Duration::from_secs(10);
/// A callback is a few hundred bytes, and browsers' headers are a few thousand.
const LONGEST_REQUEST: usize = 16 * 1024;

/// An answer that came to the callback, and where its page goes.
pub(super) struct Visit {
    pub(super) answer: Answer,
    pub(super) page: oneshot::Sender<Page>,
}

/// What the connections of one login have in common.
pub(super) struct Door {
    pub(super) callback: Callback,
    pub(super) farewell: Farewell,
}

/// What a visit is shown that comes as the login ends.
pub(super) type Farewell = Arc<OnceLock<Page>>;

/// Bound to the callback's address, and nothing else.
#[derive(Debug)]
pub(super) struct Listener {
    sockets: Vec<TcpListener>,
}

impl Listener {
    /// Listens where `callback` leads: on both loopback addresses for `localhost`, since browsers choose either.
    pub(super) async fn bind(callback: &Url) -> Result<Self, Error> {
        let port = callback.port_or_known_default().unwrap_or(80);
        let addresses: &[IpAddr] = match callback.host() {
            Some(Host::Ipv4(address)) => &[IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => &[IpAddr::V6(address)],
            _ => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        let mut sockets = Vec::new();
        for address in addresses {
            match TcpListener::bind(SocketAddr::new(*address, port)).await {
                Ok(socket) => sockets.push(socket),
                // A machine without IPv6 has no ::1 to listen on.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && !sockets.is_empty() => {}
                Err(error) => return Err(not_bound(port, &error)),
            }
        }
        Ok(Self { sockets })
    }

    /// Hands each answer to `visits` and shows the page that comes back, until nobody takes them any more. Nothing
    /// listens when this returns.
    pub(super) async fn serve(
        self,
        callback: Callback,
        visits: mpsc::Sender<Visit>,
        farewell: Farewell,
    ) -> LastPages {
        let door = Arc::new(Door { callback, farewell });
        let mut visitors = Visitors::default();
        loop {
            let have_room = visitors.have_room();
            tokio::select! {
                stream = accept(&self.sockets), if have_room => {
                    visitors.let_in(|asked| connection(stream, Arc::clone(&door), visits.clone(), asked));
                }
                Some(()) = visitors.left() => {}
                () = visits.closed() => break,
            }
        }
        LastPages(visitors)
    }
}

/// Pages on their way to the browser when the login ended.
pub(super) struct LastPages(Visitors);

impl LastPages {
    /// Returns when they are there, or the browser has taken too long.
    pub(super) async fn shown(mut self) {
        let _ = timeout(PATIENCE, async { while self.0.left().await.is_some() {} }).await;
    }
}

fn not_bound(port: u16, error: &io::Error) -> Error {
    let reason = if error.kind() == io::ErrorKind::AddrInUse {
        format!("Port {port} of the callback is in use by another program; end that, or sign in with --paste")
    } else {
        format!("The callback's port {port} cannot be listened on ({error}); sign in with --paste")
    };
    Error::login(reason)
}

async fn accept(sockets: &[TcpListener]) -> TcpStream {
    loop {
        let accepts = sockets.iter().map(|socket| Box::pin(socket.accept()));
        match futures_util::future::select_all(accepts).await.0 {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "the callback's listener");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

pub(super) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    door: Arc<Door>,
    visits: mpsc::Sender<Visit>,
    asked: Asked,
) {
    let service = service_fn(|request| respond(request, &door, &visits, &asked));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(LONGEST_REQUEST)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the callback");
    }
}

async fn respond(
    request: Request<Incoming>,
    door: &Door,
    visits: &mpsc::Sender<Visit>,
    asked: &Asked,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // Only the script of our own page posts.
    let is_script = request.method() == Method::POST;
    let answer = door.callback.answer_in(request).await;
    asked.set();
    let page = match answer {
        Ok(answer) => door.show_in(answer, visits).await,
        Err(page) => page,
    };
    Ok(if is_script { page.answer() } else { page.response() })
}

impl Door {
    async fn show_in(&self, answer: Answer, visits: &mpsc::Sender<Visit>) -> Page {
        let (page, shown) = oneshot::channel();
        let visit = Visit { answer, page };
        let shown = if visits.send(visit).await.is_ok() { shown.await.ok() } else { None };
        // Who comes as the login ends is told how it ended.
        shown.unwrap_or_else(|| self.farewell.get().cloned().unwrap_or(Page::Underway))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let callback = Url::parse(&format!("http://127.0.0.1:{port}/callback")).unwrap();
        let error = Listener::bind(&callback).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("Port {port} of the callback is in use")), "{error}");
    }
}
