//! The contents of a daemon's memory.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::Daemon;

/// How soon an old secret must be gone. That takes less than a second, or more on a busy machine. A copy in an idle
/// thread would stay longer, because tokio ends idle threads after ten seconds.
const SOON: Duration = Duration::from_secs(5);

/// The most copies of a secret in use: the stored one and the published one.
const IN_USE: usize = 2;

/// The bytes that libc's allocator overwrites at the beginning of freed memory. The rest of a secret may still be
/// there.
const OVERWRITTEN: usize = 16;

/// How many bytes around a copy are printed.
const AROUND: u64 = 96;

impl Daemon {
    /// Fails unless its memory soon has at most two copies of each secret of `live` and none of `gone`, in any
    /// encoding.
    #[track_caller]
    pub fn assert_holds_only(&self, live: &[String], gone: &[String], when: &str) {
        let deadline = Instant::now() + SOON;
        // Looking once may take longer than that on a busy machine.
        for look in 1.. {
            let memory = Memory::of(self.id());
            let found = |secrets: &[String], most: usize| {
                let too_many = secrets.iter().map(|secret| memory.copies(secret));
                too_many.enumerate().find(|(_, copies)| copies.len() > most)
            };
            let excess = found(live, IN_USE).map(|found| ("in use", found));
            let Some((what, (number, copies))) = excess.or(found(gone, 0).map(|found| ("gone", found)))
            else {
                return;
            };
            assert!(
                look == 1 || Instant::now() < deadline,
                "{when}: {} copies of secret number {number} of the secrets {what}\n{}",
                copies.len(),
                copies.iter().map(|copy| memory.describe(copy)).collect::<String>()
            );
        }
    }
}

/// The parts of a process's memory that it may have written (`proc_pid_maps(5)`): everything readable except the
/// unchanged contents of files.
struct Memory(Vec<Mapping>);

struct Mapping {
    line: String,
    start: u64,
    bytes: Vec<u8>,
}

/// The place of a copy.
struct Copy<'m> {
    mapping: &'m Mapping,
    offset: usize,
}

impl Memory {
    fn of(process: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory =
            File::open(format!("/proc/{process}/mem")).expect("the test may read the process's memory");
        Self(maps.lines().filter_map(|line| Mapping::read(line, &memory)).collect())
    }

    fn copies(&self, secret: &str) -> Vec<Copy<'_>> {
        let forms = forms(secret);
        let mut copies = Vec::new();
        for mapping in &self.0 {
            let found: BTreeSet<usize> =
                forms.iter().flat_map(|form| occurrences(&mapping.bytes, form)).collect();
            copies.extend(found.into_iter().map(|offset| Copy { mapping, offset }));
        }
        copies
    }

    /// The mapping, the address and the bytes around the copy, to find out where it comes from. The secrets of tests
    /// are made up.
    fn describe(&self, copy: &Copy<'_>) -> String {
        let Mapping { line, start, bytes } = copy.mapping;
        let address = start + copy.offset as u64;
        let from = copy.offset.saturating_sub(usize::try_from(AROUND).unwrap());
        let to = (copy.offset + usize::try_from(AROUND).unwrap()).min(bytes.len());
        let pointers = self.0.iter().flat_map(|mapping| {
            let near = |at: &[u8]| {
                let pointer = u64::from_ne_bytes(at.try_into().unwrap());
                pointer <= address && address < pointer.saturating_add(AROUND)
            };
            let words = mapping.bytes.chunks_exact(8).enumerate().filter(move |(_, word)| near(word));
            words.map(|(index, _)| mapping.start + index as u64 * 8)
        });
        let mut text =
            format!("{address:x} in {line}\n  {}\n  pointed at from", bytes[from..to].escape_ascii());
        pointers.take(4).for_each(|pointer| write!(text, " {pointer:x}").unwrap());
        text + "\n"
    }
}

impl Mapping {
    fn read(line: &str, memory: &File) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (range, access) = (fields.next()?, fields.next()?);
        let inode = fields.nth(2)?;
        let (start, end) = range.split_once('-')?;
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let is_its_own = access.starts_with("rw") || (access.starts_with('r') && inode == "0");
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // Some of the kernel's mappings cannot be read, and some disappear meanwhile.
        (is_its_own && memory.read_exact_at(&mut bytes, start).is_ok()).then(|| Self {
            line: line.to_owned(),
            start,
            bytes,
        })
    }
}

/// The encodings of a secret: plain, in forms and in JSON, and each of these in base64 at any offset.
fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let urlencoded: String = byte_serialize(secret.as_bytes()).collect();
    let quoted = json!(secret).to_string();
    let written = [secret, &urlencoded, quoted.trim_matches('"')].map(|form| form.as_bytes().to_vec());
    let encoded = written.iter().flat_map(|form| (0..3).map(|offset| in_base64(form, offset)));
    encoded.chain(written.iter().map(|form| surviving_part(form).to_vec())).collect()
}

/// The part of the base64 of a longer text that depends on `text` only. `offset` is the position of `text` modulo 3.
fn in_base64(text: &[u8], offset: usize) -> Vec<u8> {
    let encoded = BASE64_STANDARD_NO_PAD.encode([&vec![0; offset], text].concat());
    let is_shared = !(offset + text.len()).is_multiple_of(3);
    let whole = &encoded[(offset * 8).div_ceil(6)..encoded.len() - usize::from(is_shared)];
    surviving_part(whole.as_bytes()).to_vec()
}

/// What remains of a copy in memory that was freed without wiping.
fn surviving_part(form: &[u8]) -> &[u8] {
    if form.len() >= 2 * OVERWRITTEN { &form[OVERWRITTEN..] } else { form }
}

/// The positions of `needle`, by Horspool's algorithm, because there is much to search.
fn occurrences(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    let last = needle.len() - 1;
    let mut skips = [needle.len(); 256];
    for (index, byte) in needle[..last].iter().enumerate() {
        skips[usize::from(*byte)] = last - index;
    }
    let (mut at, mut found) = (0, Vec::new());
    while at + last < bytes.len() {
        if bytes[at + last] == needle[last] && bytes[at..].starts_with(needle) {
            found.push(at);
        }
        at += skips[usize::from(bytes[at + last])];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_copy_in_every_encoding() {
        let secret = "fake/client+secret \"of some length\"";
        for text in [
            secret.to_owned(),
            json!({ "client_secret": secret }).to_string(),
            format!("client_secret={}&a=b", byte_serialize(secret.as_bytes()).collect::<String>()),
            BASE64_STANDARD_NO_PAD.encode(format!("id:{secret}")),
            BASE64_STANDARD_NO_PAD.encode(format!("id2:{secret}...")),
            BASE64_STANDARD_NO_PAD.encode(format!("{secret}.")),
            format!("{}{}", "\0".repeat(OVERWRITTEN), &secret[OVERWRITTEN..]),
        ] {
            let found: usize =
                forms(secret).iter().map(|form| occurrences(text.as_bytes(), form).len()).sum();
            assert_eq!(found, 1, "{text:?}");
        }
    }

    #[test]
    fn finds_a_copy_in_its_own_memory() {
        let held = format!("held in memory, process {}", std::process::id());
        assert!(!Memory::of(std::process::id()).copies(&held).is_empty());
    }
}
