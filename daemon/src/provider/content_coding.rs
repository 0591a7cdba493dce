//! Content codings (RFC 9110, section 8.4.1), recognised by the first bytes of an answer. Proxies omit the header, or name a coding
//! that the answer does not have.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

/// The content codings that a request accepts.
pub(super) const ACCEPTED: &str = "gzip, deflate";

/// How often an answer may be compressed: by the server, and once more by a proxy.
const LAYERS: usize = 2;

/// Decompresses `body`; returns it unchanged if it is not compressed. Reads at most one byte more than `most`.
///
/// # Errors
///
/// If the compressed data is cut off or damaged.
pub(super) fn decoded(headers: &HeaderMap, mut body: Vec<u8>, most: usize) -> io::Result<Vec<u8>> {
    for _ in 0..LAYERS {
        body = match body.as_slice() {
            [0x1f, 0x8b, ..] => gunzip(&body, most)?,
            [first, second, ..] if is_zlib(*first, *second) => read(ZlibDecoder::new(body.as_slice()), most)?,
            _ if names_deflate(headers) => match read(DeflateDecoder::new(body.as_slice()), most) {
                Ok(text) => text,
                Err(_) => break,
            },
            _ => break,
        };
    }
    Ok(body)
}

/// Decompresses gzip data. The data after the first member and its checksum may be missing or wrong; the text shows
/// whether it is complete.
fn gunzip(body: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match GzDecoder::new(body).take(most as u64 + 1).read_to_end(&mut text) {
        Err(error) if text.is_empty() => Err(error),
        _ => Ok(text),
    }
}

fn read(decoder: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut body)?;
    Ok(body)
}

/// Whether these bytes are a zlib header with the usual window (RFC 1950, section 2.2). No text begins with them.
fn is_zlib(first: u8, second: u8) -> bool {
    first == 0x78 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0 && second != b'^'
}

/// Whether the header names deflate. Some servers send such data without the zlib header (RFC 9110, section 8.4.1.2).
fn names_deflate(headers: &HeaderMap) -> bool {
    let coding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("deflate"))
}
