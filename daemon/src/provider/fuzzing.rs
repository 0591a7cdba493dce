//! A server's answers as fuzzers see them.

use hyper::{HeaderMap, StatusCode};
use oauth2::HttpResponse;

use super::{Reply, TokenOwner, classify, inquiry, token_owner};

/// What an answer of the token endpoint means.
#[must_use]
pub fn understand(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Reply {
    Reply { answer: classify::classify(status, headers, body, false), date: classify::server_time(headers) }
}

/// What an answer of the API says of the token.
#[must_use]
pub fn identify(status: StatusCode, headers: HeaderMap, body: &[u8]) -> TokenOwner {
    let mut response = HttpResponse::new(body.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    inquiry::understand(&response, token_owner::username)
}
