//! `POST /oauth2/token`: exchanges codes, PINs and refresh tokens for access tokens.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, State};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Shared;
use super::behaviour::Behaviour;
use super::body::{self, Answer};
use super::issued_tokens::{Consent, Issued, challenge_of};
use super::refusal::Refusal;

pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Answer {
    let behaviour = shared.behaviour();
    let outcome = authenticate(&behaviour, &headers, &form).and_then(|()| redeem(&shared, &behaviour, &form));
    match outcome {
        Ok(issued) => body::token(&behaviour, &issued),
        Err(refusal) => refusal.answer(behaviour.errors),
    }
}

/// Checks the client's credentials, in the body or in a Basic header (RFC 6749, section 2.3.1).
pub(super) fn authenticate(
    behaviour: &Behaviour,
    headers: &HeaderMap,
    form: &HashMap<String, String>,
) -> Result<(), Refusal> {
    let basic = headers.get(header::AUTHORIZATION).map(|value| {
        let value = value.to_str().unwrap_or_default();
        credentials(value).unwrap_or_default()
    });
    let (id, secret) = basic.unwrap_or_else(|| {
        let get = |name| form.get(name).cloned().unwrap_or_default();
        (get("client_id"), get("client_secret"))
    });
    if id == behaviour.client_id && secret == behaviour.client_secret { Ok(()) } else { Err(Refusal::Client) }
}

/// The ID and the secret of a Basic header. Each was urlencoded before they were joined.
fn credentials(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ")?;
    let pair = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decode = |text: &str| {
        url::form_urlencoded::parse(text.as_bytes())
            .next()
            .map(|(name, _)| name.into_owned())
            .unwrap_or_default()
    };
    Some((decode(id), decode(secret)))
}

fn redeem(shared: &Shared, behaviour: &Behaviour, form: &HashMap<String, String>) -> Result<Issued, Refusal> {
    let get = |name| form.get(name).map(String::as_str);
    let need = |name| get(name).ok_or(Refusal::Missing(name));
    let now = shared.clock.now();
    if get("grant_type") == Some("urn:ietf:params:oauth:grant-type:device_code") {
        return shared.poll_device(need("device_code")?);
    }
    let mut issued_tokens = shared.issued_tokens.lock().unwrap();
    if let Some(verifier) = get("code_verifier") {
        issued_tokens.learn(verifier);
    }
    match get("grant_type") {
        Some("refresh_token") => issued_tokens.refresh(behaviour, need("refresh_token")?, now),
        Some("pin") => {
            let presented = presented(behaviour, form)?;
            issued_tokens.redeem(behaviour, need("pin")?, true, &presented, now)
        }
        Some("authorization_code") => {
            let presented = presented(behaviour, form)?;
            issued_tokens.redeem(behaviour, need("code")?, false, &presented, now)
        }
        _ => Err(Refusal::GrantType),
    }
}

/// What the client sends with the code, to compare with its first request. A verifier without an earlier challenge is
/// refused, too (RFC 9700, section 2.1.1).
fn presented(behaviour: &Behaviour, form: &HashMap<String, String>) -> Result<Consent, Refusal> {
    let redirect_uri = form.get("redirect_uri").cloned();
    if redirect_uri.is_some() && redirect_uri != behaviour.callback {
        return Err(Refusal::RedirectUri);
    }
    Ok(Consent {
        user: String::new(),
        challenge: form.get("code_verifier").map(|verifier| challenge_of(verifier)),
        redirect_uri,
    })
}
