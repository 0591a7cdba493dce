//! A minimal HTTP server: it reads a form, sends the same JSON each time, and closes the connection. It has the
//! gateway's library, runtime and a task for each connection, for comparison with the gateway.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use axum::body::{Body, to_bytes};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::fake::PATIENCE;
use crate::testbed::free_port;

/// The server in its own process. Dropping it kills the process.
pub(super) struct StaticHttp {
    process: Child,
    pub(super) address: SocketAddr,
}

impl StaticHttp {
    /// Starts a server with answers of `answer` bytes, and returns when it listens.
    pub(super) fn start(answer: usize) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("static-http").arg(address.to_string()).arg(answer.to_string()).stdin(Stdio::null());
        let started = Self { process: command.spawn().unwrap(), address };
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::yield_now();
        }
        started
    }
}

impl Drop for StaticHttp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the server until the process is killed.
///
/// # Errors
/// If it cannot listen.
pub fn serve(address: SocketAddr, length: usize) -> io::Result<()> {
    let answer: &'static str = "x".repeat(length).leak();
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let service = service_fn(move |request| respond(request, answer));
            let connection =
                http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    })
}

async fn respond(request: Request<Incoming>, answer: &'static str) -> Result<Response<Body>, Infallible> {
    let _ = to_bytes(Body::new(request.into_body()), 1 << 14).await;
    let mut response = Response::new(Body::from(answer));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    Ok(response)
}
