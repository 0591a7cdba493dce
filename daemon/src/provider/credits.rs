//! How many requests the API still allows: Imgur's `GET /3/credits`.
//!
//! The daemon asks, because the client has neither HTTP nor TLS.

use imgurd_proto::Credits;
use serde_json::Value;

use super::inquiry::ApiAnswer;

/// The API's answer about credits.
pub type Tally = ApiAnswer<Credits>;

/// The path in Imgur's API. The request itself costs no credits.
pub(super) const PATH: &str = "credits";

/// Reads the credits; `None` if there are none in the answer.
pub(super) fn credits(body: &str) -> Option<Credits> {
    let body: Value = serde_json::from_str(body).ok()?;
    let figure = |name: &str| {
        let value = &body["data"][name];
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    let credits = Credits {
        user_limit: figure("UserLimit"),
        user_remaining: figure("UserRemaining"),
        user_reset: figure("UserReset"),
        client_limit: figure("ClientLimit"),
        client_remaining: figure("ClientRemaining"),
    };
    (credits != Credits::default()).then_some(credits)
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use oauth2::HttpResponse;
    use rstest::rstest;

    use super::*;
    use crate::provider::complaint::TOO_MANY;
    use crate::provider::inquiry::understand;

    const WHOLE: &str = r#"{"data":{"UserLimit":500,"UserRemaining":499,"UserReset":1615614380,"ClientLimit":12500,"ClientRemaining":12000},"success":true,"status":200}"#;

    fn figures(figures: [Option<i64>; 5]) -> Tally {
        let [user_limit, user_remaining, user_reset, client_limit, client_remaining] = figures;
        Tally::Known(Credits { user_limit, user_remaining, user_reset, client_limit, client_remaining })
    }

    #[rstest]
    #[case(200, WHOLE, figures([Some(500), Some(499), Some(1_615_614_380), Some(12_500), Some(12_000)]))]
    #[case(
        200,
        r#"{"data":{"ClientLimit":"12500","ClientRemaining":0,"UserLimit":null}}"#,
        figures([None, None, None, Some(12_500), Some(0)])
    )]
    #[case(
        403,
        r#"{"data":{"error":"The access token provided is invalid."},"success":false,"status":403}"#,
        Tally::Rejected
    )]
    #[case(401, r#"{"data":{"error":"Authentication required"},"status":401}"#, Tally::Rejected)]
    #[case(
        429,
        r#"{"data":{"error":"Daily client requests exceeded"},"status":429,"success":false}"#,
        Tally::Unknown(TOO_MANY.into())
    )]
    #[case(
        403,
        r#"{"data":{"error":"Imgur is temporarily over capacity. Please try again later."},"status":403}"#,
        Tally::Unknown("the server is over capacity".into())
    )]
    #[case(200, r#"{"data":{}}"#, Tally::Unsupported)]
    #[case(404, "<html>", Tally::Unsupported)]
    fn reads_the_credits_or_why_they_are_unknown(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: Tally,
    ) {
        let mut response = HttpResponse::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(understand(&response, credits, &[]), expected);
    }
}
