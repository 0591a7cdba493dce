//! Certificates, and the server side of TLS.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::relay::Side;

/// The configuration for `openssl ca` (`ca(1ssl)`).
const CONFIGURATION: &str = "
[ca]
default_ca = here
[here]
database = index.txt
unique_subject = no
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
";

const TOMORROW: &str = "21000101000000Z";
const YESTERDAY: &str = "20210101000000Z";

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(PathBuf);

impl Authority {
    /// A new authority that no program trusts yet. Its files are in a directory of that name below `root`.
    pub fn new(root: &Path, name: &str) -> Self {
        let directory = root.join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("ca.conf"), CONFIGURATION).unwrap();
        fs::write(directory.join("index.txt"), "").unwrap();
        let authority = Self(directory);
        authority
            .openssl(&format!("req -x509 {NEW_KEY} -keyout ca.key -out ca.pem -days 30 -subj /CN={name}"));
        authority
    }

    /// The file of its certificate, for programs that trust it.
    pub fn certificate(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The TLS configuration of a server with this name.
    pub fn server(&self, host: &str) -> Arc<ServerConfig> {
        self.server_until(host, TOMORROW)
    }

    /// The same with an expired certificate.
    pub fn expired_server(&self, host: &str) -> Arc<ServerConfig> {
        self.server_until(host, YESTERDAY)
    }

    fn server_until(&self, host: &str, end: &str) -> Arc<ServerConfig> {
        self.openssl(&format!(
            "req -new {NEW_KEY} -keyout server.key -out server.csr -subj /CN={host} -addext subjectAltName=DNS:{host}"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config ca.conf -in server.csr -out server.pem -startdate 20200101000000Z -enddate {end}"
        ));
        let certificate = CertificateDer::from_pem_file(self.0.join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.0.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .output()
            .expect("openssl is installed (Debian: openssl)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// A TLS connection after the handshake.
pub(crate) struct Tls<'s> {
    socket: &'s TcpStream,
    session: Mutex<ServerConnection>,
}

impl<'s> Tls<'s> {
    pub(crate) fn accept(socket: &'s TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut &*socket)?;
        }
        Ok(Self { socket, session: Mutex::new(session) })
    }

    /// Sends what the session has ready.
    fn flush(&self, session: &mut ServerConnection) -> io::Result<()> {
        while session.wants_write() {
            session.write_tls(&mut &*self.socket)?;
        }
        Ok(())
    }
}

impl Side for Tls<'_> {
    fn receive(&self, part: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.lock().unwrap().reader().read(part) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            // Wait without the lock on the session, because the other thread may need it.
            let mut ciphered = [0; 4096];
            let length = (&mut &*self.socket).read(&mut ciphered)?;
            let mut ciphered = &ciphered[..length];
            let mut session = self.session.lock().unwrap();
            loop {
                session.read_tls(&mut ciphered)?;
                session.process_new_packets().map_err(io::Error::other)?;
                if ciphered.is_empty() {
                    break;
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut session = self.session.lock().unwrap();
        session.writer().write_all(bytes)?;
        self.flush(&mut session)
    }

    fn hang_up(&self) {
        let mut session = self.session.lock().unwrap();
        session.send_close_notify();
        let _ = self.flush(&mut session);
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
