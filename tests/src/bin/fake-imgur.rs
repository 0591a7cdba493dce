//! A fake Imgur to try imgurd by hand. It runs until Ctrl-C.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use imgurd_tests::fake::{Behaviour, Fake, Rotation};

/// A fake Imgur: consent pages, tokens, and the part of the API that shows whether a token works.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Port of 127.0.0.1 to listen on
    #[arg(long, default_value_t = 8916)]
    port: u16,
    /// Lifetime of an access token, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    lifetime: u64,
    /// What happens to a refresh token that is used
    #[arg(long, value_enum, default_value_t = Mode::Off)]
    rotation: Mode,
    /// Seconds for which a used refresh token still works with `--rotation grace`
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    grace: u64,
    /// Username of the signed-in user
    #[arg(long, default_value = "alice")]
    username: String,
    /// Client ID of the registered application
    #[arg(long, default_value = "fake-client-id")]
    client_id: String,
    /// Client secret of the registered application
    #[arg(long, default_value = "fake-client-secret")]
    client_secret: String,
    /// Registered callback URL
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8917/callback")]
    callback: String,
    /// Number of images in the account
    #[arg(long, default_value_t = 3)]
    images: usize,
}

/// The modes of [`Rotation`].
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// It keeps working
    Off,
    /// It keeps working, and answers do not repeat it
    Omitted,
    /// It stops working, and the answer has a new one
    Plain,
    /// It stops working, the answer has a new one, and using it again revokes the grant
    ReuseDetection,
    /// It works for some more seconds, and the answer has a new one
    Grace,
}

impl Options {
    fn behaviour(self) -> Behaviour {
        Behaviour {
            client_id: self.client_id,
            client_secret: self.client_secret,
            callback: Some(self.callback),
            username: self.username,
            lifetime: Duration::from_secs(self.lifetime),
            rotation: match self.rotation {
                Mode::Off => Rotation::Off,
                Mode::Omitted => Rotation::Omitted,
                Mode::Plain => Rotation::Plain,
                Mode::ReuseDetection => Rotation::ReuseDetection,
                Mode::Grace => Rotation::Grace(Duration::from_secs(self.grace)),
            },
            images: self.images,
            ..Behaviour::default()
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let address = SocketAddr::from(([127, 0, 0, 1], options.port));
    let fake = Fake::start_at(address, options.behaviour())
        .with_context(|| format!("cannot listen at {address}; choose another --port"))?;
    introduce(&fake);
    loop {
        thread::park();
    }
}

fn introduce(fake: &Fake) {
    let behaviour = fake.behaviour();
    println!("A fake Imgur listens; Ctrl-C ends it.");
    println!("  authorize  {}", fake.auth_url());
    println!("  token      {}", fake.token_url());
    println!("  API        {}", fake.api_url());
    println!();
    println!("Point an account of imgurd at it:");
    println!("  echo -n {} | imgurctl account add fake --client-secret-stdin \\", behaviour.client_secret);
    println!("    --client-id {} \\", behaviour.client_id);
    println!("    --auth-url {} --token-url {} \\", fake.auth_url(), fake.token_url());
    println!("    --api-url {} --redirect-uri {} \\", fake.api_url(), behaviour.callback.unwrap_or_default());
    println!("    --send-redirect-uri false --refresh-reuse tolerated");
    println!("  imgurctl login fake");
    println!("  imgurctl token fake --header | curl -H @- {}account/me/images", fake.api_url());
}
