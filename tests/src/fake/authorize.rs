//! `/oauth2/authorize`: the consent page.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, Query, State};
use url::Url;

use super::Shared;
use super::behaviour::Behaviour;
use super::body::{self, Answer};
use super::issued_tokens::Consent;

type Parameters = HashMap<String, String>;

/// `GET`: shows the page, or an error.
pub(super) async fn page(State(shared): State<Arc<Shared>>, Query(query): Query<Parameters>) -> Answer {
    let behaviour = shared.behaviour();
    check(&behaviour, &query, "GET").unwrap_or_else(|| body::html(200, consent_page(&behaviour)))
}

/// `POST`: the user decided.
pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<Parameters>,
    Form(form): Form<Parameters>,
) -> Answer {
    let behaviour = shared.behaviour();
    if let Some(refusal) = check(&behaviour, &query, "POST") {
        return refusal;
    }
    let flow = query["response_type"].as_str();
    if form.get("decision").map(String::as_str) != Some("allow") {
        return denied(&behaviour, flow, query.get("state"));
    }
    let consent = Consent {
        user: form.get("username").unwrap_or(&behaviour.username).clone(),
        challenge: query.get("code_challenge").cloned(),
        redirect_uri: query.get("redirect_uri").cloned(),
    };
    match flow {
        "token" => token(&shared, &behaviour, &consent.user, query.get("state")),
        "pin" => body::html(200, pin_page(&shared.code(consent, true))),
        _ => code(&behaviour, &shared.code(consent, false), query.get("state")),
    }
}

/// The answer to a request that gets no page.
fn check(behaviour: &Behaviour, query: &Parameters, method: &str) -> Option<Answer> {
    let get = |name| query.get(name).map(String::as_str);
    let refuse = |status, text| Some(body::error(status, text, "/oauth2/authorize", method));
    let (Some(client_id), Some(flow)) = (get("client_id"), get("response_type")) else {
        return refuse(400, "client_id and response_type are required");
    };
    if client_id != behaviour.client_id {
        return refuse(403, "Unauthorized");
    }
    if !matches!(flow, "code" | "token" | "pin") {
        return refuse(400, "client_id and response_type are required");
    }
    if get("redirect_uri").is_some_and(|uri| Some(uri) != behaviour.callback.as_deref()) {
        return refuse(400, "The redirect URI provided is missing or does not match");
    }
    // Imgur documents no PKCE. The fake accepts only the method that clients should use.
    if get("code_challenge").is_some() && get("code_challenge_method") != Some("S256") {
        return refuse(400, "code_challenge_method must be S256");
    }
    None
}

/// The registered callback. The redirect adds `state` to its query.
fn callback(behaviour: &Behaviour) -> Url {
    let callback = behaviour.callback.as_deref().unwrap_or("https://imgur.com/");
    Url::parse(callback).expect("the registered callback is a URL")
}

fn iss(behaviour: &Behaviour) -> Option<(&str, &str)> {
    behaviour.iss.as_deref().map(|iss| ("iss", iss))
}

fn redirect(location: &Url) -> Answer {
    body::html(302, "").with("Location", location)
}

fn code(behaviour: &Behaviour, code: &str, state: Option<&String>) -> Answer {
    let mut location = callback(behaviour);
    location
        .query_pairs_mut()
        .extend_pairs(state.map(|state| ("state", state.as_str())))
        .extend_pairs(iss(behaviour))
        .append_pair("code", code);
    redirect(&location)
}

/// The token flow: `state` is in the query, the tokens are in the fragment, which servers do not see.
fn token(shared: &Shared, behaviour: &Behaviour, user: &str, state: Option<&String>) -> Answer {
    let issued = shared.grant(user);
    let mut fragment = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in body::token_members(behaviour, &issued) {
        match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => fragment.append_pair(name, &text),
            other => fragment.append_pair(name, &other.to_string()),
        };
    }
    fragment.extend_pairs(iss(behaviour));
    let mut location = callback(behaviour);
    if let Some(state) = state {
        location.query_pairs_mut().append_pair("state", state);
    }
    location.set_fragment(Some(&fragment.finish()));
    redirect(&location)
}

/// The user's denial: in the query, or in the fragment in the token flow.
fn denied(behaviour: &Behaviour, flow: &str, state: Option<&String>) -> Answer {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.append_pair("error", "access_denied");
    pairs.extend_pairs(state.map(|state| ("state", state.as_str()))).extend_pairs(iss(behaviour));
    let mut location = callback(behaviour);
    match flow {
        "pin" => return body::html(200, "<!DOCTYPE html><p>You denied access.</p>"),
        "token" => location.set_fragment(Some(&pairs.finish())),
        _ => location.set_query(Some(&pairs.finish())),
    }
    redirect(&location)
}

fn consent_page(behaviour: &Behaviour) -> String {
    let (client, user) = (escape(&behaviour.client_id), escape(&behaviour.username));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Fake Imgur</title></head>\n<body>\n\
         <h1>Fake Imgur</h1>\n<p>The application <b>{client}</b> would like to use your account.</p>\n\
         <form method=\"post\">\n<p><label>Signed in as <input name=\"username\" value=\"{user}\"></label></p>\n\
         <button name=\"decision\" value=\"allow\">Allow</button>\n\
         <button name=\"decision\" value=\"deny\">Deny</button>\n</form>\n</body></html>\n"
    )
}

fn pin_page(pin: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Fake Imgur</title></head>\n\
         <body><p>Type this PIN into the application: <strong id=\"pin\">{pin}</strong></p></body></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
