//! One run of curl.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, PipeReader, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use imgurd_proto::Secret;
use rustix::io::{FdFlags, fcntl_setfd};

use super::complaint;
use super::options::Request;
use crate::failure::Failure;
use crate::random::{self, hexadecimal};

/// What is held back until it is known to be no complaint. None is longer.
const HELD: u64 = 64 * 1024;

/// Room for what curl is made to write at the end, in which a file's name may be.
const TAIL: usize = 8 * 1024;

/// A request, and where it goes.
pub(super) struct Transfer {
    pub(super) request: Request,
    pub(super) url: String,
    /// Whether it goes, in clear, to this machine itself, and so through no proxy.
    pub(super) is_local: bool,
}

/// How curl has ended, with the output that is still to be passed on.
pub(super) struct Ended {
    status: ExitStatus,
    held: Vec<u8>,
    report: Option<Report>,
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
        let mut child = self.command(&header, &mark).spawn().map_err(|e| Failure::not_started("curl", &e))?;
        drop(header);
        let read = receive(&mut child, &mark);
        let status =
            child.wait().and_then(|status| read.map(|(held, report)| Ended { status, held, report }));
        status.map_err(|error| Failure::Other(format!("curl was lost sight of: {error}; run it again")))
    }

    fn command(&self, header: &PipeReader, mark: &str) -> Command {
        let mut command = Command::new("curl");
        // Only as the first argument does it keep curl from its configuration file.
        command.arg("--disable").args(&self.request.options);
        command.arg("--header").arg(format!("@/dev/fd/{}", header.as_raw_fd()));
        command.arg("--write-out").arg(format!(
            "{}%{{stdout}}{mark} %{{http_code}} %{{num_redirects}} %{{filename_effective}}",
            self.request.format
        ));
        if self.is_local {
            command.args(["--noproxy", "*"]);
        }
        // curl shows no progress where its output is on a terminal, and does not see that it ends there.
        if io::stdout().is_terminal() && !self.request.is_to_file {
            command.arg("--no-progress-meter");
        }
        command.args(["--globoff", "--url", &self.url]).stdout(Stdio::piped());
        command
    }
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

/// Reads what curl writes, and takes its report off the end.
fn receive(child: &mut Child, mark: &str) -> io::Result<(Vec<u8>, Option<Report>)> {
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
) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; TAIL];
    loop {
        let rest = held.split_off(held.len() - TAIL);
        // Who has stopped reading has curl stop writing.
        if stdout.write_all(&held).is_err() {
            return Ok(Vec::new());
        }
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
    pub(super) fn pass_on(self) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&self.held).and_then(|()| stdout.flush());
        let code = self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default());
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
