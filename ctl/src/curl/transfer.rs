//! One run of curl.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, PipeReader, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use imgurd_proto::Secret;
use rustix::io::{FdFlags, fcntl_setfd};

use super::complaint;
use super::options::Request;
use crate::failure::Failure;
use crate::memory;
use crate::output::cannot_write;
use crate::random::{self, hexadecimal};

/// What is held back until it is known to be no complaint. None is longer.
const HELD: u64 = 64 * 1024;

/// Room for what curl is made to write at the end, in which a file's name may be.
const TAIL: usize = 8 * 1024;

/// How curl ends after an error of the server, with `--fail`.
const SERVER_ERROR: i32 = 22;

/// A request, and where it goes.
pub(super) struct Transfer {
    pub(super) request: Request,
    pub(super) url: String,
    /// Whether it goes, in clear, to this machine itself, and so through no proxy.
    pub(super) is_local: bool,
    /// Whom TLS trusts beside the system's authorities.
    pub(super) ca_file: Option<PathBuf>,
}

/// What curl's own variables would change: whom it trusts, and a file that gets the keys of its connections. What
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name is trusted by imgurd as well (`openssl-env(7)`).
const VARIABLES: [&str; 3] = ["CURL_CA_BUNDLE", "SSLKEYLOGFILE", "QLOGDIR"];

/// How curl has ended, with the output that is still to be passed on.
pub(super) struct Ended {
    status: ExitStatus,
    /// All of it, or the body.
    held: Vec<u8>,
    report: Option<Report>,
    /// What --write-out printed behind a body that an error hides.
    written: Option<Vec<u8>>,
}

/// What curl says of the transfer.
struct Report {
    http_status: u16,
    redirects: u32,
    file: String,
}

impl Transfer {
    /// Runs curl, with this in the header Authorization. Output that is too long for a complaint is passed on meanwhile.
    pub(super) fn run(&self, authorization: &Secret) -> Result<Ended, Failure> {
        let mark = mark()?;
        let header = pipe_with(&format!("Authorization: {}\n", authorization.expose()));
        let header =
            header.map_err(|error| Failure::Other(format!("no pipe can be made: {error}; try again")))?;
        let path = readable_path(&header)?;
        let mut command = self.command(&path, &mark);
        let child = memory::with_own_limit(|| command.spawn());
        let mut child = child.map_err(|e| Failure::not_started("curl", &e))?;
        drop(header);
        let ended = receive(&mut child, &mark).and_then(|output| Ok((output, child.wait()?)));
        let ((mut held, report), status) = ended.map_err(Lost::into_failure)?;
        let written = self.recovers_from_errors().then(|| split_off(&mut held, &end_of_body(&mark)));
        Ok(Ended { status, held, report, written: written.flatten() })
    }

    /// Whether `--fail` is done by `--fail-with-body`, so that the body of an error says whether it is about the token.
    /// Not where curl would write that body to a file, or once for each of several tries.
    fn recovers_from_errors(&self) -> bool {
        let others = ["--fail-with-body", "--retry", "--include", "--show-headers", "--head"];
        let is_plain = !self.request.options.iter().any(|option| others.contains(&option.as_str()));
        self.request.hides_errors && !self.request.is_to_file && is_plain
    }

    fn command(&self, header: &str, mark: &str) -> Command {
        let mut command = Command::new("curl");
        // Only as the first argument does it keep curl from its configuration file. curl reads the header next, before
        // any other option: when those are looked at, the pipe is empty.
        command.arg("--disable").arg("--header").arg(format!("@{header}"));
        let recovers = self.recovers_from_errors();
        let is_replaced = |option: &&String| recovers && *option == "--fail";
        command.args(self.request.options.iter().map(|option| match option {
            option if is_replaced(&option) => "--fail-with-body",
            option => option,
        }));
        let end = if recovers { format!("%{{stdout}}{}", end_of_body(mark)) } else { String::new() };
        command.arg("--write-out").arg(format!(
            "{end}{}%{{stdout}}{mark} %{{http_code}} %{{num_redirects}} %{{filename_effective}}",
            self.request.format
        ));
        // Older versions than 7.83 would take the token along from https to http.
        command.args(if self.is_local { ["--noproxy", "*"] } else { ["--proto-redir", "=https"] });
        if let Some(ca_file) = &self.ca_file {
            command.arg("--cacert").arg(ca_file);
        }
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        // curl shows no progress where its output is on a terminal, and does not see that it ends there.
        if io::stdout().is_terminal() && !self.request.is_to_file {
            command.arg("--no-progress-meter");
        }
        command.args(["--globoff", "--url", &self.url]).stdout(Stdio::piped());
        command
    }
}

/// What stands between a body and what --write-out prints.
fn end_of_body(mark: &str) -> String {
    format!("{mark}-body")
}

/// Takes off what is behind the last `end`, and `end` itself.
fn split_off(output: &mut Vec<u8>, end: &str) -> Option<Vec<u8>> {
    let at = output.windows(end.len()).rposition(|bytes| bytes == end.as_bytes())?;
    let rest = output.split_off(at);
    Some(rest[end.len()..].to_vec())
}

