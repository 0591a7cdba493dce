//! Refusals that are not one of the known errors about a grant.

use super::*;

/// Answers to a refresh whose settings have worked before, and whether they count as a refusal of the grant.
#[rstest]
#[case::github(
    200,
    r#"{"error":"bad_refresh_token","error_description":"The refresh token is expired."}"#,
    true
)]
#[case::invalid_token(400, r#"{"error":"invalid_token"}"#, true)]
#[case::invalid_request(400, r#"{"error":"invalid_request"}"#, true)]
#[case::unauthorized_client(401, r#"{"error":"unauthorized_client"}"#, true)]
#[case::invalid_scope(400, r#"{"error":"invalid_scope"}"#, true)]
#[case::own_code(403, r#"{"error":"refresh_token_reused"}"#, true)]
#[case::within_a_success(200, r#"{"error":"invalid_grant"}"#, true)]
#[case::invalid_client(401, r#"{"error":"invalid_client"}"#, false)]
#[case::temporarily_unavailable(400, r#"{"error":"temporarily_unavailable"}"#, false)]
#[case::server_error(400, r#"{"error":"server_error"}"#, false)]
#[case::slow_down(400, r#"{"error":"slow_down"}"#, false)]
#[case::a_status(404, r#"{"status":404,"error":"Not Found","path":"/oauth2/token"}"#, false)]
#[case::status_as_code(403, r#"{"error":"forbidden"}"#, false)]
#[case::a_gateway(400, r#"{"error":"rate_limit_exceeded"}"#, false)]
#[case::a_sentence(400, r#"{"error":"Something went wrong."}"#, false)]
#[case::too_many(429, r#"{"error":"invalid_token"}"#, false)]
#[case::unavailable(503, r#"{"error":"invalid_token"}"#, false)]
#[case::imgurs(
    400,
    r#"{"data":{"error":"Missing parameter. \"x\" is required"},"success":false,"status":400}"#,
    false
)]
#[case::over_capacity(
    400,
    r#"{"data":{"error":"Imgur is temporarily over capacity"},"success":false,"status":400}"#,
    false
)]
#[case::no_error(200, r#"{"ok":true}"#, false)]
#[case::slack(200, r#"{"ok":false,"error":"invalid_refresh_token"}"#, true)]
#[case::github_in_a_form(
    200,
    "error=bad_refresh_token&error_description=The+refresh+token+is+expired.",
    true
)]
#[case::azure(400, r#"{"error":"invalid_request","error_description":"AADSTS90014: a field is missing.","error_codes":[90014]}"#, true)]
#[case::better_auth(400, r#"{"error_description":"session not found","error":"invalid_request"}"#, true)] // better-auth/better-auth, 8099
#[case::twitch(400, r#"{"error":"Bad Request","status":400,"message":"Invalid refresh token"}"#, true)]
#[case::facebook(
    400,
    r#"{"error":{"message":"Error validating access token","type":"OAuthException","code":190}}"#,
    true
)]
#[case::supabase(
    400,
    r#"{"code":400,"error_code":"refresh_token_not_found","msg":"Invalid Refresh Token"}"#,
    true
)] // supabase/auth, 2829
#[case::an_api(
    404,
    r#"{"error":{"code":"InternalServerError","message":"Unable to resolve template token"}}"#,
    false
)]
fn other_oauth_errors_refuse_a_refresh_with_proven_settings(
    #[case] status: u16,
    #[case] body: &str,
    #[case] is_refusal: bool,
) {
    let status = StatusCode::from_u16(status).unwrap();
    let classified = |is_proven| classify(status, &HeaderMap::new(), body.as_bytes(), is_proven, &[]);
    assert_eq!(matches!(classified(true), Answer::Refused { .. }), is_refusal, "{:?}", classified(true));
    assert!(!matches!(classified(false), Answer::Refused { .. }), "{:?}", classified(false));
}

#[rstest]
#[case(400, "", Delivery::Wordless)]
#[case(401, " \r\n", Delivery::Wordless)]
#[case(404, "", Delivery::NotOauth)]
#[case(413, "", Delivery::NotOauth)]
#[case(400, r#"{"error":{"message":"No."}}"#, Delivery::Unclear)]
#[case(400, r#"{"error":"slow_down"}"#, Delivery::Answered)]
#[case(429, "", Delivery::Answered)]
#[case(400, "{}", Delivery::NotOauth)]
#[case(404, r#"{"error":"not_found"}"#, Delivery::NotOauth)]
#[case(503, "", Delivery::Answered)]
fn distinguishes_refusals_without_an_error_code(
    #[case] status: u16,
    #[case] body: &str,
    #[case] delivery: Delivery,
) {
    let status = StatusCode::from_u16(status).unwrap();
    let Answer::Transient(transient) = classify(status, &HeaderMap::new(), body.as_bytes(), true, &[]) else {
        panic!("the refusal is not treated as transient");
    };
    assert_eq!(transient.delivery, delivery);
}
