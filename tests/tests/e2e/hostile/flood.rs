//! Programs of the same user that call without end. imgurd closes their connections and serves all others.

use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use imgurd_proto::varlink::MAX_MESSAGE;
use imgurd_tests::browser;
use imgurd_tests::fake::{Behaviour, PATIENCE};
use imgurd_tests::testbed::{Scene, Testbed};
use imgurd_tests::wire::{Wire, token_of};
use rustix::cmsg_space;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use url::Url;

use crate::overload::eventually_served;

/// The most file descriptors that one message can carry (`unix(7)`, `SCM_MAX_FD`).
const MOST: usize = 253;

/// A daemon that may open few files and logs little.
fn frugal() -> Scene {
    let bed = Testbed::memory();
    bed.set_env("RUST_LOG", "info");
    bed.launch_by(["prlimit", "--nofile=256:256"]);
    Scene::new(bed, Behaviour::default()).signed_in()
}

fn serves(scene: &Scene) {
    assert!(scene.fake.is_live(&scene.token()));
}

fn send_descriptors(stream: &UnixStream, text: &[u8]) {
    let null = File::open("/dev/null").unwrap();
    let descriptors = [null.as_fd(); MOST];
    let mut space = vec![MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    // Sending fails if the daemon has closed the connection.
    let _ = sendmsg(stream, &[IoSlice::new(text)], &mut ancillary, SendFlags::NOSIGNAL);
}

#[test]
fn unwanted_file_descriptors_are_closed_and_the_call_is_answered() {
    let scene = frugal();
    let call = format!("{}\0", json!({ "method": "org.imgurd.Keeper1.GetToken" }));
    for _ in 0..100 {
        let stream = UnixStream::connect(scene.bed.socket()).unwrap();
        send_descriptors(&stream, call.as_bytes());
        let mut wire = Wire::from(stream);
        assert!(scene.fake.is_live(token_of(&wire.answer())));
    }
    let held: Vec<_> = (0..20)
        .map(|_| {
            let stream = UnixStream::connect(scene.bed.socket()).unwrap();
            send_descriptors(&stream, b"{");
            stream
        })
        .collect();
    serves(&scene);
    scene.ctl(&["refresh"]).success();
    drop(held);
}

#[test]
fn ten_thousand_connections_leak_nothing() {
    let scene = frugal();
    let mut held = Vec::new();
    for number in 0..10_000 {
        let mut stream = UnixStream::connect(scene.bed.socket()).unwrap();
        match number % 4 {
            0 => drop(stream),
            // The daemon may have answered already that there are too many connections.
            1 => drop(stream.write_all(b"{\"method\":")),
            2 => drop(stream.write_all(b"\0\0\0")),
            _ => held.push(stream),
        }
        if held.len() > 300 {
            held.clear();
        }
    }
    drop(held);
    // All connections are available again.
    let places = scene.bed.take_all_places();
    assert!(places.len() > 50, "{}", places.len());
    drop(places);
    eventually_served(&scene);
    scene.ctl(&["refresh"]).success();
}

/// Text that is nested as deeply as a message can be.
fn nest(open: &str, close: &str) -> String {
    let count = (MAX_MESSAGE - 2048) / (open.len() + close.len());
    format!("{}0{}", open.repeat(count), close.repeat(count))
}

#[test]
fn deeply_nested_json_is_refused_or_ignored() {
    let scene = frugal();
    for deep in [nest("[", "]"), nest("{\"a\":", "}")] {
        let token = "{\"method\":\"org.imgurd.Keeper1.GetToken\",";
        let set = "{\"method\":\"org.imgurd.Keeper1.SetAccount\",";
        for (message, is_token) in [
            (deep.clone(), false),
            (format!("{{\"method\":{deep}}}"), false),
            (format!("{token}\"parameters\":{{\"account\":{deep}}}}}"), false),
            (format!("{set}\"parameters\":{{\"settings\":{deep}}}}}"), false),
            // imgurd ignores unknown members of an object, however deep they are.
            (format!("{token}\"parameters\":{deep}}}"), deep.starts_with('{')),
            (format!("{token}\"unheard_of\":{deep}}}"), true),
        ] {
            let mut wire = scene.bed.wire();
            wire.send_bytes(format!("{message}\0").as_bytes());
            let answer = wire.receive();
            let token =
                answer.as_ref().map(|it| &it["parameters"]["token"]).filter(|token| token.is_object());
            let start = &message[..message.len().min(80)];
            assert_eq!(token.is_some(), is_token, "{start}: {answer:?}");
        }
    }
    serves(&scene);
}

#[test]
fn messages_that_are_too_long_close_the_connection() {
    let scene = frugal();
    let long = "a".repeat(MAX_MESSAGE);
    for message in [
        format!("{{\"method\":\"org.imgurd.Keeper1.{long}\"}}\0"),
        format!("{{\"method\":\"org.imgurd.Keeper1.GetToken\",\"parameters\":{{\"account\":\"{long}\"}}}}\0"),
        format!("{{\"{long}\":1}}\0"),
        long.repeat(64),
    ] {
        let mut wire = scene.bed.wire();
        wire.send_bytes(message.as_bytes());
        wire.expect_hang_up();
    }
    // A message of the maximum length, with an invalid argument.
    let mut wire = scene.bed.wire();
    let name = "a".repeat(MAX_MESSAGE - 200);
    let answer = wire.call("GetToken", &json!({ "account": name }));
    assert_ne!(answer["error"], Value::Null);
    serves(&scene);
}

/// Sends a byte at a time until the daemon closes the connection, which must happen before the end of the text.
fn drip(descriptor: BorrowedFd<'_>, mut say: impl FnMut(&[u8]) -> bool, text: &[u8]) {
    for byte in text {
        if !say(&[*byte]) || is_closed_within(descriptor, Duration::from_millis(200)) {
            return;
        }
    }
    panic!("imgurd read all {} bytes without closing the connection", text.len());
}

/// Waits this long for the daemon to close the connection, and returns whether it did.
fn is_closed_within(descriptor: BorrowedFd<'_>, time: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled = [PollFd::from_borrowed_fd(descriptor, PollFlags::RDHUP)];
    poll(&mut polled, Some(&Timespec::try_from(time).unwrap())).unwrap();
    polled[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP)
}

/// Text that takes longer to send than the daemon waits.
fn endless() -> Vec<u8> {
    let bytes = PATIENCE.as_millis() / 200;
    vec![b'a'; usize::try_from(bytes).unwrap()]
}

#[test]
fn slow_senders_are_disconnected_and_do_not_delay_others() {
    let scene = frugal();
    let slow: Vec<_> = (0..20).map(|_| UnixStream::connect(scene.bed.socket()).unwrap()).collect();
    std::thread::scope(|scope| {
        for mut stream in &slow {
            scope.spawn(move || drip(stream.as_fd(), |byte| stream.write_all(byte).is_ok(), &endless()));
        }
        serves(&scene);
    });
    serves(&scene);
}

#[test]
fn slow_browsers_do_not_block_a_sign_in() {
    let scene = Scene::memory(Behaviour::default());
    let (login, url) = scene.login(&[]);
    let port = Url::parse(&scene.callback()).unwrap().port().unwrap();
    let head = [&b"GET /callback?state="[..], &endless()].concat();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let head = &head;
            scope.spawn(move || {
                let other = stream.try_clone().unwrap();
                drip(other.as_fd(), |byte| stream.write_all(byte).is_ok(), head);
                // The daemon may answer, but not with the page of a successful sign-in.
                let mut said = String::new();
                let _ = stream.read_to_string(&mut said);
                assert!(!said.contains("Signed in"), "{said}");
            });
        }
        assert_eq!(browser::allow(&url, "alice").status, 200);
        login.finish().success();
    });
    serves(&scene);
}
