//! The exact bytes of the answers.
//!
//! They are literal text, not serialized, because clients depend on the order of members and on `\/`, which PHP
//! writes.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::behaviour::{AccountId, Behaviour, ExpiresIn, Scope};
use super::issued_tokens::Issued;

/// The answer "over capacity", which Imgur sends with status 500 or 403.
pub(super) const OVER_CAPACITY: &str = r#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"success":false,"status":"#;

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), content_type.into())], body: body.into() }
    }

    pub(super) fn with(mut self, name: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.headers.push((name.into(), value.to_string()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).unwrap();
            response.headers_mut().append(name, HeaderValue::try_from(value).unwrap());
        }
        response
    }
}

pub(super) fn json(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(status, "application/json", body)
}

pub(super) fn html(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(status, "text/html; charset=utf-8", body)
}

/// Imgur's error, with `error` as a string.
pub(super) fn error(status: u16, text: &str, path: &str, method: &str) -> Answer {
    let (text, path) = (quoted(text), quoted(path));
    json(
        status,
        format!(
            r#"{{"data":{{"error":{text},"request":{path},"method":"{method}"}},"success":false,"status":{status}}}"#
        ),
    )
}

/// The error of RFC 6749, section 5.2.
pub(super) fn rfc6749(status: u16, code: &str, description: &str) -> Answer {
    let (code, description) = (quoted(code), quoted(description));
    json(status, format!(r#"{{"error":{code},"error_description":{description}}}"#))
        .with(header::CACHE_CONTROL.as_str(), "no-store")
}

/// A JSON string as PHP writes it.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('/', "\\/")
}

/// The account ID of a user.
pub(super) fn id_of(user: &str) -> u64 {
    user.bytes().fold(9_042_594, |id, byte| (id * 31 + u64::from(byte)) % 100_000_000)
}

/// The members of the token answer, which the token flow sends in the fragment.
pub(super) fn token_members(behaviour: &Behaviour, issued: &Issued) -> Vec<(&'static str, Value)> {
    let mut members = vec![("access_token", Value::from(issued.access.as_str()))];
    match &behaviour.expires_in {
        ExpiresIn::Truth => members.push(("expires_in", behaviour.lifetime.as_secs().into())),
        ExpiresIn::Json(value) => members.push(("expires_in", value.clone())),
        ExpiresIn::Absent => {}
    }
    members.push(("token_type", behaviour.token_type.as_str().into()));
    match behaviour.scope {
        Scope::Null => members.push(("scope", Value::Null)),
        Scope::Empty => members.push(("scope", "".into())),
        Scope::Is(scope) => members.push(("scope", scope.into())),
        Scope::Absent => {}
    }
    if let Some(refresh) = &issued.refresh {
        members.push(("refresh_token", refresh.as_str().into()));
    }
    match behaviour.account_id {
        AccountId::Number => members.push(("account_id", id_of(&issued.user).into())),
        AccountId::Text => members.push(("account_id", id_of(&issued.user).to_string().into())),
        AccountId::Absent => {}
    }
    members.push(("account_username", issued.user.as_str().into()));
    members
}

pub(super) fn token(behaviour: &Behaviour, issued: &Issued) -> Answer {
    let members: Vec<_> =
        token_members(behaviour, issued).iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let object = format!("{{{}}}", members.join(","));
    if behaviour.wrapped {
        json(200, format!(r#"{{"data":{object},"success":true,"status":200}}"#))
    } else {
        json(200, object)
    }
}

pub(super) fn account(user: &str) -> Answer {
    let (id, url) = (id_of(user), quoted(user));
    json(
        200,
        format!(
            r#"{{"data":{{"id":{id},"url":{url},"bio":null,"avatar":null,"reputation":0,"reputation_name":"Neutral","created":1481839668,"pro_expiration":false,"user_follow":{{"status":false}}}},"success":true,"status":200}}"#
        ),
    )
}

/// One page of a user's images. As at Imgur, there is no total.
pub(super) fn images(count: usize, page: usize, per_page: usize) -> Answer {
    let first = page.saturating_mul(per_page).min(count);
    let last = first.saturating_add(per_page).min(count);
    let images: Vec<_> = (first..last).map(image).collect();
    json(200, format!(r#"{{"data":[{}],"success":true,"status":200}}"#, images.join(",")))
}

/// The answer to an upload.
pub(super) fn upload() -> Answer {
    json(200, format!(r#"{{"data":{},"success":true,"status":200}}"#, image(0)))
}

fn image(index: usize) -> String {
    // The first image is the one in Imgur's documentation. The others have numbers.
    let id = if index == 0 { "xQhKdf1".to_owned() } else { format!("fake{index:03}") };
    format!(
        r#"{{"id":"{id}","title":"kitties","description":null,"datetime":1395676562,"type":"image\/jpeg","animated":false,"width":500,"height":333,"size":75582,"views":1,"bandwidth":75582,"favorite":false,"nsfw":null,"section":null,"deletehash":"fakedeletehash0","link":"http:\/\/i.imgur.com\/{id}.jpg"}}"#
    )
}

pub(super) fn credits() -> Answer {
    json(
        200,
        r#"{"data":{"UserLimit":500,"UserRemaining":500,"UserReset":1615614380,"ClientLimit":12500,"ClientRemaining":12500},"success":true,"status":200}"#,
    )
}
