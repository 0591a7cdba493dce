//! The loopback address that the authorization page redirects to (RFC 8252, section 7.3), open while a login is.
//!
//! imgurd binds the port when a login begins, and frees it before it reports the end of the login. After an answer, the port
//! stays open [for a moment](super::lingering). The port number is fixed, because Imgur compares the redirect URI character by
//! character.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use imgurd_proto::Error;
use imgurd_proto::text::cause;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::{Host, Url};

use super::authorization_response::AuthorizationResponse;
use super::callback::{self, Callback, Nonce, is_shown};
use super::page::Page;
use crate::loopback::http::{PATIENCE, serve};
use crate::loopback::visitors::{Asked, Visitors};
use crate::loopback::{self, Holder};
use crate::mutex::lock;

/// The maximal number of connections at a time: more than a browser opens.
const PLACES: usize = 16;

/// The first byte of a TLS connection, and the answer that there is no TLS: a fatal `handshake_failure` (RFC 8446,
/// sections 5.1 and 6.2).
const TLS_HANDSHAKE: u8 = 22;
const TLS_ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 40];

/// A visit to the callback.
pub(crate) enum Visit {
    /// An answer, and the channel for its page.
    Answer { answer: AuthorizationResponse, page: oneshot::Sender<Page> },
    /// A browser that connected with TLS.
    Tls,
}

impl Visit {
    pub(crate) fn show(self, shown: Page) {
        if let Self::Answer { page, .. } = self {
            let _ = page.send(shown);
        }
    }
}

/// The page for a visit that arrives while the login ends.
pub(crate) type Farewell = Arc<OnceLock<Page>>;

/// Listens at the addresses of one callback. Logins with the same address share the socket.
pub(super) struct Listener {
    sockets: Vec<Arc<TcpListener>>,
    port: Arc<Port>,
}

/// The state that logins at one port share, even if their callbacks have different host names: a browser that opens
/// `localhost` may connect to 127.0.0.1.
#[derive(Default)]
struct Port {
    /// The logins that wait for their answers.
    routes: Mutex<Vec<Arc<Route>>>,
    nonce: Nonce,
}

/// The receiver of answers for one login.
pub(crate) struct Route {
    pub(crate) callback: Callback,
    pub(crate) farewell: Farewell,
    pub(crate) visits: mpsc::Sender<Visit>,
}

/// The open listeners of all logins.
#[derive(Clone, Default)]
pub(super) struct Listeners(Arc<tokio::sync::Mutex<Open>>);

#[derive(Default)]
struct Open {
    sockets: HashMap<SocketAddr, Weak<TcpListener>>,
    ports: HashMap<u16, Weak<Port>>,
}

