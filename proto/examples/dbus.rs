//! Lists the links to a user's images, over D-Bus: `cargo run -p imgurd-proto --features dbus --example dbus`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "that is what a program like this is for")]

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use imgurd_proto::dbus::{Error as KeeperError, KeeperProxy};
use imgurd_proto::{Secret, rejects_token};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let api = env::args().nth(1).unwrap_or_else(|| "https://api.imgur.com/3".to_owned());
    match links(&api).await {
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

async fn links(api: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let bus = zbus::Connection::session().await?;
    let keeper = KeeperProxy::new(&bus).await?;
    // By a file descriptor, so that no monitor of the bus sees the token.
    let token = read(keeper.get_token_fd("", -1, -1).await?.into())?;
    let (mut status, mut answer) = images(api, &token).await?;
    // A token can stop working before it expires, and only the program that uses it notices.
    if rejects_token(status, answer.as_bytes()) {
        let (another, ..) = keeper.reject_token("", &token, -1).await?;
        (status, answer) = images(api, &another).await?;
    }
    if status != 200 {
        return Err(format!("Imgur answers {status}").into());
    }
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    let images = answer["data"].as_array().into_iter().flatten();
    Ok(images.filter_map(|image| image["link"].as_str()).map(ToOwned::to_owned).collect())
}

fn read(sealed: OwnedFd) -> io::Result<Secret> {
    let mut token = String::new();
    File::from(sealed).read_to_string(&mut token)?;
    Ok(token.into())
}

async fn images(api: &str, token: &Secret) -> reqwest::Result<(u16, String)> {
    // The second call has no effect.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let request = reqwest::Client::new().get(format!("{api}/account/me/images"));
    let answer = request.bearer_auth(token.expose()).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The error for the user. A long-running program would wait for the account's `TokenChanged`, or try again later.
fn explain(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(KeeperError::ConsentNeeded(reason)) => format!("Sign in: {reason}"),
        Some(KeeperError::AccessDenied(reason)) => format!("Not allowed: {reason}"),
        Some(KeeperError::TemporarilyUnavailable(reason)) => format!("Try again later: {reason}"),
        _ => error.to_string(),
    }
}
