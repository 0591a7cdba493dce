//! The gateway's metadata (RFC 8414), for clients that know only its address.

use serde_json::{Value, json};

pub(super) const AUTHORIZE: &str = "/oauth2/authorize";
pub(super) const TOKEN: &str = "/oauth2/token";
pub(super) const REVOKE: &str = "/oauth2/revoke";
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";

/// What the gateway says of itself as `issuer`.
pub(super) fn metadata(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let authentication = ["client_secret_basic", "client_secret_post", "none"];
    json!({
        "issuer": issuer,
        "authorization_endpoint": at(AUTHORIZE),
        "token_endpoint": at(TOKEN),
        "revocation_endpoint": at(REVOKE),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": authentication,
        "revocation_endpoint_auth_methods_supported": authentication,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}