impl Listeners {
    /// Listens at `callback`, or joins the logins that already do. For `localhost`, it listens on both loopback
    /// addresses, if the machine has them.
    pub(super) async fn open(&self, callback: &Url) -> Result<Listener, NotBound> {
        let mut open = self.0.lock().await;
        let port = callback.port_or_known_default().unwrap_or(80);
        let addresses: &[IpAddr] = match callback.host() {
            Some(Host::Ipv4(address)) => &[IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => &[IpAddr::V6(address)],
            _ => &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        let (mut sockets, mut missing) = (Vec::new(), None);
        for address in addresses.iter().map(|address| SocketAddr::new(*address, port)) {
            match open.socket(address).await {
                Ok(socket) => sockets.push(socket),
                Err(error) if is_missing(&error) => missing = Some(error),
                Err(error) => return Err(NotBound::new(address, error)),
            }
        }
        match missing {
            Some(error) if sockets.is_empty() => Err(NotBound { port, holder: None, error }),
            _ => Ok(Listener { sockets, port: open.port(port) }),
        }
    }
}

impl Open {
    async fn socket(&mut self, address: SocketAddr) -> io::Result<Arc<TcpListener>> {
        self.sockets.retain(|_, socket| socket.strong_count() > 0);
        if let Some(socket) = self.sockets.get(&address).and_then(Weak::upgrade) {
            return Ok(socket);
        }
        let socket = Arc::new(TcpListener::bind(address).await?);
        self.sockets.insert(address, Arc::downgrade(&socket));
        Ok(socket)
    }

    fn port(&mut self, number: u16) -> Arc<Port> {
        self.ports.retain(|_, port| port.strong_count() > 0);
        if let Some(port) = self.ports.get(&number).and_then(Weak::upgrade) {
            return port;
        }
        let port = Arc::default();
        self.ports.insert(number, Arc::downgrade(&port));
        port
    }
}

impl Port {
    /// The login that `visit` belongs to, by its state. An answer without a state may be in a fragment, which the
    /// page of the flow `token` sends later. If no login matches, one with this address answers.
    fn route(&self, own: &Arc<Route>, visit: &callback::Request) -> Arc<Route> {
        let (routes, state) = (lock(&self.routes), visit.state());
        let find = |is_for: &dyn Fn(&Callback) -> bool| routes.iter().find(|route| is_for(&route.callback));
        let found = match &state {
            Some(state) => find(&|callback| callback.expects(state)),
            None => find(&|callback| callback.reads_fragments() && callback.check_address(visit).is_ok()),
        };
        let found = found.or_else(|| find(&|callback| callback.check_address(visit).is_ok()));
        found.unwrap_or(own).clone()
    }
}

impl Listener {
    /// Sends each answer to `visits` and shows the page that comes back, until the receiver is dropped. When this
    /// returns, the port is closed, unless another login uses it. An answer to another login goes to that login.
    pub(super) async fn serve(
        self,
        callback: Callback,
        visits: mpsc::Sender<Visit>,
        farewell: Farewell,
    ) -> LastPages {
        let Self { sockets, port } = self;
        let callback = callback.sharing(&port.nonce);
        let route = Arc::new(Route { callback, farewell, visits });
        lock(&port.routes).push(route.clone());
        let mut visitors = Visitors::new(PLACES);
        loop {
            let (port, own) = (port.clone(), route.clone());
            let visit = |stream, asked| {
                let route = own.clone();
                serve_stream(stream, own, move |visit| port.route(&route, visit), asked)
            };
            tokio::select! {
                () = visitors.receive(&sockets, visit) => {}
                () = route.visits.closed() => break,
            }
        }
        lock(&port.routes).retain(|other| !Arc::ptr_eq(other, &route));
        LastPages(visitors)
    }
}

/// Pages that are still being sent to the browser when the login ends.
pub(super) struct LastPages(Visitors);

impl LastPages {
    /// Keeps only the pages for visitors that sent a request.
    pub(super) fn asked_for(mut self) -> Self {
        self.0.dismiss_silent();
        self
    }

    /// Returns when they are delivered, or the browser has taken too long.
    pub(super) async fn shown(mut self) {
        let _ = timeout(PATIENCE, async { while self.0.left().await.is_some() {} }).await;
    }
}

/// Whether the machine does not have this address, or the kernel not this address family.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

#[derive(Debug)]
pub(super) struct NotBound {
    port: u16,
    holder: Option<Holder>,
    error: io::Error,
}

impl NotBound {
    fn new(address: SocketAddr, error: io::Error) -> Self {
        Self { port: address.port(), holder: loopback::holder(address), error }
    }

    /// Whether a program of another user could receive the answer, as far as imgurd knows.
    pub(super) fn is_unsafe(&self) -> bool {
        match self.holder {
            Some(Holder::Own) => false,
            Some(Holder::Other(_)) => true,
            None => self.error.kind() == io::ErrorKind::AddrInUse,
        }
    }
}

impl From<NotBound> for Error {
    /// The advice must not be to paste the answer: the browser would first send it to the program that listens at the
    /// callback.
    fn from(NotBound { port, holder, error }: NotBound) -> Self {
        const OR_MOVE: &str = "register a callback with another port, and set redirect_uri to it";
        Self::login(match holder {
            Some(Holder::Own) => format!(
                "Another of your programs uses port {port} of the callback; end it (`ss -ltnp sport = :{port}` names \
                 it), then sign in again"
            ),
            Some(Holder::Other(user)) => format!(
                "A program of {user} uses port {port} of the callback and would receive the sign-in's answer; do not \
                 sign in while it runs, or {OR_MOVE}"
            ),
            None if error.kind() == io::ErrorKind::AddrInUse => format!(
                "A program that imgurd cannot identify uses port {port} of the callback and could receive the \
                 sign-in's answer; do not sign in while it runs, or {OR_MOVE}"
            ),
            None => format!(
                "imgurd cannot listen on port {port} of the callback ({error}); {OR_MOVE}",
                error = cause(&error)
            ),
        })
    }
}

async fn serve_stream(
    mut stream: TcpStream,
    own: Arc<Route>,
    routes: impl Fn(&callback::Request) -> Arc<Route>,
    asked: Asked,
) {
    let mut first = [0];
    let Ok(Ok(1..)) = timeout(PATIENCE, stream.peek(&mut first)).await else { return };
    if first == [TLS_HANDSHAKE] {
        let _ = stream.write_all(&TLS_ALERT).await;
        let _ = own.visits.send(Visit::Tls).await;
    } else {
        serve_connection(stream, routes, asked).await;
    }
}

/// Serves a visitor. `routes` tells which login it belongs to.
pub(crate) async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    routes: impl Fn(&callback::Request) -> Arc<Route>,
    asked: Asked,
) {
    serve(stream, |request| respond(request, &routes, &asked)).await;
}

async fn respond(
    request: Request<Incoming>,
    routes: &impl Fn(&callback::Request) -> Arc<Route>,
    asked: &Asked,
) -> Response<Full<Bytes>> {
    let is_script = request.method() == Method::POST && !is_shown(request.headers());
    let visit = callback::Request::read(request).await;
    asked.set();
    let Some(visit) = visit else { return Page::Refused.response() };
    let route = routes(&visit);
    let page = match route.callback.answer_in(&visit) {
        Ok(answer) => route.pass_on(answer).await,
        Err(page) => route.show(page),
    };
    if is_script { page.answer() } else { page.response() }
}

impl Route {
    /// Adapts the page for a browser that reloads the page of the flow `token`: it has no answer, because the script
    /// has cleared the address.
    fn show(&self, page: Page) -> Page {
        let is_waiting = matches!(page, Page::Waiting { .. });
        self.farewell.get().filter(|_| is_waiting).cloned().unwrap_or(page)
    }

