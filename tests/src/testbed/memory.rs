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

/// How soon what is superseded has gone: that is within a second, and a busy machine gets more. It is less than what a
/// copy in a thread that has become idle would have, which tokio ends after ten.
const SOON: Duration = Duration::from_secs(5);

/// The most copies of a secret in use: what is kept, and what is answered from.
const IN_USE: usize = 2;

/// What the allocator of libc writes into the beginning of memory that is free: the rest of a secret may yet be there.
const OVERWRITTEN: usize = 16;

/// How much of what is around a copy is shown.
const AROUND: u64 = 96;

impl Daemon {
    /// Fails unless there are soon no more copies of a secret of `live` in its memory than it needs, and none of any of
    /// `gone`, however they are written.
    #[track_caller]
    pub fn assert_holds_only(&self, live: &[String], gone: &[String], when: &str) {
        let deadline = Instant::now() + SOON;
        // On a busy machine, looking once may take longer than that.
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
                "{when}: {} copies of secret number {number} of those {what}\n{}",
                copies.len(),
                copies.iter().map(|copy| memory.describe(copy)).collect::<String>()
            );
        }
    }
}

/// The parts of a process's memory that it may have written to (`proc_pid_maps(5)`): all that can be read but what is a
/// file's own content.
struct Memory(Vec<Mapping>);

struct Mapping {
    line: String,
    start: u64,
    bytes: Vec<u8>,
}

/// Where a copy is.
struct Copy<'m> {
    mapping: &'m Mapping,
    offset: usize,
}

impl Memory {
    fn of(process: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let memory =
            File::open(format!("/proc/{process}/mem")).expect("its memory may be read by the tester");
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

    /// The mapping, the address and the bytes around: what an investigation begins with. The secrets of tests are fakes.
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
        // Some of what the kernel has mapped cannot be read by others, and some mappings end meanwhile.
        (is_its_own && memory.read_exact_at(&mut bytes, start).is_ok()).then(|| Self {
            line: line.to_owned(),
            start,
            bytes,
        })
    }
}

/// How a secret may be written: as it is, as forms and JSON have it, and all that in base64 at any offset.
fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let urlencoded: String = byte_serialize(secret.as_bytes()).collect();
    let quoted = json!(secret).to_string();
    let written = [secret, &urlencoded, quoted.trim_matches('"')].map(|form| form.as_bytes().to_vec());
    let encoded = written.iter().flat_map(|form| (0..3).map(|offset| in_base64(form, offset)));
    encoded.chain(written.iter().map(|form| robust(form).to_vec())).collect()
}

/// What is in the base64 of anything that has `text` at an offset of that remainder.
fn in_base64(text: &[u8], offset: usize) -> Vec<u8> {
    let encoded = BASE64_STANDARD_NO_PAD.encode([&vec![0; offset], text].concat());
    let is_shared = !(offset + text.len()).is_multiple_of(3);
    let whole = &encoded[(offset * 8).div_ceil(6)..encoded.len() - usize::from(is_shared)];
    robust(whole.as_bytes()).to_vec()
}

/// What is left of a form where memory was freed and not wiped.
fn robust(form: &[u8]) -> &[u8] {
    if form.len() >= 2 * OVERWRITTEN { &form[OVERWRITTEN..] } else { form }
}

/// Where `needle` is (Horspool's way, since there is much to search).
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
    fn every_copy_is_found_however_it_is_written() {
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
    fn a_process_finds_what_it_holds() {
        let held = format!("held in memory, process {}", std::process::id());
        assert!(!Memory::of(std::process::id()).copies(&held).is_empty());
    }
}
