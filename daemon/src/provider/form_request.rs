//! A request of the client to one of the server's endpoints, authenticated as at the token endpoint (RFC 6749, section 2.3.1).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use imgurd_proto::{ClientAuth, Secret};
use oauth2::HttpRequest;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{Answer, Client, is_protected};

/// A form for `url`; `None` if no request can be made of it.
pub(super) fn form_request<'a>(
    client: &Client,
    url: &Url,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<HttpRequest> {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields);
    let mut request = HttpRequest::new(Vec::new());
    match (client.auth, &client.secret) {
        (ClientAuth::Basic, Some(secret)) => {
            let mut basic = HeaderValue::from_str(&basic(&client.id, secret)).ok()?;
            basic.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, basic);
        }
        (_, secret) => {
            form.append_pair("client_id", &client.id);
            form.extend_pairs(secret.iter().map(|secret| ("client_secret", secret.expose())));
        }
    }
    *request.body_mut() = form.finish().into_bytes();
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.as_str().parse().ok()?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    Some(request)
}

/// A request for what is at `url`; `None` if others could read it.
pub(super) fn get_request(url: &Url) -> Option<HttpRequest> {
    let mut request = HttpRequest::new(Vec::new());
    *request.uri_mut() = Some(url).filter(|url| is_protected(url))?.as_str().parse().ok()?;
    Some(request)
}

/// Encodes ID and secret as in a form before they are joined.
fn basic(id: &str, secret: &Secret) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret.expose()));
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}

/// Why no request can be made.
pub(super) fn unsendable() -> Answer {
    Answer::misconfigured_url("imgurd cannot build a request for the token URL")
}