    /// Passes an answer to the login, and returns the page that the login shows for it.
    async fn pass_on(&self, answer: AuthorizationResponse) -> Page {
        let (page, shown) = oneshot::channel();
        let visit = Visit::Answer { answer, page };
        let shown = if self.visits.send(visit).await.is_ok() { shown.await.ok() } else { None };
        // A visitor that arrives while the login ends sees how it ended.
        shown.unwrap_or_else(|| self.farewell.get().cloned().unwrap_or(Page::Underway))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_a_port_in_use_and_its_owner() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let callback = Url::parse(&format!("http://{host}:{port}/callback")).unwrap();
            let not_bound = Listeners::default().open(&callback).await.err().unwrap();
            assert!(!not_bound.is_unsafe(), "a port that the user's own program uses is safe");
            let said = Error::from(not_bound).to_string();
            let expected = format!("Another of your programs uses port {port} of the callback");
            assert!(said.starts_with(&expected), "{said}");
        }
    }

    #[test]
    fn never_advises_pasting_when_the_port_is_taken() {
        let not_bound =
            |holder: Option<Holder>, kind: io::ErrorKind| NotBound { port: 8917, holder, error: kind.into() };
        let other = Some(Holder::Other("user mallory".to_owned()));
        for (not_bound, is_unsafe, part) in [
            (not_bound(other.clone(), io::ErrorKind::AddrInUse), true, "user mallory"),
            (not_bound(other, io::ErrorKind::PermissionDenied), true, "user mallory"),
            (not_bound(None, io::ErrorKind::AddrInUse), true, "cannot identify"),
            (not_bound(None, io::ErrorKind::PermissionDenied), false, "permission denied"),
            (not_bound(Some(Holder::Own), io::ErrorKind::AddrInUse), false, "your programs"),
        ] {
            assert_eq!(not_bound.is_unsafe(), is_unsafe, "{not_bound:?}");
            let said = Error::from(not_bound).to_string();
            assert!(said.contains(part) && said.contains("8917") && !said.contains("paste"), "{said}");
        }
    }

    #[test]
    fn accepts_a_kernel_without_ipv6_or_ipv4() {
        assert!(is_missing(&Errno::AFNOSUPPORT.into()) && is_missing(&Errno::ADDRNOTAVAIL.into()));
        assert!(!is_missing(&Errno::ADDRINUSE.into()) && !is_missing(&Errno::ACCESS.into()));
    }
}
