//! Endpoints that other servers have and Imgur does not: metadata (RFC 8414), device codes (RFC 8628), revocation (RFC
//! 7009), and userinfo (OpenID Connect Core, section 5.3).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Form, State};
use axum::http::HeaderMap;
use serde_json::json;

use super::Shared;
use super::api;
use super::body::{self, Answer};
use super::issued_tokens::{Consent, Issued};
use super::refusal::Refusal;
use super::token::authenticate;

type Fields = HashMap<String, String>;

/// How long a device code is valid, and the polling interval.
const DEVICE_LIFETIME: Duration = Duration::from_mins(10);
const INTERVAL: Duration = Duration::from_secs(1);

/// An issued device code.
#[derive(Debug)]
pub(super) struct Device {
    code: String,
    user_code: String,
    expires: std::time::Instant,
    decision: Option<Decision>,
}

#[derive(Clone, Debug)]
enum Decision {
    Allowed(String),
    Denied,
}

impl Shared {
    /// Decides as the user who enters the code: allows access as this user, or denies it.
    pub(super) fn decide_device(&self, user_code: &str, user: Option<&str>) {
        let mut devices = self.devices.lock().unwrap();
        let device = devices
            .iter_mut()
            .find(|device| device.user_code == user_code)
            .expect("this server issued the code");
        device.decision = Some(user.map_or(Decision::Denied, |user| Decision::Allowed(user.to_owned())));
    }

    /// The answer to a poll.
    pub(super) fn poll_device(&self, device_code: &str) -> Result<Issued, Refusal> {
        let mut devices = self.devices.lock().unwrap();
        let index = devices.iter().position(|device| device.code == device_code);
        let index = index.ok_or(Refusal::Code)?;
        if self.clock.now() >= devices[index].expires {
            return Err(Refusal::Device("expired_token", "The code is too old"));
        }
        match devices[index].decision.clone() {
            None => Err(Refusal::Device("authorization_pending", "Nobody has entered the code yet")),
            Some(Decision::Denied) => Err(Refusal::Device("access_denied", "The user said no")),
            Some(Decision::Allowed(user)) => {
                devices.remove(index);
                Ok(self.grant(&user))
            }
        }
    }
}

/// `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`.
pub(super) async fn metadata(State(shared): State<Arc<Shared>>) -> Answer {
    let origin = &shared.origin;
    let document = json!({
        "issuer": origin,
        "authorization_endpoint": format!("{origin}/oauth2/authorize"),
        "token_endpoint": format!("{origin}/oauth2/token"),
        "device_authorization_endpoint": format!("{origin}/oauth2/device"),
        "revocation_endpoint": format!("{origin}/oauth2/revoke"),
        "userinfo_endpoint": format!("{origin}/oauth2/userinfo"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
    });
    body::json(200, document.to_string())
}

/// `POST /oauth2/device`.
pub(super) async fn device(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Answer {
    let behaviour = shared.behaviour();
    if let Err(refusal) = authenticate(&behaviour, &headers, &form) {
        return refusal.answer(behaviour.errors);
    }
    let code = shared.code(Consent::default(), false);
    let user_code = format!("{}-{}", &code[..4], &code[4..8]).to_uppercase();
    let page = format!("{}/device", shared.origin);
    let answer = json!({
        "device_code": code, "user_code": user_code, "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": DEVICE_LIFETIME.as_secs(), "interval": INTERVAL.as_secs(),
    });
    let expires = shared.clock.now() + DEVICE_LIFETIME;
    let device = Device { code, user_code, expires, decision: None };
    shared.devices.lock().unwrap().push(device);
    body::json(200, answer.to_string())
}

/// `POST /oauth2/revoke`. An unknown token counts as revoked.
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<Fields>,
) -> Answer {
    let behaviour = shared.behaviour();
    match authenticate(&behaviour, &headers, &form) {
        Ok(()) => {
            let token = form.get("token").map(String::as_str).unwrap_or_default();
            shared.issued_tokens.lock().unwrap().revoke_token(token);
            body::json(200, "")
        }
        Err(refusal) => refusal.answer(behaviour.errors),
    }
}

/// `GET /oauth2/userinfo`.
pub(super) async fn userinfo(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    match api::user(&shared, "/oauth2/userinfo", &headers) {
        Ok(user) => {
            let claims = json!({ "sub": body::id_of(&user).to_string(), "preferred_username": user });
            body::json(200, claims.to_string())
        }
        Err(refusal) => refusal,
    }
}
