//! The API that the tokens give access to.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri, header};

use super::Shared;
use super::body::{self, Answer};

/// `GET /3/account/me`.
pub(super) async fn account(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Answer {
    match user(&shared, uri.path(), &headers) {
        Ok(user) => limits(body::account(&user)),
        Err(refusal) => refusal,
    }
}

/// `GET /3/account/me/images`.
pub(super) async fn images(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Answer {
    let number =
        |name, default| query.get(name).and_then(|text: &String| text.parse().ok()).unwrap_or(default);
    match user(&shared, uri.path(), &headers) {
        Ok(_) => {
            limits(body::images(shared.behaviour().images, number("page", 0), number("perPage", 50).min(100)))
        }
        Err(refusal) => refusal,
    }
}

/// `GET /3/credits`.
pub(super) async fn credits(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Answer {
    match anybody(&shared, uri.path(), &headers) {
        Ok(()) => limits(body::credits()),
        Err(refusal) => refusal,
    }
}

/// `GET /3/gallery/hot`.
pub(super) async fn gallery(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Answer {
    match anybody(&shared, uri.path(), &headers) {
        Ok(()) => limits(body::images(1, 0, 1)),
        Err(refusal) => refusal,
    }
}

/// `POST /3/image`, as a form with a file (RFC 7578).
pub(super) async fn upload(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    form: Bytes,
) -> Answer {
    match user(&shared, uri.path(), &headers) {
        Ok(_) if String::from_utf8_lossy(&form).contains("name=\"image\"; filename=") => {
            limits(body::upload())
        }
        Ok(_) => body::error(400, "No image data was sent to the upload api", uri.path(), "POST"),
        Err(refusal) => refusal,
    }
}

/// Checks that the request has a client ID or a valid token.
fn anybody(shared: &Shared, path: &str, headers: &HeaderMap) -> Result<(), Answer> {
    match authorization(headers).and_then(|text| text.strip_prefix("Client-ID ")) {
        Some(id) if id == shared.behaviour().client_id => Ok(()),
        Some(_) => Err(body::error(403, "Invalid client_id", path, "GET")),
        None => user(shared, path, headers).map(|_| ()),
    }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

/// The user of the token, or the error answer.
pub(super) fn user(shared: &Shared, path: &str, headers: &HeaderMap) -> Result<String, Answer> {
    let refuse = |status, text| Err(body::error(status, text, path, "GET"));
    let Some(text) = authorization(headers) else {
        return refuse(401, "Authentication required");
    };
    // A client ID identifies the application, never the user.
    if text.starts_with("Client-ID ") {
        return refuse(401, "Authentication required");
    }
    let Some(token) = text.strip_prefix("Bearer ") else {
        return refuse(403, "Malformed auth header.");
    };
    match shared.user_of(token) {
        Some(user) => Ok(user),
        None => refuse(shared.behaviour().rejection, "The access token provided is invalid."),
    }
}

fn limits(answer: Answer) -> Answer {
    answer
        .with("X-RateLimit-UserLimit", &500)
        .with("X-RateLimit-UserRemaining", &499)
        .with("X-RateLimit-UserReset", &1_615_614_380)
        .with("X-RateLimit-ClientLimit", &12_500)
        .with("X-RateLimit-ClientRemaining", &12_499)
}
