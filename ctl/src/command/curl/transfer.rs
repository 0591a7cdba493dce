//! One run of curl.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use imgurd_proto::text::cause;
use imgurd_proto::{Secret, rejects_token};
use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::{Deserializer, Value};

use super::options::{Destination, Request};
use crate::failure::Failure;
use crate::memory;
use crate::sealed::random_hexadecimal;

/// How much output is held back until it is clear that it does not reject the token. Such an answer is never longer.
const HELD: u64 = 64 * 1024;

/// Room for the report at the end, which may contain a file's name.
const TAIL: usize = 8 * 1024;

/// curl's exit code after an error of the server, with `--fail`.
const SERVER_ERROR: i32 = 22;

/// A request and its destination.
pub(super) struct Transfer {
    pub(super) request: Request,
    pub(super) url: String,
    /// Whether it goes to this machine without TLS, and so must not use a proxy.
    pub(super) is_local: bool,
    /// Authorities that TLS trusts in addition to the system's.
    pub(super) ca_file: Option<PathBuf>,
}

/// Variables that change which authorities curl trusts, or make it write the keys of its connections to a file.
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` (`openssl-env(7)`) stay, because imgurd trusts those authorities too.
const VARIABLES: [&str; 3] = ["CURL_CA_BUNDLE", "SSLKEYLOGFILE", "QLOGDIR"];

/// How curl ended, with the output that has not been passed on yet.
pub(super) struct Ended {
    status: ExitStatus,
    held: Vec<u8>,
    report: Option<Report>,
    /// The output of --write-out after a body that --fail hid.
    written: Option<Vec<u8>>,
    /// The beginning of a body that goes nowhere.
    discarded: Vec<u8>,
}

/// curl's report about the transfer.
struct Report {
    http_status: u16,
    redirects: u32,
    file: String,
}

impl Transfer {
    /// Runs curl with this value of the header Authorization. Passes long output on while curl runs.
    pub(super) fn run(&self, authorization: &Secret) -> Result<Ended, Failure> {
        // A random mark, so that no body contains it.
        let mark = format!("imgurctl-{}", random_hexadecimal::<8>()?);
        let header = pipe_with(&format!("Authorization: {}\n", authorization.expose())).map_err(no_pipe)?;
        let body = (self.request.destination == Destination::Nowhere).then(pipe_from).transpose();
        let body = body.map_err(no_pipe)?;
        let mut command = self.command(&path_of(&header)?, &mark);
        if let Some((_, writer)) = &body {
            command.arg("--output").arg(path_of(writer)?);
        }
        let mut child = memory::with_own_limit(|| command.spawn())
            .map_err(|error| Failure::not_started("curl", &error))?;
        drop(header);
        let body = body.map(|(reader, _writer)| thread::spawn(|| discard(reader)));
        let (mut held, report) = receive(&mut child, &mark)?;
        let status = child.wait().map_err(unreadable)?;
        let written = self.marks_the_end().then(|| split_off(&mut held, &end_of_body(&mark)));
        let discarded = body.and_then(|body| body.join().ok()).unwrap_or_default();
        Ok(Ended { status, held, report, written: written.flatten(), discarded })
    }

    /// Whether `--fail-with-body` replaces `--fail`, so that the body shows whether an error is about the token. Not if curl
    /// would write that body to a file, or print it for each of several tries.
    fn recovers_from_errors(&self) -> bool {
        let others = ["--fail-with-body", "--retry", "--include", "--show-headers", "--head"];
        let is_plain = !self.request.options.iter().any(|option| others.contains(&option.as_str()));
        self.request.hides_errors && self.request.destination != Destination::File && is_plain
    }

    /// Whether the end of the body is marked, because the output of --write-out follows a body that --fail hides.
    fn marks_the_end(&self) -> bool {
        self.recovers_from_errors() && self.request.destination == Destination::Output
    }

    fn command(&self, header: &str, mark: &str) -> Command {
        let mut command = Command::new("curl");
        // --disable works only as the first argument. curl reads the header next, so that the pipe is empty before it reads
        // any other option.
        command.arg("--disable").arg("--header").arg(format!("@{header}"));
        let recovers = self.recovers_from_errors();
        command.args(self.request.options.iter().map(|option| match option.as_str() {
            "--fail" if recovers => "--fail-with-body",
            option => option,
        }));
        let is_marked = self.marks_the_end();
        let end = if is_marked { format!("%{{stdout}}{}", end_of_body(mark)) } else { String::new() };
        command.arg("--write-out").arg(format!(
            "{end}{}%{{stdout}}{mark} %{{http_code}} %{{num_redirects}} %{{filename_effective}}",
            self.request.format
        ));
        // curl before 7.83 would send the token from https to http.
        command.args(if self.is_local { ["--noproxy", "*"] } else { ["--proto-redir", "=https"] });
        if let Some(ca_file) = &self.ca_file {
            command.arg("--cacert").arg(ca_file);
        }
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        // curl does the same on a terminal, but here its output is a pipe.
        if io::stdout().is_terminal() && self.request.destination == Destination::Output {
            command.arg("--no-progress-meter");
        }
        command.args(["--globoff", "--url", &self.url]).stdout(Stdio::piped());
        command
    }
}

/// Separates the body from the output of --write-out.
fn end_of_body(mark: &str) -> String {
    format!("{mark}-body")
}

/// Cuts the output at the last `end`, and returns the part after it.
fn split_off(output: &mut Vec<u8>, end: &str) -> Option<Vec<u8>> {
    let at = output.windows(end.len()).rposition(|bytes| bytes == end.as_bytes())?;
    let rest = output.split_off(at);
    Some(rest[end.len()..].to_vec())
}

/// A path with which curl can open the pipe. Without it, curl would leave the header out.
fn path_of(pipe: &impl AsRawFd) -> Result<String, Failure> {
    let number = pipe.as_raw_fd();
    let paths = [format!("/dev/fd/{number}"), format!("/proc/self/fd/{number}")];
    paths.into_iter().find(|path| Path::new(path).exists()).ok_or_else(|| {
        let reason = "imgurctl cannot pass the token to curl, because neither /dev/fd nor /proc is mounted; mount /proc";
        Failure::Other(reason.to_owned())
    })
}

/// A pipe that contains `text`. Child processes inherit its reading end.
fn pipe_with(text: &str) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(text.as_bytes())?;
    fcntl_setfd(&reader, FdFlags::empty())?;
    Ok(reader)
}

/// A pipe for a body. Child processes inherit its writing end.
fn pipe_from() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    fcntl_setfd(&writer, FdFlags::empty())?;
    Ok((reader, writer))
}

/// Reads all, and returns the beginning.
fn discard(mut body: PipeReader) -> Vec<u8> {
    let mut beginning = Vec::new();
    // If this fails, the status decides.
    let _ = (&mut body).take(HELD).read_to_end(&mut beginning);
    let _ = io::copy(&mut body, &mut io::sink());
    beginning
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn no_pipe(error: io::Error) -> Failure {
    Failure::Other(format!("cannot create a pipe: {error}; try again", error = cause(&error)))
}

/// Reads the output of curl, and separates its report.
fn receive(child: &mut Child, mark: &str) -> Result<(Vec<u8>, Option<Report>), Failure> {
    let Some(mut output) = child.stdout.take() else { return Ok((Vec::new(), None)) };
    let mut held = Vec::new();
    (&mut output).take(HELD).read_to_end(&mut held).map_err(unreadable)?;
    let is_long = held.len() as u64 == HELD;
    if is_long {
        held = pass_on_but_the_tail(held, &mut output, &mut io::stdout().lock())?;
    }
    let report = split_off(&mut held, mark).and_then(|text| Report::parse(&text));
    Ok((held, report.filter(|_| !is_long)))
}

fn pass_on_but_the_tail(
    mut held: Vec<u8>,
    output: &mut impl Read,
    stdout: &mut impl Write,
) -> Result<Vec<u8>, Failure> {
    let mut chunk = vec![0; TAIL];
    loop {
        let rest = held.split_off(held.len() - TAIL);
        // If this fails, curl stops too, because its pipe is closed.
        stdout.write_all(&held).map_err(Failure::Output)?;
        held = rest;
        match output.read(&mut chunk).map_err(unreadable)? {
            0 => return Ok(held),
            count => held.extend_from_slice(&chunk[..count]),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: io::Error) -> Failure {
    Failure::Other(format!("cannot read the output of curl: {error}; run it again", error = cause(&error)))
}

impl Report {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut words = text.trim_start().splitn(3, ' ');
        Some(Self {
            http_status: words.next()?.parse().ok()?,
            redirects: words.next()?.parse().ok()?,
            file: words.next().unwrap_or_default().to_owned(),
        })
    }
}

impl Ended {
    /// Whether the API rejected the token. After a redirect, the answer is not the API's.
    pub(super) fn rejects_token(&self) -> bool {
        let Some(report) = self.report.as_ref().filter(|report| report.redirects == 0) else { return false };
        let mut body = self.discarded.clone();
        // Some files, such as /dev/stdout, cannot be read again.
        if fs::metadata(&report.file).is_ok_and(|found| found.is_file()) {
            // Without the body, the status decides.
            let _ = File::open(&report.file).and_then(|file| file.take(HELD).read_to_end(&mut body));
        }
        body.extend_from_slice(&self.held);
        rejects_token(report.http_status, first_object(&body).unwrap_or_default())
    }

    /// Writes the rest of the output, and returns curl's exit code.
    pub(super) fn pass_on(mut self) -> Result<(), Failure> {
        let code = self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default());
        if let Some(written) = self.written {
            if code == SERVER_ERROR {
                self.held.clear();
            }
            self.held.extend(written);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.held).and_then(|()| stdout.flush()).map_err(Failure::Output)?;
        if code == 0 { Ok(()) } else { Err(Failure::Ended(u8::try_from(code).unwrap_or(1))) }
    }
}

/// The first JSON object at the beginning of a line. There may be headers before the body, and the output of
/// --write-out after it.
fn first_object(written: &[u8]) -> Option<&[u8]> {
    let begins = |at: &usize| written[*at] == b'{' && (*at == 0 || written[at - 1] == b'\n');
    (0..written.len()).filter(begins).find_map(|at| {
        let mut values = Deserializer::from_slice(&written[at..]).into_iter::<Value>();
        values.next()?.ok()?;
        Some(&written[at..at + values.byte_offset()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_json_between_headers_and_curls_output() {
        const INVALID: &str = r#"{"data":{"error":"The access token provided is invalid."},"status":403}"#;
        let rejects =
            |status, text: &str| rejects_token(status, first_object(text.as_bytes()).unwrap_or_default());
        assert!(rejects(403, &format!("HTTP/1.1 403 Forbidden\r\nX-A: {{b\r\n\r\n{INVALID}403\n")));
        assert!(rejects(403, &format!("{{odd\n{INVALID}")));
        assert!(rejects(401, "") && !rejects(403, "access token"));
    }

    #[test]
    fn holds_back_the_end_of_long_output() {
        let text: Vec<u8> = (0..HELD + 100_000).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
        let (first, mut rest) = text.split_at(usize::try_from(HELD).expect("fits"));
        let mut written = Vec::new();
        let tail = pass_on_but_the_tail(first.to_vec(), &mut rest, &mut written).expect("read");
        assert!(tail.len() >= TAIL);
        assert_eq!([written, tail].concat(), text);
    }

    #[test]
    fn reads_curls_report() {
        let report = Report::parse(b" 403 0 a file name").expect("a report");
        assert_eq!((report.http_status, report.redirects, report.file.as_str()), (403, 0, "a file name"));
        assert_eq!(Report::parse(b" 200 1 ").expect("a report").file, "");
        assert!(Report::parse(b"").is_none());
    }
}