/// Where curl can open the pipe. Without one it would go on, and leave the header out.
fn readable_path(header: &PipeReader) -> Result<String, Failure> {
    let number = header.as_raw_fd();
    let paths = [format!("/dev/fd/{number}"), format!("/proc/self/fd/{number}")];
    paths.into_iter().find(|path| Path::new(path).exists()).ok_or_else(|| {
        let reason = "curl cannot be given the token, as neither /dev/fd nor /proc is mounted; mount /proc";
        Failure::Other(reason.to_owned())
    })
}

/// Something that no body holds by chance or by intent.
fn mark() -> Result<String, Failure> {
    Ok(format!("imgurctl-{}", hexadecimal(&random::bytes::<8>()?)))
}

/// A pipe that holds `text`, whose end for reading is passed on to the programs that are started.
fn pipe_with(text: &str) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(text.as_bytes())?;
    fcntl_setfd(&reader, FdFlags::empty())?;
    Ok(reader)
}

/// What went wrong between curl and our own output.
#[derive(Debug)]
enum Lost {
    /// curl's output, or curl, is gone.
    Curl(io::Error),
    /// Nothing more can be written.
    Output(io::Error),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Curl(error)
    }
}

impl Lost {
    fn into_failure(self) -> Failure {
        match self {
            Self::Curl(error) => {
                Failure::Other(format!("cannot read the output of curl: {error}; run it again"))
            }
            Self::Output(error) => cannot_write(error),
        }
    }
}

/// Reads what curl writes, and takes its report off the end.
fn receive(child: &mut Child, mark: &str) -> Result<(Vec<u8>, Option<Report>), Lost> {
    let Some(mut output) = child.stdout.take() else { return Ok((Vec::new(), None)) };
    let mut held = Vec::new();
    (&mut output).take(HELD).read_to_end(&mut held)?;
    let is_long = held.len() as u64 == HELD;
    if is_long {
        held = pass_on_but_the_tail(held, &mut output, &mut io::stdout().lock())?;
    }
    let end = held.windows(mark.len()).rposition(|bytes| bytes == mark.as_bytes());
    let report = end.map(|end| held.split_off(end)).and_then(|text| Report::parse(&text[mark.len()..]));
    Ok((held, report.filter(|_| !is_long)))
}

fn pass_on_but_the_tail(
    mut held: Vec<u8>,
    output: &mut impl Read,
    stdout: &mut impl Write,
) -> Result<Vec<u8>, Lost> {
    let mut chunk = vec![0; TAIL];
    loop {
        let rest = held.split_off(held.len() - TAIL);
        // curl stops as well: the end of its pipe is closed.
        stdout.write_all(&held).map_err(Lost::Output)?;
        held = rest;
        match output.read(&mut chunk)? {
            0 => return Ok(held),
            count => held.extend_from_slice(&chunk[..count]),
        }
    }
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
    /// Whether the API complains of the token. What another place says, to which it redirected, is about none.
    pub(super) fn is_about_the_token(&self) -> bool {
        let Some(report) = self.report.as_ref().filter(|report| report.redirects == 0) else { return false };
        let mut body = Vec::new();
        // What is no file, such as /dev/stdout, is not there to be read again.
        if fs::metadata(&report.file).is_ok_and(|found| found.is_file()) {
            // Where it cannot be read, the status has to do.
            let _ = File::open(&report.file).and_then(|file| file.take(HELD).read_to_end(&mut body));
        }
        body.extend_from_slice(&self.held);
        complaint::is_about_the_token(report.http_status, &body)
    }

    /// Writes what curl wrote, and ends as it did.
    pub(super) fn pass_on(mut self) -> Result<(), Failure> {
        let code = self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default());
        if let Some(written) = self.written {
            if code == SERVER_ERROR {
                self.held.clear();
            }
            self.held.extend(written);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.held).and_then(|()| stdout.flush()).map_err(cannot_write)?;
        if code == 0 { Ok(()) } else { Err(Failure::Ended(u8::try_from(code).unwrap_or(1))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_back_whatever_the_pieces() {
        let text: Vec<u8> = (0..HELD + 100_000).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
        let (first, mut rest) = text.split_at(usize::try_from(HELD).expect("fits"));
        let mut written = Vec::new();
        let tail = pass_on_but_the_tail(first.to_vec(), &mut rest, &mut written).expect("read");
        assert!(tail.len() >= TAIL);
        assert_eq!([written, tail].concat(), text);
    }

    #[test]
    fn reads_what_curl_reports() {
        let report = Report::parse(b" 403 0 a file name").expect("a report");
        assert_eq!((report.http_status, report.redirects, report.file.as_str()), (403, 0, "a file name"));
        assert_eq!(Report::parse(b" 200 1 ").expect("a report").file, "");
        assert!(Report::parse(b"").is_none());
    }
}
