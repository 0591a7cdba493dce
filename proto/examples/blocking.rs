//! Lists the links to a user's images, with the blocking client: `cargo run -p imgurd-proto --example blocking`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "that is what a program like this is for")]

use std::env;
use std::error::Error;
use std::process::ExitCode;

use imgurd_proto::{Client, ClientError, Error as KeeperError, Token, rejects_token};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

fn main() -> ExitCode {
    let api = env::args().nth(1).unwrap_or_else(|| "https://api.imgur.com/3".to_owned());
    match links(&api) {
        Ok(links) => {
            for link in links {
                println!("{link}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", explain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn links(api: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut keeper = Client::connect()?;
    let token = keeper.get_token(None)?;
    let (mut status, mut answer) = images(api, &token)?;
    // A token can stop working before it expires, and only the program that uses it notices.
    if rejects_token(status, answer.as_bytes()) {
        let another = keeper.reject_token(None, token.access_token)?;
        (status, answer) = images(api, &another)?;
    }
    if status != 200 {
        return Err(format!("Imgur answers {status}").into());
    }
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    let images = answer["data"].as_array().into_iter().flatten();
    Ok(images.filter_map(|image| image["link"].as_str()).map(ToOwned::to_owned).collect())
}

fn images(api: &str, token: &Token) -> Result<(u16, String), ureq::Error> {
    // The second call has no effect.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent: Agent = Agent::config_builder().tls_config(tls).http_status_as_error(false).build().into();
    let header = format!("{} {}", token.token_type, token.access_token.expose());
    let mut answer = agent.get(format!("{api}/account/me/images")).header("Authorization", header).call()?;
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}

/// The error for the user. A long-running program would wait until `Watch` reports a sign-in, or until `retry_at`.
fn explain(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(ClientError::Keeper(KeeperError::ConsentNeeded { reason, .. })) => format!("Sign in: {reason}"),
        Some(ClientError::Keeper(KeeperError::AccessDenied { reason })) => format!("Not allowed: {reason}"),
        Some(ClientError::Keeper(KeeperError::TemporarilyUnavailable { reason, retry_at })) => {
            let when = retry_at.map(|at| format!(" after {at} (Unix time)")).unwrap_or_default();
            format!("Try again{when}: {reason}")
        }
        _ => error.to_string(),
    }
}
