//! A blocking HTTP client that returns each answer unchanged: it follows no redirect, and no status is an error.

use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

/// The longest time for an answer, which is far longer than any answer takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// More than the largest body of the fake Imgur, in bytes.
const LIMIT: u64 = 64 << 20;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Lower-case names, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The first header with this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn read(mut response: Response<Body>) -> Result<Self, ureq::Error> {
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let text = response.body_mut().with_config().limit(LIMIT).read_to_string()?;
        Ok(Self { status: response.status().as_u16(), headers, text })
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(TIMEOUT))
        .proxy(None)
        .build()
        .into()
}

/// `GET`, with this `Authorization` header if given.
pub fn get(url: &str, authorization: Option<&str>) -> Result<Answer, ureq::Error> {
    get_with(url, authorization.map(|value| ("Authorization", value)).as_slice())
}

/// `GET` with these headers.
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
    let request =
        headers.iter().fold(agent().get(url), |request, (name, value)| request.header(*name, *value));
    Answer::read(request.call()?)
}

/// `POST` of an urlencoded form, with this `Authorization` header if given.
pub fn post(url: &str, authorization: Option<&str>, form: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
    post_with(url, authorization.map(|value| ("Authorization", value)).as_slice(), form)
}

/// `POST` of an urlencoded form with these headers.
pub fn post_with(url: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
    let request =
        headers.iter().fold(agent().post(url), |request, (name, value)| request.header(*name, *value));
    Answer::read(request.send_form(form.iter().copied())?)
}

/// `POST` of JSON.
pub fn post_json(url: &str, body: &str) -> Result<Answer, ureq::Error> {
    Answer::read(agent().post(url).header("Content-Type", "application/json").send(body)?)
}

/// Any request, as the crate `oauth2` passes it.
pub fn send(request: ureq::http::Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ureq::Error> {
    let (parts, mut body) = agent().run(request)?.into_parts();
    Ok(Response::from_parts(parts, body.with_config().limit(LIMIT).read_to_vec()?))
}

/// `DELETE`.
pub fn delete(url: &str) -> Result<Answer, ureq::Error> {
    Answer::read(agent().delete(url).call()?)
}
