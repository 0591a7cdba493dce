//! A network for one test.

use std::fs;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};

use super::Testbed;
use crate::fake::PATIENCE;

/// Keeps the namespaces open, and does there what only their owner can do. It sends a byte when it is ready, and ends
/// with its standard input. A socket stays in the network in which it was created.
const HOLDER: &str = "
import json, socket, subprocess
hand = socket.socket(fileno=0)
hand.send(b'.')
while request := hand.recv(4096):
    kind, *arguments = json.loads(request)
    if kind == 'run':
        subprocess.run(arguments, stdin=subprocess.DEVNULL, check=True)
        hand.send(b'.')
        continue
    host, port = arguments
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, getattr(socket, kind)) as made:
        made.bind((host, port))
        if kind == 'SOCK_STREAM':
            made.listen()
        socket.send_fds(hand, [b'.'], [made.fileno()])
";

/// User, mount and network namespaces. They exist until this is dropped and all daemons in them have ended. The user
/// and the sockets in the file system are the same as outside.
#[derive(Debug)]
pub struct Network {
    holder: Child,
    /// The launcher of programs in the network.
    entrance: Vec<String>,
    hand: UnixStream,
    files: PathBuf,
}

impl Testbed {
    /// Creates a network in which even the loopback interface is down. Daemons that start later run in it. Other
    /// programs stay outside and reach them by their socket.
    pub fn network(&self) -> Network {
        let (hand, other) = UnixStream::pair().unwrap();
        hand.set_read_timeout(Some(PATIENCE)).unwrap();
        let holder = Command::new("unshare")
            .args(["--map-current-user", "--keep-caps", "--net", "--mount", "/usr/bin/python3", "-c", HOLDER])
            .stdin(OwnedFd::from(other))
            .spawn()
            .expect("unshare is installed (Debian: util-linux)");
        let files = self.root().join("network");
        fs::create_dir(&files).unwrap();
        let target = format!("--target={}", holder.id());
        let enter = ["nsenter", &target, "--user", "--net", "--mount", "--preserve-credentials", "--"];
        let entrance = enter.map(str::to_owned).to_vec();
        let mut network = Network { holder, entrance, hand, files };
        network
            .hand
            .read_exact(&mut [0])
            .expect("the namespaces exist, which needs user namespaces to be allowed");
        self.launch_by(network.entrance.clone());
        // Look up only the test's names: sockets in the file system may lead to the machine's resolver.
        network.replace("/etc/nsswitch.conf", "hosts: files dns\n");
        network.replace("/etc/resolv.conf", "");
        network.know(&[]);
        network
    }
}

impl Network {
    /// A command in the network, with the testbed's environment, in this directory.
    pub fn command(&self, bed: &Testbed, directory: &Path, program: impl AsRef<Path>) -> Command {
        let (nsenter, namespaces) =
            self.entrance.split_first().expect("the command of the network begins with nsenter");
        let mut command = bed.command(nsenter);
        // A process that enters another mount namespace is in its root directory (setns(2)).
        command.arg(format!("--wd={}", directory.display())).args(namespaces).arg(program.as_ref());
        command
    }

    /// Brings the loopback interface up.
    pub fn up(&mut self) {
        self.ip("link set lo up");
    }

    /// Takes the loopback interface down, which is the only one.
    pub fn down(&mut self) {
        self.ip("link set lo down");
    }

    /// Runs `ip` in the network, for example `route add blackhole 198.51.100.1`.
    pub fn ip(&mut self, arguments: &str) {
        let command: Vec<_> = ["run", "ip"].into_iter().chain(arguments.split(' ')).collect();
        self.ask(&json!(command));
    }

    /// Replaces the file at `path` by one with this text. It can be replaced again.
    pub fn replace(&mut self, path: &str, text: &str) {
        let file = self.files.join(path.replace('/', "-"));
        let is_mounted = file.exists();
        fs::write(&file, text).unwrap();
        if !is_mounted {
            self.ask(&json!(["run", "mount", "--bind", file, path]));
        }
    }

    /// Sets the known names, as pairs of address and name.
    pub fn know(&mut self, names: &[(&str, &str)]) {
        let lines: Vec<_> = names.iter().map(|(address, name)| format!("{address} {name}\n")).collect();
        self.replace("/etc/hosts", &lines.concat());
    }

    /// A listening socket in the network.
    pub fn listen(&mut self, address: SocketAddr) -> TcpListener {
        self.socket("SOCK_STREAM", address).into()
    }

    /// A datagram socket in the network, which only the test reads.
    pub fn datagrams(&mut self, address: SocketAddr) -> UdpSocket {
        let socket = UdpSocket::from(self.socket("SOCK_DGRAM", address));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// The number of connection attempts in the network (`ActiveOpens` of RFC 1213).
    pub fn connections_tried(&self) -> u64 {
        let text = self.proc("snmp");
        let mut lines = text.lines().filter(|line| line.starts_with("Tcp:")).map(str::split_whitespace);
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let (_, value) = names.zip(values).find(|(name, _)| *name == "ActiveOpens").unwrap();
        value.parse().unwrap()
    }

    /// The number of sockets in the network that receive the kernel's multicast messages (`netlink(7)`).
    pub fn listeners(&self) -> usize {
        let text = self.proc("netlink");
        let groups = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3));
        groups.filter(|groups| groups.bytes().any(|digit| digit != b'0')).count()
    }

    /// A file in `/proc/net` of the network.
    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/net/{name}", self.holder.id())).unwrap()
    }

    fn socket(&mut self, kind: &str, address: SocketAddr) -> OwnedFd {
        self.ask(&json!([kind, address.ip(), address.port()])).expect("a socket")
    }

    /// The socket that the request created, if any.
    fn ask(&mut self, request: &Value) -> Option<OwnedFd> {
        self.hand.write_all(request.to_string().as_bytes()).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let answer =
            recvmsg(&self.hand, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC);
        assert!(answer.is_ok_and(|answer| answer.bytes == 1), "{request} failed");
        ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
